//! The files of the component are mounted, and nothing else in their place.
//!
//! A directory has a named storage entry, which `dokku storage:list-entries` shows, and which Dokku
//! does not destroy while an app has it mounted. Mounts of the same path without one, of an older
//! version of the plugin, stay.

use crate::{
    component::{self, Component},
    dokku::storage::{self, Mounted},
    error::{Error, Result},
    host::{Host, digest::Digest},
    plan::{Change, State, Step, StepId},
};
use std::sync::Arc;

/// The mounts of an app.
#[derive(Debug)]
pub struct Mounts(pub Arc<Component>);

/// The mounts of a component as Dokku has them: with the paths that the Docker daemon sees.
pub fn of_host(host: &Host, component: &Component) -> Vec<storage::Mount> {
    let mount = |mount: &component::Mount| storage::Mount {
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
        for (wanted, mount) in of_host(host, &self.0).into_iter().zip(&self.0.mounts) {
            if current.iter().any(|mounted| mounted.mount == wanted) {
                continue;
            }
            let in_the_way = |mounted: &&Mounted| mounted.mount.container == wanted.container;
            if let Some(other) = current.iter().find(in_the_way) {
                let (path, target) = (&other.mount.host, &other.mount.container);
                return Err(Error::new(format!("{app} has {path} mounted at {target}"))
                    .hint(other.unmount_command(app)));
            }
            let entry = entry_name(host, &self.0, mount);
            if let Some(name) = &entry
                && !is_of(host, name, &wanted.host)?
            {
                let (name, path) = (name.clone(), wanted.host.clone());
                let description = storage::create_command(&name, &path);
                changes.push(Change::new(description, move |host| {
                    storage::create(host, &name, &path)
                }));
            }
            let app = app.clone();
            let description = storage::mount_command(&app, entry.as_deref(), &wanted);
            changes.push(Change::new(description, move |host| {
                storage::mount(host, &app, entry.as_deref(), &wanted)
            }));
        }
        Ok(State::of(changes))
    }
}

/// The name of the storage entry of a mount. It does not depend on the app, whose name may change.
/// `None` for a file, and where Dokku itself runs in a container: there it would make the
/// directory, which only the Docker daemon sees, in its own container.
fn entry_name(host: &Host, component: &Component, mount: &component::Mount) -> Option<String> {
    let part = mount.entry.filter(|_| host.env().for_daemon(&mount.source) == mount.source)?;
    let mut digest = Digest::default();
    digest.text(component.spec.server_name.as_str());
    // Names of entries have at most 45 characters, and no dots.
    Some(format!("matrix-{:.10}-{part}", digest.finish()))
}

/// Whether an entry is there, and of this path.
///
/// # Errors
/// It is of another path: to change that would move the mounts of every app that has it.
fn is_of(host: &Host, name: &str, path: &str) -> Result<bool> {
    match storage::entry_path(host, name).option()? {
        None => Ok(false),
        Some(current) if current == path => Ok(true),
        Some(current) => {
            Err(Error::new(format!("the storage entry {name} is of {current}, not of {path}"))
                .hint("If no app needs it, remove the entry; its files stay:")
                .hint(format!("  dokku storage:destroy {name}")))
        }
    }
}
