//! `matrix:list`: the homeservers of this host.

use super::Subcommand;
use crate::{
    component::Catalog,
    error::{Exit, Result},
    host::env::Env,
    state::{Marker, marker},
    ui::Ui,
};

#[derive(Debug, clap::Args)]
struct Args {}

pub(super) fn subcommand() -> Subcommand {
    Subcommand::new("list", "", "List the homeservers", |env, catalog, Args {}| run(&env, catalog))
}

/// The apps that run a homeserver.
pub(super) fn apps(env: &Env, catalog: Catalog) -> Result<Vec<String>> {
    let mut apps = vec![];
    for app in marker::apps(env)? {
        if let Some(Marker::Component { kind, .. }) = marker::read(env, &app)?
            && kind == catalog.homeserver().name
        {
            apps.push(app);
        }
    }
    Ok(apps)
}

fn run(env: &Env, catalog: Catalog) -> Result<Exit> {
    let ui = Ui::new(env.get("DOKKU_QUIET_OUTPUT").is_some(), false);
    let apps = apps(env, catalog)?;
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
