//! `post-app-rename-setup` and `post-app-rename`: an app of ours gets another name.
//!
//! The first takes the intent over before Dokku destroys the old app; it calls no Dokku. The
//! second puts back what Dokku loses on the way.

use super::Call;
use crate::{
    error::{Doing, Result},
    marker::{self, Marker},
    names::AppName,
    plan::{self, Mode},
    server::Server,
    steps::{self, app, preflight},
};
use std::sync::Arc;

/// `<old> <new>`: the new name is ours, the old one no more.
pub(super) fn setup(call: &Call) -> Result<()> {
    let Some(new) = call.args.get(1) else { return Ok(()) };
    let host = &call.host;
    // The new marker first: should this end half-way, the guard refuses rather than not look.
    marker::write(host, new, &call.marker)?;
    if let Marker::Synapse(name) | Marker::Element(name) = &call.marker {
        let name_now: AppName = new.parse().doing(|| "apps:rename".to_owned())?;
        let mut server = Server::load(call.env(), name)?;
        match (&call.marker, &mut server.element) {
            (Marker::Synapse(_), _) => server.app = name_now,
            (Marker::Element(_), Some(element)) if element.app.as_str() == call.app => {
                element.app = name_now;
            }
            _ => {}
        }
        server.write(host)?;
    }
    marker::remove(host, &call.app)
}

/// `<old> <new>`: domain, checks, e-mail, and certificate as intended.
pub(super) fn finish(call: &Call) -> Result<()> {
    let (Marker::Synapse(name) | Marker::Element(name)) = &call.marker else { return Ok(()) };
    let wish = Arc::new(Server::load(call.env(), name)?);
    let who = match &call.marker {
        Marker::Synapse(_) => steps::Who::Synapse,
        _ => steps::Who::Element,
    };
    if who.app(&wish).as_str() != call.app {
        return Ok(());
    }
    if who == steps::Who::Synapse
        && let Some(old) = call.args.first()
    {
        app::keep_server_name(&call.host, &wish, old)?;
    }
    let found = preflight::Found::default();
    let steps = steps::renamed(&wish, who, found.how(true));
    let outcome = plan::converge(&call.host, &steps, Mode::Apply { lanes: 1 }, &call.ui)
        .map_err(|error| error.hint(format!("dokku matrix:deploy {}", wish.app)))?;
    for what in outcome.attention {
        call.ui.warn(&what);
    }
    Ok(())
}
