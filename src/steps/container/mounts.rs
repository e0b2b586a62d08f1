//! The files of the component are mounted, and nothing else in their place.

use crate::{
    component::Component,
    dokku::storage,
    error::{Error, Result},
    host::Host,
    plan::{Change, State, Step, StepId},
};
use std::sync::Arc;

/// The mounts of an app.
#[derive(Debug)]
pub struct Mounts(pub Arc<Component>);

/// The mounts of a component as Dokku has them: with the paths that the Docker daemon sees.
pub fn of_host(host: &Host, component: &Component) -> Vec<storage::Mount> {
    let mount = |mount: &crate::component::Mount| storage::Mount {
        host: host.env().for_daemon(&mount.source).into_string(),
        container: mount.target.to_owned(),
        readonly: mount.readonly,
    };
    component.mounts.iter().map(mount).collect()
}

impl Step for Mounts {
    fn id(&self) -> StepId {
        self.0.step("mounts")
    }

    fn needs(&self) -> Vec<StepId> {
        // The files come first: Docker makes a directory of a file that does not exist.
        vec![self.0.step("locations"), self.0.step("config")]
    }

    fn title(&self) -> String {
        format!("Mounting the directories of {}", self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let app = &self.0.app;
        // In a dry run the app may not exist yet.
        let current = storage::of(host, app).or_absent(vec![])?;
        let mut changes = vec![];
        for wanted in of_host(host, &self.0) {
            if current.contains(&wanted) {
                continue;
            }
            if let Some(other) = current.iter().find(|mount| mount.container == wanted.container) {
                return Err(Error::new(format!(
                    "{app} has {} mounted at {}",
                    other.host, other.container
                ))
                .hint(format!("dokku storage:unmount {app} {}", other.spec())));
            }
            let app = app.clone();
            let description = format!("dokku storage:mount {app} {}", wanted.spec());
            changes.push(Change::new(description, move |host| storage::mount(host, &app, &wanted)));
        }
        Ok(State::of(changes))
    }
}
