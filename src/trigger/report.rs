//! `report <app>`: our section of `dokku report <app>`.

use super::Call;
use crate::{cmd::report, error::Result};

pub(super) fn run(call: &Call) -> Result<()> {
    let Some(homeserver) = call.homeserver()? else { return Ok(()) };
    let rows = report::rows(&call.host, call.catalog, &homeserver.spec)?;
    report::section(&call.ui, &homeserver.spec.app, &rows);
    Ok(())
}
