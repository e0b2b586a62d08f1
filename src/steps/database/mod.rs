//! The database: a service whose database Synapse accepts, linked to the app.

mod link;
mod service;

pub use service::{Service, is_in_use};

use super::Steps;
use crate::component::{Component, Homeserver};
use link::Link;
use std::sync::Arc;

/// The service.
pub(super) fn steps(desired: &Homeserver) -> Steps {
    vec![Box::new(Service::of(desired))]
}

/// The link of a component that uses the database.
pub(super) fn link(component: &Arc<Component>) -> Steps {
    if component.uses_database { vec![Box::new(Link(component.clone()))] } else { vec![] }
}
