//! `nginx-app-template-source <app> <kind>`: names the template, and prints nothing else.

use super::Call;
use crate::{error::Result, nginx::verify};

/// For the app's own configuration only, and only while it is verified with this sigil and nginx.
pub(super) fn run(call: &Call) -> Result<()> {
    if call.args.get(1).map(String::as_str) != Some("app-config") {
        return Ok(());
    }
    let Some((homeserver, component)) = call.component()? else { return Ok(()) };
    if component.uses_template && verify::is_verified(&call.host, &homeserver.spec)? {
        call.ui.answer(homeserver.paths.template().as_str());
    }
    Ok(())
}
