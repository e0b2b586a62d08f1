//! `matrix:list`: the homeservers of this host.

use crate::{
    error::{Exit, Result},
    host::env::Env,
    marker::{self, Marker},
    ui::Ui,
};

/// `matrix:list` takes no flags.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// The apps that run a homeserver.
pub(super) fn apps(env: &Env) -> Result<Vec<String>> {
    let mut apps = vec![];
    for app in marker::apps(env)? {
        if matches!(marker::read(env, &app)?, Some(Marker::Synapse(_))) {
            apps.push(app);
        }
    }
    Ok(apps)
}

/// Lists the homeservers.
pub fn run(env: &Env) -> Result<Exit> {
    let ui = Ui::new(env.get("DOKKU_QUIET_OUTPUT").is_some(), false);
    let apps = apps(env)?;
    if apps.is_empty() {
        ui.warn("There are no Matrix homeservers");
        return Ok(Exit::Done);
    }
    ui.heading("Matrix homeservers");
    for app in apps {
        ui.answer(&app);
    }
    Ok(Exit::Done)
}
