//! The desired image runs, with the files as they are and a database that it can reach.

use super::{
    kept, reach,
    started::{self, Difference},
};
use crate::{
    component::{Component, LABEL, User},
    dokku::{
        docker::{self, Container},
        postgres, ps,
    },
    error::{Error, Result},
    host::{Host, cmd::Output, owner::Owner},
    plan::{State, Step, StepId},
    steps::{container, next_commands, nginx::served},
    synapse::health::Readiness,
};
use std::{collections::BTreeSet, sync::Arc};

/// A database container that was created again leaves a dead link in the running container. It may
/// work as long as the new one has the same address, but Docker does not restart it any more.
const DEAD_LINK: &str = "its link to the database is dead";

/// The app of a component is deployed.
#[derive(Debug)]
pub(super) struct Deployed(pub(super) Arc<Component>);

#[derive(Clone, Copy, Debug)]
enum Deploy {
    FromImage,
    Restart,
}

impl Step for Deployed {
    fn id(&self) -> StepId {
        self.0.step("deployed")
    }

    fn needs(&self) -> Vec<StepId> {
        ["image", "isolated", "single-process", "validated"].map(|name| self.0.step(name)).to_vec()
    }

    fn title(&self) -> String {
        format!("Deploying {} to {}", self.0.image, self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let (app, image) = (&self.0.app, &self.0.image);
        // The container is asked, not Dokku, which records an image before it has built it.
        let container = docker::running(host, app).option()?;
        let container = container.filter(|container| container.source_image == image.as_str());
        // Dokku never restarts an app whose first deploy did not finish, not even at boot.
        let (Some(container), Some(true)) = (container, ps::deployed(host, app).option()?) else {
            return Ok(self.deploy_image());
        };
        // An image that was built and then refused is what Dokku starts next, also at boot.
        if docker::next_source_image(host, app).option()?.as_deref() != Some(image.as_str()) {
            return Ok(self.deploy_image());
        }
        let why = if !self.has_current_settings(host, &container)? {
            "its settings changed"
        } else if let Some(difference) = started::difference(host, &self.0, &container)? {
            match difference {
                Difference::Files => "its files changed",
                Difference::Database => DEAD_LINK,
            }
        } else if self.0.uses_database && self.has_lost_the_database(host)? {
            DEAD_LINK
        } else if self.has_another_address(host, &container)? {
            "Dokku does not know its address"
        } else {
            return Ok(State::Satisfied);
        };
        Ok(self.change(format!("dokku ps:restart {app} ({why})"), Deploy::Restart))
    }
}

impl Deployed {
    fn deploy_image(&self) -> State {
        let description = format!("dokku git:from-image {} {}", self.0.app, self.0.image);
        self.change(description, Deploy::FromImage)
    }

    fn change(&self, description: String, how: Deploy) -> State {
        let component = self.0.clone();
        State::missing(description, move |host| deploy(host, &component, how))
    }

    /// Whether the container was started with the settings that Dokku has by now: an interrupted
    /// run changed them and did not deploy.
    fn has_current_settings(&self, host: &Host, container: &Container) -> Result<bool> {
        let owner = Owner::of(host.env().dokku_user())?;
        let user = match self.0.user {
            User::OfImage => true,
            User::Dokku => container.user == format!("{}:{}", owner.uid, owner.gid),
        };
        let variables = &self.0.environment;
        let mounts = container::of_host(host, &self.0);
        Ok(user
            && !container::is_exposed(container, &self.0)
            && container::is_isolated(host, &self.0, &container.isolation)?
            && container.label(LABEL) == Some(self.0.spec.server_name.as_str())
            && variables.iter().all(|(name, value)| container.has_variable(name, value))
            && mounts.iter().all(|mount| container.mounts.contains(mount)))
    }

    /// Docker may restart a container with another address, and Dokku does not ask; and of a
    /// container that ends at once Dokku finds no address when it asks.
    fn has_another_address(&self, host: &Host, container: &Container) -> Result<bool> {
        // A container of this run has yet to become ready.
        if container.created >= host.started_at() {
            return Ok(false);
        }
        let app = &self.0.app;
        if container.addresses.is_empty() {
            return Ok(ps::listeners(host, app)?.is_empty());
        }
        Ok(ps::address(host, app, container).option()?.is_none())
    }

    /// The running container does not reach its database, which runs.
    fn has_lost_the_database(&self, host: &Host) -> Result<bool> {
        let Some(probe) = self.0.probe else { return Ok(false) };
        let Some(address) = ps::listeners(host, &self.0.app)?.into_iter().next() else {
            return Ok(false);
        };
        if probe(host, &address)? != Readiness::NoDatabase
            || !postgres::is_running(host, &self.0.spec.service)?
        {
            return Ok(false);
        }
        // An authentication service that does not answer looks the same from outside. And a server under
        // load may keep one question waiting.
        match reach::running(host, &self.0)? {
            Some(reach) => Ok(reach.database.is_some()),
            None => Ok(probe(host, &address)? == Readiness::NoDatabase),
        }
    }
}

fn deploy(host: &Host, component: &Component, how: Deploy) -> Result<()> {
    let app = &component.app;
    let ran = match how {
        Deploy::FromImage => {
            let ran = ps::from_image(host, app, &component.image)?;
            // Dokku takes an image that it has seen for deployed, also after a build that failed.
            if ran.code != 0 && ran.says("No changes detected") {
                ps::rebuild(host, app)?
            } else {
                ran
            }
        }
        Deploy::Restart => ps::restart(host, app)?,
    };
    if ran.code == 0 {
        return Ok(());
    }
    if ran.says("nginx") {
        // It may have failed because nginx refused what was built.
        served(component).forget(host)?;
    }
    Err(failure(host, component, &ran))
}

fn failure(host: &Host, component: &Component, ran: &Output) -> Error {
    let (app, image) = (&component.app, &component.image);
    let told = once(&ran.lines);
    let tail = told.len().saturating_sub(20);
    let lines = told[tail..].iter().map(|line| host.scrubber().scrub(line)).collect();
    let error = Error::new(format!("{image} could not be deployed to {app}"))
        .shown(lines)
        .hint(format!("dokku logs {app}"))
        .hint(next_commands(host, component));
    kept::way_back(host, component).unwrap_or_default().into_iter().fold(error, Error::hint)
}

/// The lines without those that say the same again: Dokku prints the refusal of a trigger twice.
fn once(lines: &[String]) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    let is_new = |line: &&str| seen.insert(line.trim_start_matches([' ', '!']).to_owned());
    lines.iter().map(String::as_str).filter(is_new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_refusal_once() {
        let lines =
            ["-----> Deploying", " !     no", " !     why", " !      !     no", " !     why", ""];
        let lines = lines.map(str::to_owned);
        assert_eq!(once(&lines), ["-----> Deploying", " !     no", " !     why", ""]);
    }
}
