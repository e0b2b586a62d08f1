//! `matrix:list`: the homeservers of this host.

use super::{Subcommand, session::Session};
use crate::{
    component::Catalog,
    dokku,
    error::{Exit, Result},
    host::{Host, env::Env},
    state::{Marker, marker},
};

#[derive(Debug, clap::Args)]
struct Args {}

pub(super) fn subcommand() -> Subcommand {
    Subcommand::new("list", "", "List the homeservers", |env, catalog, Args {}| run(env, catalog))
}

/// The apps that run a homeserver, and that the user may see.
pub(super) fn apps(host: &Host, catalog: Catalog) -> Result<Vec<String>> {
    let (env, mut apps) = (host.env(), vec![]);
    for app in marker::apps(env)? {
        if let Some(Marker::Component { kind, .. }) = marker::read(env, &app)?
            && kind == catalog.homeserver().name
        {
            apps.push(app);
        }
    }
    dokku::apps::visible(host, apps)
}

fn run(env: Env, catalog: Catalog) -> Result<Exit> {
    let session = Session::new(env, catalog, "matrix:list");
    let (ui, apps) = (&session.ui, apps(&session.host, catalog)?);
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
