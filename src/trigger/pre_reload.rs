//! `nginx-pre-reload <app> ...`: records what Dokku has just built, for the reload that follows.

use super::Call;
use crate::{error::Result, steps::nginx};

pub(super) fn run(call: &Call) -> Result<()> {
    let Some((_, component)) = call.component()? else { return Ok(()) };
    let served = nginx::served(&component);
    served.record(&call.host, served.parts(&call.host)?)
}
