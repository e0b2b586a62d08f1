//! The image: that it is here, and that it runs.

use super::{
    Who, Wish,
    container::{Environment, Mounts},
};
use crate::{
    dokku::{
        docker::{self, Container},
        postgres, ps,
    },
    error::{Error, Result},
    host::{Host, cmd::Output, files, owner::Owner},
    plan::{Change, State, Step, StepId},
    synapse::health::{self, Readiness},
};

/// The image is on this host.
#[derive(Debug)]
pub struct Image(pub Wish, pub Who);

impl Step for Image {
    fn id(&self) -> StepId {
        (self.1.name(), "image")
    }

    fn needs(&self) -> Vec<StepId> {
        match self.1 {
            Who::Synapse => vec![("matrix", "intent")],
            // Recorded only when its image is there: see `element_only`.
            Who::Element => vec![],
        }
    }

    fn title(&self) -> String {
        let image = self.1.image(&self.0);
        match self.1 {
            Who::Synapse => format!("Pulling {image}"),
            // Beside the other.
            Who::Element => format!("Pulling {image} for {}", self.1.app(&self.0)),
        }
    }

    fn check(&self, host: &Host) -> Result<State> {
        let image = self.1.image(&self.0).clone();
        if docker::has_image(host, &image)? {
            return Ok(State::Holds);
        }
        let says = format!("docker image pull {image}");
        Ok(State::Missing(vec![Change::new(says, move |host| docker::pull(host, &image))]))
    }
}

/// The wished image runs, with the files as they are and a database that it can reach.
#[derive(Debug)]
pub struct Deployed(pub Wish, pub Who);

impl Step for Deployed {
    fn id(&self) -> StepId {
        (self.1.name(), "deployed")
    }

    fn needs(&self) -> Vec<StepId> {
        // Those that Element Web does not have do not count.
        ["image", "environment", "scale", "judged"].map(|step| (self.1.name(), step)).to_vec()
    }

    fn title(&self) -> String {
        format!("Deploying {} to {}", self.1.image(&self.0), self.1.app(&self.0))
    }

    fn check(&self, host: &Host) -> Result<State> {
        let (app, image) = (self.1.app(&self.0), self.1.image(&self.0));
        let container = docker::running(host, app).option()?;
        // The container is asked, not Dokku: that records an image before it has built it.
        let container = container.filter(|now| now.source_image == image.as_str());
        // Of an app whose first deploy was cut off Dokku restarts nothing, not even at boot.
        let (Some(container), Some(true)) = (container, ps::deployed(host, app).option()?) else {
            return Ok(self.change(format!("dokku git:from-image {app} {image}"), How::FromImage));
        };
        let why = if !self.fits(host, &container)? {
            "it was started otherwise"
        } else if self.newest(host)? > container.started {
            "its files changed"
        } else if self.1 == Who::Synapse && self.database_is_lost(host, &container)? {
            "its link to the database is dead"
        } else if self.is_elsewhere(host, &container)? {
            "Dokku has an old address of it, or none"
        } else {
            return Ok(State::Holds);
        };
        Ok(self.change(format!("dokku ps:restart {app} ({why})"), How::Restart))
    }
}

#[derive(Clone, Copy, Debug)]
enum How {
    FromImage,
    Restart,
}

impl Deployed {
    fn change(&self, says: String, how: How) -> State {
        let (wish, who) = (self.0.clone(), self.1);
        State::Missing(vec![Change::new(says, move |host| deploy(host, &wish, who, how))])
    }

    /// Whether the container was started with what is recorded in Dokku by now: a run that was
    /// killed before its deploy leaves the two apart.
    fn fits(&self, host: &Host, container: &Container) -> Result<bool> {
        let owner = Owner::of(host.env().dokku_user())?;
        let user =
            self.1 == Who::Element || container.user == format!("{}:{}", owner.uid, owner.gid);
        let (name, value) = Environment::wanted(self.1);
        let mounts = Mounts::wanted(host, &self.0, self.1);
        Ok(user
            && container.has_variable(name, &value)
            && mounts.iter().all(|mount| container.mounts.contains(mount)))
    }

    /// When a file that the container read at its start changed last.
    fn newest(&self, host: &Host) -> Result<i64> {
        let places = self.0.places(host.env());
        let mut paths = match self.1 {
            Who::Element => vec![places.element().join("config.json")],
            // The folder itself tells of a file that was taken away.
            Who::Synapse => vec![places.homeserver_d(), places.config().join("log.config")],
        };
        if self.1 == Who::Synapse {
            let folder = places.homeserver_d();
            paths.extend(files::list(&folder)?.into_iter().map(|name| folder.join(name)));
        }
        let mut newest = 0;
        for path in paths {
            newest = newest.max(files::stat(&path)?.map_or(0, |stat| stat.changed));
        }
        Ok(newest)
    }

    /// Docker gives a container that it starts again another address at times, and Dokku does not
    /// ask; and of one that ends at once Dokku finds none when it asks.
    fn is_elsewhere(&self, host: &Host, container: &Container) -> Result<bool> {
        // Whether one of this run's is well is to be seen yet.
        if container.created >= host.began() {
            return Ok(false);
        }
        let app = self.1.app(&self.0);
        if container.addresses.is_empty() {
            return Ok(ps::listeners(host, app)?.is_empty());
        }
        Ok(ps::address(host, app, container).option()?.is_none())
    }

    /// A database container that was made anew leaves a dead link in the running Synapse.
    fn database_is_lost(&self, host: &Host, container: &Container) -> Result<bool> {
        // Docker has linked it to the container that bore the name then, and starts it no more when it
        // ends; however well it runs, as long as the new one has the address of the old.
        for name in &container.links {
            if docker::created_at(host, name)
                .option()?
                .is_some_and(|created| created > container.created)
            {
                return Ok(true);
            }
        }
        let Some(address) = ps::listeners(host, &self.0.app)?.into_iter().next() else {
            return Ok(false);
        };
        // Asked twice: a server under load may keep one question waiting.
        Ok(health::probe(host, &address)? == Readiness::NoDatabase
            && postgres::status(host, &self.0.service)? == "running"
            && health::probe(host, &address)? == Readiness::NoDatabase)
    }
}

fn deploy(host: &Host, wish: &Wish, who: Who, how: How) -> Result<()> {
    let app = who.app(wish);
    let ran = match how {
        How::FromImage => {
            let ran = ps::from_image(host, app, who.image(wish))?;
            // What was stopped, or an earlier build that failed: the image is no news to Dokku.
            if ran.code != 0 && ran.says("No changes detected") {
                ps::rebuild(host, app)?
            } else {
                ran
            }
        }
        How::Restart => ps::restart(host, app)?,
    };
    if ran.code == 0 { Ok(()) } else { Err(failure(host, wish, who, &ran)) }
}

fn failure(host: &Host, wish: &Wish, who: Who, ran: &Output) -> Error {
    let (app, image) = (who.app(wish), who.image(wish));
    let tail = ran.lines.len().saturating_sub(20);
    let lines = ran.lines[tail..].iter().map(|line| host.scrubber().scrub(line)).collect();
    Error::new(format!("{image} could not be deployed to {app}"))
        .shown(lines)
        .hint(format!("dokku logs {app}"))
        .hint(super::again(host, wish))
}
