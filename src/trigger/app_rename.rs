//! `post-app-rename-setup` and `post-app-rename`: an app of ours gets another name.
//!
//! The first records the new name before Dokku destroys the old app; it calls no Dokku. The second
//! restores what Dokku loses on the way.

use super::Call;
use crate::{
    component::Role,
    error::{Doing, Result},
    names::AppName,
    plan::{self, Mode},
    state::{Marker, Spec, marker},
    steps::{self, Options, app},
};

/// `<old> <new>`: the new name is ours, the old one is not any more.
pub(super) fn setup(call: &Call) -> Result<()> {
    let Some(new) = call.args.get(1) else { return Ok(()) };
    let host = &call.host;
    // The new marker first: should this be interrupted, the guard refuses rather than does nothing.
    marker::write(host, new, &call.marker)?;
    if let Marker::Component { kind, server } = &call.marker {
        let app: AppName = new.parse().doing(|| "apps:rename".to_owned())?;
        let mut spec = Spec::load(call.env(), server)?;
        match spec.components.get_mut(kind) {
            Some(component) if component.app.as_str() == call.app => component.app = app,
            None if *kind == call.catalog.homeserver().name => spec.app = app,
            _ => {}
        }
        spec.write(host)?;
    }
    marker::remove(host, &call.app)
}

/// `<old> <new>`: domain, checks, e-mail, and certificate as desired.
pub(super) fn finish(call: &Call) -> Result<()> {
    let Some((homeserver, component)) = call.component()? else { return Ok(()) };
    if component.kind.role == Role::Homeserver
        && let Some(old) = call.args.first()
    {
        app::keep_server_name(&call.host, &homeserver.spec, old)?;
    }
    let steps = steps::renamed(&component, Options { deploy: true, ..Options::default() });
    let outcome = plan::converge(&call.host, &steps, Mode::Apply { lanes: 1 }, &call.ui)
        .map_err(|error| error.hint(format!("dokku matrix:deploy {}", homeserver.spec.app)))?;
    for what in outcome.attention {
        call.ui.warn(&what);
    }
    Ok(())
}
