//! The port map is the plugin's, exactly.

use crate::{
    component::Component,
    dokku::domains,
    error::Result,
    host::Host,
    plan::{State, Step, StepId},
};
use std::sync::Arc;

/// The app has its port map.
#[derive(Debug)]
pub struct Ports(pub Arc<Component>);

impl Ports {
    /// Whether the app has this very map.
    pub fn are_set(&self, host: &Host) -> Result<bool> {
        let current = domains::ports(host, &self.0.app).option()?;
        Ok(current.is_some_and(|current| current == self.0.port_map()))
    }
}

impl Step for Ports {
    fn id(&self) -> StepId {
        self.0.step("ports")
    }

    fn needs(&self) -> Vec<StepId> {
        // After the domains: enabling an app's vhosts clears the map.
        vec![self.0.step("domains")]
    }

    fn title(&self) -> String {
        format!("Mapping ports of {}", self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        if self.are_set(host)? {
            return Ok(State::Satisfied);
        }
        let (app, map) = (self.0.app.clone(), self.0.port_map());
        let description = format!("dokku ports:set {app} {}", map.join(" "));
        Ok(State::missing(description, move |host| domains::set_ports(host, &app, &map)))
    }
}
