//! `matrix:disable-element`: takes Element Web away again.

use super::{session::Session, summary};
use crate::{
    dokku::{apps, config, domains, ps, storage},
    error::{Error, Exit, Result},
    host::env::Env,
    marker,
    names::AppName,
    nginx::install,
    server::Server,
    steps::{Who, app::Ports, container::Mounts},
};
use std::sync::Arc;

/// The flags of `matrix:disable-element`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The homeserver's app.
    app: AppName,
}

/// Disables Element Web: an app that this plugin made is destroyed, any other is given back.
pub fn run(env: Env, args: &Args) -> Result<Exit> {
    let session = Session::new(env, "matrix:disable-element", false, false);
    let (server, _lock) = session.locked(&args.app)?;
    let Some(element) = &server.element else {
        session.ui.heading(&format!("Element Web is not enabled for {}", server.app));
        return Ok(Exit::Done);
    };
    let host = &session.host;
    if apps::exists(host, &element.app)? {
        if element.created {
            session.ui.step(&format!("Destroying app {}", element.app));
            apps::destroy(host, &element.app)?;
        } else {
            session.ui.step(&format!("Giving app {} back", element.app));
            let ran = ps::stop(host, &element.app)?;
            if ran.code != 0 && ps::deployed(host, &element.app).option()? == Some(true) {
                return Err(Error::new(format!("{} cannot be stopped", element.app))
                    .hint(format!("dokku ps:stop {}", element.app)));
            }
            let now = storage::of(host, &element.app).or_absent(vec![])?;
            for mount in Mounts::wanted(host, &server, Who::Element) {
                if now.contains(&mount) {
                    storage::unmount(host, &element.app, &mount)?;
                }
            }
            let variables = config::all(host, &element.app).option()?.unwrap_or_default();
            if variables.contains_key(crate::element::config::PORT_VARIABLE) {
                config::unset(host, &element.app, crate::element::config::PORT_VARIABLE)?;
            }
            if Ports(server.clone(), Who::Element).are_ours(host)? {
                domains::clear_ports(host, &element.app)?;
            }
            install::remove(host, element.app.as_str(), "matrix.conf")?;
            session.ui.detail(&format!("It keeps its domain {}", element.domain));
        }
    }
    // Until here the same command goes on where it was interrupted.
    let without = Arc::new(Server { element: None, ..(*server).clone() });
    without.write(host)?;
    marker::remove(host, element.app.as_str())?;
    session.ui.heading(&format!("Element Web is disabled for {}", server.app));
    summary::mail(&session, &without)?;
    Ok(Exit::Done)
}
