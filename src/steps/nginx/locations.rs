//! What must hold under any template: hidden paths, well-known answers, security headers.

use super::served;
use crate::{
    component::{CATALOG, Component},
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
        // What clients are told depends on Synapse's own configuration.
        let validated = (CATALOG.homeserver().name, "validated");
        vec![self.0.step("ports"), self.0.step("properties"), validated]
    }

    fn title(&self) -> String {
        format!("Adding nginx locations to {}", self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let text = self.0.current(host.env())?.locations;
        let Some(change) = install::change_to(host, self.0.app.as_str(), FILE, &text)? else {
            return Ok(State::Satisfied);
        };
        // A reload for another app may have read what is replaced now.
        let component = self.0.clone();
        Ok(State::Missing(vec![change.after(move |host| served(&component).forget(host))]))
    }
}
