//! What must hold under any template: hidden paths, well-known answers, security headers.

use crate::{
    component::Component,
    error::Result,
    host::Host,
    nginx::install,
    plan::{State, Step, StepId},
};
use std::sync::Arc;

/// The plugin's file in the `nginx.conf.d` of an app of its own.
pub const FILE: &str = "matrix.conf";

/// The plugin's file is in the app's `nginx.conf.d`.
#[derive(Debug)]
pub struct Locations(pub Arc<Component>);

impl Step for Locations {
    fn id(&self) -> StepId {
        self.0.step("locations")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![self.0.step("ports"), self.0.step("properties")]
    }

    fn title(&self) -> String {
        format!("Adding nginx locations to {}", self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        install::change_to(host, self.0.app.as_str(), FILE, &self.0.locations).map(State::of)
    }
}
