//! The administrator's settings that became ready last are kept: where others do not become ready, they
//! are the way back. Must not touch the files that Synapse reads.

use super::started;
use crate::{
    component::Component,
    dokku::docker,
    error::Result,
    host::{Host, files, secret::Secret},
    plan::{Change, State, Step, StepId},
    state::Spec,
    steps::config::exactly,
    synapse::config::is_generated,
};
use camino::Utf8Path;
use std::{collections::BTreeSet, sync::Arc};

/// What runs and is ready has read these settings.
#[derive(Debug)]
pub(super) struct Kept(pub(super) Arc<Component>);

impl Step for Kept {
    fn id(&self) -> StepId {
        self.0.step("kept")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![self.0.step("ready")]
    }

    fn title(&self) -> String {
        format!("Keeping the settings of {}, which became ready", self.0.spec.server_name)
    }

    fn check(&self, host: &Host) -> Result<State> {
        missing(host, &self.0).map(State::of)
    }
}

/// The changes after which the settings that the running container has read are kept. The caller has
/// seen that it is ready.
pub fn missing(host: &Host, component: &Component) -> Result<Vec<Change>> {
    let Some(container) = docker::running(host, &component.app).option()? else {
        return Ok(vec![]);
    };
    // It has read something else than what is there now.
    if started::difference(host, component, &container)?.is_some() {
        return Ok(vec![]);
    }
    let paths = component.spec.paths(host.env());
    let mut changes = vec![];
    if files::stat(&paths.last_ready())?.is_none() {
        let directory = paths.last_ready();
        changes.push(Change::new(format!("mkdir {directory}"), move |host| {
            files::make_directory(host, &directory, 0o700)
        }));
    }
    for name in names(host, &component.spec)? {
        let kept = paths.last_ready().join(&name);
        match files::read(&paths.homeserver_d().join(&name))? {
            Some(text) => changes.extend(exactly(kept, Secret::new(text), files::PRIVATE)?),
            None => changes.push(Change::new(format!("remove {kept}"), move |host| {
                files::remove(host, &kept)
            })),
        }
    }
    Ok(changes)
}

/// The commands that bring back what became ready last; none if the settings are still the same, or if
/// none became ready.
pub(super) fn way_back(host: &Host, component: &Component) -> Result<Vec<String>> {
    let paths = component.spec.paths(host.env());
    if files::stat(&paths.last_ready())?.is_none() {
        return Ok(vec![]);
    }
    let mut commands = vec![];
    for name in names(host, &component.spec)? {
        let (kept, now) = (paths.last_ready().join(&name), paths.homeserver_d().join(&name));
        match (files::read(&kept)?, files::read(&now)?) {
            (before, after) if before == after => {}
            (Some(_), _) => commands.push(format!("sudo -u dokku cp {kept} {now}")),
            (None, _) => commands.push(format!("sudo -u dokku mv {now} {}", paths.root())),
        }
    }
    if !commands.is_empty() {
        commands
            .insert(0, "The settings have changed since it was ready last. To go back:".to_owned());
        commands.push(format!("dokku matrix:deploy {}", component.spec.app));
    }
    Ok(commands)
}

/// The names of the administrator's files, those that are there and those that are kept.
fn names(host: &Host, spec: &Spec) -> Result<BTreeSet<String>> {
    let paths = spec.paths(host.env());
    let mut names = BTreeSet::new();
    for directory in [paths.homeserver_d(), paths.last_ready()] {
        let all = files::list(&directory)?.into_iter();
        let is_read = |name: &String| Utf8Path::new(name).extension() == Some("yaml");
        names.extend(all.filter(|name| is_read(name) && !is_generated(name)));
    }
    Ok(names)
}
