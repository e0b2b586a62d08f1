//! `pre-delete` and `post-delete`: an app of ours is destroyed.
//!
//! During a rename they are called for the old name, which by then is not ours any more.

use super::Call;
use crate::{
    dokku::nginx,
    error::Result,
    marker::{self, Marker},
    names::ServerName,
    server::Server,
    steps::{firewall, sibling},
};

/// Says what stays, before anything goes.
pub(super) fn before(call: &Call) -> Result<()> {
    let Some(server) = call.server()? else { return Ok(()) };
    let (ui, name) = (&call.ui, &server.server_name);
    ui.step(&format!("Keeping the data of Matrix homeserver {name}"));
    ui.detail(&format!("Files and signing key  {}", server.places(call.env()).root()));
    ui.detail(&format!("Database               postgres service {}", server.service));
    if let Some(element) = &server.element {
        ui.detail(&format!("Element Web            app {}", element.app));
    }
    ui.detail(&format!(
        "To have it again       dokku matrix:create {} --server-name {name}",
        server.app
    ));
    Ok(())
}

/// Takes back what the host shared with it.
pub(super) fn after(call: &Call) -> Result<()> {
    let host = &call.host;
    match &call.marker {
        Marker::Clone => marker::remove(host, &call.app),
        Marker::Element(name) => {
            // First of all it is ours no more, whatever has become of the homeserver.
            marker::remove(host, &call.app)?;
            let server = Server::load(call.env(), name)?;
            if server.element.as_ref().is_some_and(|element| element.app.as_str() == call.app) {
                Server { element: None, ..server }.write(host)?;
            }
            Ok(())
        }
        Marker::Synapse(name) => {
            let server = call.server();
            // First of all it is ours no more: what follows may fail, and others go on.
            marker::remove(host, &call.app)?;
            if server?.is_none() {
                return Ok(());
            }
            // Its nginx configuration stands until the very end, and two default servers on one
            // port stop nginx for every app, and this destruction half-way.
            let passed = nginx::clear(host, &call.app).and_then(|()| pass_on(call, name));
            // One that fails is no reason to leave the others undone.
            for error in
                [passed, withdraw(call, name), close(call)].into_iter().filter_map(Result::err)
            {
                super::warn(&call.ui, &error);
            }
            Ok(())
        }
    }
}

fn withdraw(call: &Call, name: &ServerName) -> Result<()> {
    for (app, removed) in sibling::withdraw(&call.host, name)? {
        match removed {
            Ok(()) => call.ui.step(&format!("Well-known files of {name} removed from {app}")),
            Err(error) => super::warn(&call.ui, &error),
        }
    }
    Ok(())
}

fn pass_on(call: &Call, name: &ServerName) -> Result<()> {
    firewall::release(&call.host, name)?;
    if let Some(next) = firewall::succeed(&call.host)? {
        match next.refused {
            None => {
                let name = next.name;
                call.ui.step(&format!("{name} is the default homeserver on port 8448 now"));
            }
            Some(what) => call.ui.warn(&what),
        }
    }
    Ok(())
}

fn close(call: &Call) -> Result<()> {
    if firewall::close_if_unused(&call.host)? {
        call.ui.step("Closed port 8448 in the firewall");
    }
    Ok(())
}
