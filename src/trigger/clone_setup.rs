//! `post-app-clone-setup <old> <new>`: marks the copy of a homeserver's app.
//!
//! It must not refuse the clone: the half-made one would hold the original's container, and
//! destroying it would stop the original. The guard refuses it where nothing is harmed.

use super::Call;
use crate::{
    error::Result,
    marker::{self, Marker},
};

pub(super) fn run(call: &Call) -> Result<()> {
    let Some(new) = call.args.get(1) else { return Ok(()) };
    match call.marker {
        Marker::Element(_) => Ok(()),
        Marker::Synapse(_) | Marker::Clone => marker::write(&call.host, new, &Marker::Clone),
    }
}
