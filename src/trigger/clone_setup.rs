//! `post-app-clone-setup <old> <new>`: marks the copy of a homeserver's app.
//!
//! It must not refuse the clone: the unfinished copy would hold the original's container, and
//! destroying it would stop the original. The deploy guard refuses it where nothing is harmed.

use super::Call;
use crate::{
    error::Result,
    state::{Marker, marker},
};

pub(super) fn run(call: &Call) -> Result<()> {
    let Some(new) = call.args.get(1) else { return Ok(()) };
    if call.is_single_process() { marker::write(&call.host, new, &Marker::Clone) } else { Ok(()) }
}
