//! The app of a component: it exists, it is marked as ours, and it has its domain and its ports.

pub(in crate::steps) mod docker_option;
mod domains;
mod exists;
mod label;
mod ports;

pub use domains::{Domains, keep_server_name};
pub use label::remove_label;
pub use ports::Ports;

use super::Steps;
use crate::component::Component;
use exists::Exists;
use label::Label;
use std::sync::Arc;

/// In the order that Dokku needs: each app has one chain of calls, for two calls on one app at the
/// same time disturb each other.
pub(super) fn steps(component: &Arc<Component>) -> Steps {
    vec![
        Box::new(Exists(component.clone())),
        Box::new(Label(component.clone())),
        Box::new(Domains(component.clone())),
        Box::new(Ports(component.clone())),
    ]
}
