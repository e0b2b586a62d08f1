//! The homeserver's directory: what is recorded, its directories, its secrets.

mod directories;
mod recorded;
mod secrets;

pub use recorded::RecordSpec;
pub use secrets::Secrets;

use super::Steps;
use crate::component::Homeserver;
use directories::Directories;

/// What is recorded before anything else is touched, and where the files go.
pub(super) fn steps(desired: &Homeserver, first: RecordSpec) -> Steps {
    vec![Box::new(first), Box::new(Directories(desired.clone()))]
}

/// The signing key and the secrets.
pub(super) fn secrets(desired: &Homeserver) -> Steps {
    vec![Box::new(Secrets::of(desired))]
}
