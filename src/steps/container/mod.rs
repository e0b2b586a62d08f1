//! What the containers are started with: mounts, user, environment, and how many there are.

mod environment;
mod isolation;
mod mounts;
mod network;
mod other_processes;
mod single_process;
mod user;

pub use isolation::is_isolated;
pub use mounts::{Mounts, of_host};
pub use network::{is_exposed, network_changes};
pub use other_processes::stop_others;
pub use single_process::{SingleProcess, scale_changes};

use super::Steps;
use crate::component::{Component, User};
use std::sync::Arc;

/// In the order of the app's chain of calls.
pub(super) fn steps(component: &Arc<Component>) -> Steps {
    let mut steps: Steps = vec![Box::new(Mounts(component.clone()))];
    if component.user == User::Dokku {
        steps.push(Box::new(user::RunAsDokku(component.clone())));
    }
    steps.push(Box::new(environment::Environment(component.clone())));
    steps.push(Box::new(network::BehindNginx(component.clone())));
    steps.push(Box::new(isolation::Isolated(component.clone())));
    if component.kind.single_process {
        steps.push(Box::new(SingleProcess(component.clone())));
    }
    steps
}
