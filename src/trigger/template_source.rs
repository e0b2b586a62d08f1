//! `nginx-app-template-source <app> <kind>`: names the template, and prints nothing else.

use super::Call;
use crate::{error::Result, nginx::proof};

/// Names it for the app's own configuration alone, and only while it is proved for this nginx.
pub(super) fn run(call: &Call) -> Result<()> {
    if call.args.get(1).map(String::as_str) != Some("app-config") {
        return Ok(());
    }
    let Some(server) = call.server()? else { return Ok(()) };
    let places = server.places(call.env());
    if proof::holds(&call.host, &places)? {
        call.ui.answer(places.template().as_str());
    }
    Ok(())
}
