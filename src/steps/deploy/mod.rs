//! The image is on the host, the app runs it, and it becomes ready.

mod deployed;
mod image_pulled;
mod image_recorded;
mod kept;
mod reach;
mod ready;
mod restarts;
mod started;

pub(super) use image_recorded::ImageRecorded;
pub use kept::missing as settings_to_keep;
pub use reach::must_reach;
pub use ready::{readiness, wait};
pub use started::{forget_start, record_start};

use super::Steps;
use crate::component::Component;
use deployed::Deployed;
use image_pulled::Image;
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
        steps.push(Box::new(kept::Kept(component.clone())));
    }
    steps
}
