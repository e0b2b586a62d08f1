//! `pre-delete` and `post-delete`: an app of ours is destroyed.
//!
//! During a rename they are called for the old name, which by then is not ours any more.

use super::Call;
use crate::{
    component::Role,
    dokku::nginx,
    error::Result,
    names::ServerName,
    state::{Marker, Spec, marker},
    steps::host_wide,
};

/// Says what stays, before anything goes.
pub(super) fn before(call: &Call) -> Result<()> {
    let Some(homeserver) = call.homeserver()? else { return Ok(()) };
    let (ui, spec) = (&call.ui, &homeserver.spec);
    let name = &spec.server_name;
    let line = |name: &str, value: String| ui.detail(&format!("{name:<22} {value}"));
    ui.step(&format!("Keeping the data of Matrix homeserver {name}"));
    line("Files and signing key", homeserver.paths.root().into_string());
    line("Database", format!("postgres service {}", spec.service));
    for component in homeserver.optional() {
        line(component.kind.title, format!("app {}", component.app));
    }
    line("To restore it", format!("dokku matrix:create {} --server-name {name}", spec.app));
    Ok(())
}

/// Takes back what the host shared with it.
pub(super) fn after(call: &Call) -> Result<()> {
    let Marker::Component { kind, server } = &call.marker else {
        return marker::remove(&call.host, &call.app);
    };
    let role = call.catalog.find(kind).map(|kind| kind.role);
    match role {
        Some(Role::Homeserver) => homeserver(call, server),
        _ => beside(call, kind, server),
    }
}

fn beside(call: &Call, kind: &str, server: &ServerName) -> Result<()> {
    let host = &call.host;
    // First of all it is not ours any more, whatever has become of the homeserver.
    marker::remove(host, &call.app)?;
    let mut spec = Spec::load(call.env(), server)?;
    if spec.components.get(kind).is_some_and(|component| component.app.as_str() == call.app) {
        spec.components.remove(kind);
        spec.write(host)?;
    }
    Ok(())
}

fn homeserver(call: &Call, name: &ServerName) -> Result<()> {
    let host = &call.host;
    let is_its_app = Spec::load(call.env(), name).map(|spec| spec.app.as_str() == call.app);
    // First of all it is not ours any more: what follows may fail, and others go on.
    marker::remove(host, &call.app)?;
    if !is_its_app? {
        return Ok(());
    }
    // Dokku removes its nginx configuration at the very end, and two default servers on one port
    // stop nginx for every app, and this destruction half-way.
    let handed_over = nginx::clear(host, &call.app).and_then(|()| hand_over(call, name));
    // One that fails does not keep the others.
    for error in
        [handed_over, withdraw(call, name), close(call)].into_iter().filter_map(Result::err)
    {
        call.warn(&error);
    }
    Ok(())
}

fn withdraw(call: &Call, name: &ServerName) -> Result<()> {
    for (app, removed) in host_wide::withdraw(&call.host, name)? {
        match removed {
            Ok(()) => call.ui.step(&format!("Well-known files of {name} removed from {app}")),
            Err(error) => call.warn(&error),
        }
    }
    Ok(())
}

fn hand_over(call: &Call, name: &ServerName) -> Result<()> {
    host_wide::give_up(&call.host, name)?;
    if let Some(next) = host_wide::hand_over(&call.host)? {
        match next.refused {
            None => {
                let name = next.name;
                call.ui.step(&format!("{name} is the default homeserver on port 8448 now"));
            }
            Some(why) => call.ui.warn(&why),
        }
    }
    Ok(())
}

fn close(call: &Call) -> Result<()> {
    if host_wide::close_if_unused(&call.host)? {
        call.ui.step("Closed port 8448 in the firewall");
    }
    Ok(())
}
