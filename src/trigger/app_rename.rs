//! `post-app-rename-setup` and `post-app-rename`: an app of ours gets another name.
//!
//! The first records the new name before Dokku destroys the old app; it calls no Dokku. The second
//! restores what Dokku loses on the way.

use super::Call;
use crate::{
    component::{Role, identity},
    error::{Doing, Result},
    plan::{self, Mode},
    state::{Marker, marker},
    steps::{self, Options, app},
};

/// `<old> <new>`: the new name is ours, the old one is not any more.
pub(super) fn setup(call: &Call) -> Result<()> {
    let Some(new) = call.args.get(1) else { return Ok(()) };
    let (host, old) = (&call.host, &call.app);
    if let Marker::Component { kind, server } = &call.marker {
        let new = new.parse().doing(|| "apps:rename".to_owned())?;
        return identity::record_rename(host, call.catalog, (kind, server), old, &new);
    }
    marker::write(host, new, &call.marker)?;
    marker::remove(host, old)
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
