//! What the containers are started with: mounts, user, environment, and how many there are.

use super::{Who, Wish};
use crate::{
    dokku::{
        config, options, ps,
        storage::{self, Mount},
    },
    element::config as element,
    error::{Error, Result},
    host::{Host, owner::Owner},
    plan::{Change, State, Step, StepId},
    synapse::config as synapse,
};
use std::collections::BTreeMap;

/// The folders of the server are mounted, and nothing else in their place.
#[derive(Debug)]
pub struct Mounts(pub Wish, pub Who);

impl Mounts {
    /// The mounts that an app must have.
    pub fn wanted(host: &Host, wish: &Wish, who: Who) -> Vec<Mount> {
        let places = wish.places(host.env());
        let mount = |path, container: &str, readonly| Mount {
            host: host.env().for_daemon(path).into_string(),
            container: container.to_owned(),
            readonly,
        };
        match who {
            Who::Synapse => vec![
                mount(&places.config(), "/config", true),
                mount(&places.data(), "/data", false),
            ],
            Who::Element => {
                vec![mount(&places.element().join(element::FILE), element::PATH, true)]
            }
        }
    }
}

impl Step for Mounts {
    fn id(&self) -> StepId {
        (self.1.name(), "mounts")
    }

    fn needs(&self) -> Vec<StepId> {
        // After what is mounted: Docker makes a folder of a file that is not there.
        vec![(self.1.name(), "locations"), (self.1.name(), "config")]
    }

    fn title(&self) -> String {
        format!("Mounting the folders of {}", self.1.app(&self.0))
    }

    fn check(&self, host: &Host) -> Result<State> {
        let app = self.1.app(&self.0).clone();
        let now = storage::of(host, &app).or_absent(vec![])?;
        let mut changes = vec![];
        for want in Self::wanted(host, &self.0, self.1) {
            if now.contains(&want) {
                continue;
            }
            if let Some(other) = now.iter().find(|mount| mount.container == want.container) {
                return Err(Error::new(format!(
                    "{app} has {} mounted at {}",
                    other.host, other.container
                ))
                .hint(format!("dokku storage:unmount {app} {}", other.spec())));
            }
            let app = app.clone();
            let says = format!("dokku storage:mount {app} {}", want.spec());
            changes.push(Change::new(says, move |host| storage::mount(host, &app, &want)));
        }
        Ok(State::of(changes))
    }
}

/// Synapse runs as dokku's own user, so that no file of it needs root.
#[derive(Debug)]
pub struct User(pub Wish);

impl Step for User {
    fn id(&self) -> StepId {
        ("matrix", "user")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("matrix", "mounts")]
    }

    fn title(&self) -> String {
        format!("Running {} as dokku's own user", self.0.app)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let owner = Owner::of(host.env().dokku_user())?;
        let want = format!("--user {}:{}", owner.uid, owner.gid);
        let now = options::of(host, &self.0.app).or_absent(options::Options::default())?;
        let mut changes = vec![];
        for (phase, list) in [("deploy", &now.deploy), ("run", &now.run)] {
            for other in list.iter().filter(|o| is_user(o) && **o != want) {
                let (app, other) = (self.0.app.clone(), other.clone());
                let says = format!("dokku docker-options:remove {app} {phase} {other:?}");
                changes.push(Change::new(says, move |host| {
                    options::remove(host, &app, phase, &other)
                }));
            }
        }
        let lacks = |list: &[String]| !list.contains(&want);
        if lacks(&now.deploy) || lacks(&now.run) {
            let app = self.0.app.clone();
            let says = format!("dokku docker-options:add {app} deploy,run {want:?}");
            changes
                .push(Change::new(says, move |host| options::add(host, &app, "deploy,run", &want)));
        }
        Ok(State::of(changes))
    }
}

/// `--userns` is another option, and the administrator's.
fn is_user(option: &str) -> bool {
    option.starts_with("--user ") || option.starts_with("--user=")
}

/// The image is told where its configuration is.
#[derive(Debug)]
pub struct Environment(pub Wish, pub Who);

impl Environment {
    /// The variable that an app must have.
    pub fn wanted(who: Who) -> (&'static str, String) {
        match who {
            Who::Synapse => ("SYNAPSE_CONFIG_PATH", synapse::DIRECTORY.to_owned()),
            Who::Element => (element::PORT_VARIABLE, element::PORT.to_string()),
        }
    }
}

impl Step for Environment {
    fn id(&self) -> StepId {
        (self.1.name(), "environment")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![(self.1.name(), "mounts"), (self.1.name(), "user")]
    }

    fn title(&self) -> String {
        format!("Setting the environment of {}", self.1.app(&self.0))
    }

    fn check(&self, host: &Host) -> Result<State> {
        let app = self.1.app(&self.0).clone();
        let (name, value) = Self::wanted(self.1);
        let now = config::all(host, &app).option()?.unwrap_or_default();
        if now.contains_key("UID") {
            return Err(Error::new(format!(
                "{app} has a variable UID, which breaks every build of Dokku"
            ))
            .hint(format!("dokku config:unset --no-restart {app} UID")));
        }
        if now.get(name).is_some_and(|now| now.expose() == value) {
            return Ok(State::Holds);
        }
        let says = format!("dokku config:set --no-restart {app} {name}={value}");
        Ok(State::Missing(vec![Change::new(says, move |host| {
            config::set(host, &app, name, &value)
        })]))
    }
}

/// One main process, never two at a time, and no giving up after ten failed starts.
#[derive(Debug)]
pub struct OneMain(pub Wish);

impl Step for OneMain {
    fn id(&self) -> StepId {
        ("matrix", "scale")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("matrix", "environment")]
    }

    fn title(&self) -> String {
        format!("Allowing one Synapse process in {}", self.0.app)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let app = &self.0.app;
        let mut changes = vec![];
        // A new app has `web=1` of itself.
        let wrong =
            ps::scale(host, app).option()?.map(|scale| wrong_scale(&scale)).unwrap_or_default();
        if !wrong.is_empty() {
            let says = format!("dokku ps:scale --skip-deploy {app} {}", wrong.join(" "));
            let app = app.clone();
            changes.push(Change::new(says, move |host| ps::set_scale(host, &app, &wrong)));
        }
        if !ps::checks_disabled(host, app).or_absent(vec![])?.iter().any(|kind| kind == "web") {
            let app = app.clone();
            let says = format!("dokku checks:disable {app} web");
            changes.push(Change::new(says, move |host| ps::disable_checks(host, &app)));
        }
        if ps::restart_policy(host, app).option()?.as_deref() != Some("unless-stopped") {
            let app = app.clone();
            let says = format!("dokku ps:set {app} restart-policy unless-stopped");
            changes.push(Change::new(says, move |host| {
                ps::set_restart_policy(host, &app, "unless-stopped")
            }));
        }
        Ok(State::of(changes))
    }
}

/// What `ps:scale` must be told so that one `web` process is left: `worker` without a Procfile
/// is a second main too.
pub fn wrong_scale(scale: &BTreeMap<String, u32>) -> Vec<String> {
    let mut wrong = vec![];
    // Dokku records `web=1` of a new app, and forgets a process of which none is wished.
    if scale.get("web") != Some(&1) {
        wrong.push("web=1".to_owned());
    }
    let others = scale.iter().filter(|(kind, count)| *kind != "web" && **count != 0);
    wrong.extend(others.map(|(kind, _)| format!("{kind}=0")));
    wrong
}
