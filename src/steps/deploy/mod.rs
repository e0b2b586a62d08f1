//! The image is on the host, the app runs it, and it becomes ready.

mod deployed;
mod pulled;
mod ready;
mod restarts;

pub use ready::{readiness, wait};

use super::Steps;
use crate::component::Component;
use deployed::Deployed;
use pulled::Image;
use ready::Ready;
use std::sync::Arc;

/// The image, before anything depends on it.
pub(super) fn image(component: &Arc<Component>) -> Steps {
    vec![Box::new(Image(component.clone()))]
}

/// The deploy, and the wait for it.
pub(super) fn steps(component: &Arc<Component>) -> Steps {
    let mut steps: Steps = vec![Box::new(Deployed(component.clone()))];
    if component.probe.is_some() {
        steps.push(Box::new(Ready(component.clone())));
    }
    steps
}
