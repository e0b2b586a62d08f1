//! The Synapse processes that run beside the deployed one: of `dokku run`, of a task, of another app,
//! or started with Docker itself. Each of them corrupts the database.

use crate::{
    component::Component,
    dokku::docker::{self, Container},
    error::{Error, Result},
    host::Host,
    plan::Change,
    synapse::start::{self, Effect},
};

/// The changes that stop what runs in another container of the app.
///
/// # Errors
/// One runs that is not the app's, and so not the plugin's to stop.
pub fn stop_others(host: &Host, component: &Component) -> Result<Vec<Change>> {
    let app = component.app.as_str();
    let paths: Vec<_> = component.mounts.iter().map(|mount| &mount.source).collect();
    let paths: Vec<_> = paths.iter().map(|path| host.env().for_daemon(path)).collect();
    let paths: Vec<_> = paths.iter().map(|path| path.as_str()).collect();
    let mut changes = vec![];
    for other in docker::containers_with(host, &component.app, &paths)? {
        let of_app = other.label("com.dokku.app-name");
        let is_deployed = other.label("com.dokku.container-type") == Some("deploy");
        match of_app {
            // The deploy guard stops those of the app that Dokku has lost track of.
            Some(name) if name == app && is_deployed => {}
            Some(name) if is_deployed && mounts_config(&other, component, host) => {
                return Err(runs_on(app, name).hint(format!("dokku ps:stop {name}")));
            }
            _ if start::effect(&other.argv) != Effect::Process => {}
            Some(name) if name == app => {
                let description = format!("docker container stop {}", other.name);
                changes.push(Change::new(description, move |host| docker::stop(host, &other.id)));
            }
            _ => {
                let stop = format!("docker container stop {}", other.name);
                return Err(runs_on(app, &format!("the container {}", other.name)).hint(stop));
            }
        }
    }
    Ok(changes)
}

/// Whether a container of another app has the configuration, and so a program that reads it.
fn mounts_config(other: &Container, component: &Component, host: &Host) -> bool {
    let config = component.mounts.iter().find(|mount| mount.readonly);
    let source = config.map(|mount| host.env().for_daemon(&mount.source));
    source.is_some_and(|source| other.mounts.iter().any(|mount| mount.host == source.as_str()))
}

fn runs_on(app: &str, other: &str) -> Error {
    Error::new(format!("{other} runs on the data of {app}"))
        .hint("Two Synapse processes on one database corrupt it.")
}
