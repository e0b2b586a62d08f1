//! The configuration: its files, and that Synapse itself accepts them.

mod files;
mod synapse;
mod validated;

pub use files::{exactly, replaced};
pub use synapse::Config;
pub use validated::{is_validated, validate_now};

use super::Steps;
use crate::component::{Component, Homeserver};
use std::sync::Arc;

/// Synapse's configuration, which holds secrets and is validated.
pub(super) fn synapse(desired: &Homeserver) -> Steps {
    vec![Box::new(Config::of(desired)), Box::new(validated::Validated(desired.main().clone()))]
}

/// The files of a component beside it.
pub(super) fn files(component: &Arc<Component>) -> Steps {
    if component.files.is_empty() {
        vec![]
    } else {
        vec![Box::new(files::Files(component.clone()))]
    }
}
