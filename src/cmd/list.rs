//! `matrix:list`: the homeservers of this host.

use super::{Subcommand, session::Session};
use crate::{
    component::{
        Catalog,
        identity::{self, Identity},
    },
    dokku,
    error::{Exit, Result},
    host::env::Env,
    state::{Spec, marker},
};

#[derive(Debug, clap::Args)]
struct Args {}

pub(super) fn subcommand() -> Subcommand {
    Subcommand::new("list", "", "List the homeservers", |env, catalog, Args {}| run(env, catalog))
}

/// The apps that run a homeserver, and that the user may see. Warns of those that are gone.
pub(super) fn apps(session: &Session) -> Result<Vec<String>> {
    let (host, catalog) = (&session.host, session.catalog);
    let homeserver = catalog.homeserver().name;
    let (mut apps, mut gone) = (vec![], vec![]);
    for app in marker::apps(host.env())? {
        match identity::of(host, catalog, &app)? {
            Identity::Component { kind, .. } if kind == homeserver => apps.push(app),
            Identity::Gone { kind, server } if kind == homeserver => {
                gone.push((app, server, "does not exist"));
            }
            Identity::Replaced { kind, server } if kind == homeserver => {
                gone.push((app, server, "is another app by now"));
            }
            _ => {}
        }
    }
    for (app, server, why) in gone {
        let recorded = Spec::read(host.env(), &server)?;
        let now = match &recorded {
            Some(spec) => identity::current_app(host, catalog, spec, homeserver)?,
            None => None,
        };
        if let Some(now) = now {
            apps.push(now.to_string());
        } else if !dokku::apps::visible(host, vec![app.clone()])?.is_empty() {
            session
                .ui
                .warn(&format!("The app {app} of the homeserver {server} {why}; to run it again:"));
            session.ui.warn(&format!("dokku matrix:create <app> --server-name {server}"));
        }
    }
    apps.sort();
    apps.dedup();
    dokku::apps::visible(host, apps)
}

fn run(env: Env, catalog: Catalog) -> Result<Exit> {
    let session = Session::new(env, catalog, "matrix:list");
    let (ui, apps) = (&session.ui, apps(&session)?);
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
