//! `matrix:disable-element` and its like: removes a component beside a homeserver.

use super::{Subcommand, session::Session, summary};
use crate::{
    component::{
        Catalog, Component, Kind,
        identity::{self, Identity},
    },
    dokku::{apps, config, domains, ps, storage},
    error::{Error, Exit, Result},
    host::{Host, env::Env},
    names::AppName,
    nginx::install,
    state::{Marker, Spec, marker},
    steps::{
        app::{Ports, remove_label},
        container, nginx,
    },
};
use std::{collections::BTreeMap, sync::Arc};

#[derive(Debug, clap::Args)]
struct Args {
    /// The homeserver's app.
    app: AppName,
}

pub(super) fn subcommand(kind: &'static Kind) -> Subcommand {
    Subcommand::new(
        format!("disable-{}", kind.name),
        "<app>",
        format!("Remove {} from a homeserver", kind.title),
        move |env, catalog, args| run(env, catalog, kind, &args),
    )
}

/// An app that the plugin created is destroyed, any other is given back.
fn run(env: Env, catalog: Catalog, kind: &'static Kind, args: &Args) -> Result<Exit> {
    let session = Session::new(env, catalog, format!("matrix:disable-{}", kind.name));
    let (spec, _lock) = session.locked(&args.app)?;
    let title = kind.title;
    let Some(recorded) = spec.components.get(kind.name).cloned() else {
        session.ui.heading(&format!("{title} is not enabled for {}", spec.app));
        return Ok(Exit::Done);
    };
    let host = &session.host;
    let app = &recorded.app;
    let desired = session.homeserver(spec.clone())?;
    let component = desired.component(kind.name);
    // The name may be another app's by now; an app that only lost its marker is still ours.
    let identity = identity::of(host, catalog, app.as_str())?;
    let ours = Identity::Component { kind: kind.name.to_owned(), server: spec.server_name.clone() };
    if let Some(component) = component.filter(|_| identity == ours) {
        if recorded.created {
            session.ui.step(&format!("Destroying app {app}"));
            apps::destroy(host, app)?;
        } else {
            session.ui.step(&format!("Giving app {app} back"));
            give_back(host, component)?;
            session.ui.detail(&format!("It keeps its domain {}", recorded.domain));
        }
    }
    if let Identity::Stranger | Identity::Replaced { .. } = identity
        && apps::exists(host, app)?
    {
        session.ui.warn(&format!("{app} is another app by now; it was not touched"));
    }
    // Recorded last: until here the same command goes on where it was interrupted.
    let mut without: Spec = spec;
    without.components.remove(kind.name);
    without.write(host)?;
    let ours = Marker::component(kind.name, &without.server_name);
    if marker::read(host.env(), app.as_str())? == Some(ours) {
        marker::remove(host, app.as_str())?;
    }
    session.ui.heading(&format!("{title} is disabled for {}", without.app));
    summary::email_links(&session, &session.homeserver(without)?)?;
    Ok(Exit::Done)
}

/// Takes from an app that existed before all that is the plugin's.
fn give_back(host: &Host, component: &Arc<Component>) -> Result<()> {
    let app = &component.app;
    let ran = ps::stop(host, app)?;
    if ran.code != 0 && ps::deployed(host, app).option()? == Some(true) {
        return Err(
            Error::new(format!("{app} cannot be stopped")).hint(format!("dokku ps:stop {app}"))
        );
    }
    let ours = container::of_host(host, component);
    for mounted in storage::of(host, app).or_absent(vec![])? {
        if ours.contains(&mounted.mount) {
            storage::unmount(host, app, &mounted)?;
        }
    }
    let variables = config::all(host, app).or_absent(BTreeMap::new())?;
    for (name, _) in &component.environment {
        if variables.contains_key(*name) {
            config::unset(host, app, name)?;
        }
    }
    remove_label(host, component)?;
    if Ports(component.clone()).are_set(host)? {
        domains::clear_ports(host, app)?;
    }
    install::remove(host, app.as_str(), nginx::FILE)
}
