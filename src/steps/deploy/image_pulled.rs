//! The image is on this host.

use crate::{
    component::Component,
    dokku::docker,
    error::Result,
    host::Host,
    plan::{State, Step, StepId},
};
use std::sync::Arc;

/// The image of a component.
#[derive(Debug)]
pub(super) struct Image(pub(super) Arc<Component>);

impl Step for Image {
    fn id(&self) -> StepId {
        self.0.step("image")
    }

    fn title(&self) -> String {
        format!("Pulling {}", self.0.image)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let image = self.0.image.clone();
        if docker::has_image(host, &image)? {
            return Ok(State::Satisfied);
        }
        let description = format!("docker image pull {image}");
        Ok(State::missing(description, move |host| docker::pull(host, &image)))
    }
}
