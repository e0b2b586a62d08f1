//! `report <app>`: our section of `dokku report <app>`.

use super::Call;
use crate::{cmd::report, error::Result};

pub(super) fn run(call: &Call) -> Result<()> {
    let Some(server) = call.server()? else { return Ok(()) };
    let rows = report::rows(&call.host, &server)?;
    report::section(&call.ui, &server.app, &rows);
    Ok(())
}
