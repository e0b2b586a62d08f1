//! Dokku has built the app's nginx configuration since anything that goes into it changed.

use crate::{
    component::Component,
    dokku::ps,
    error::Result,
    host::Host,
    nginx::served::{Extent, Served},
    plan::{State, Step, StepId},
    steps::nginx::FILE,
};
use std::sync::Arc;

/// The app's nginx configuration is up to date.
#[derive(Debug)]
pub struct Built(pub Arc<Component>);

/// What nginx serves of a component.
pub fn served(component: &Component) -> Served<'_> {
    Served {
        spec: &component.spec,
        what: component.kind.name,
        app: &component.app,
        extent: if component.uses_template { Extent::OurTemplate } else { Extent::DokkusTemplate },
        file: FILE,
    }
}

impl Step for Built {
    fn id(&self) -> StepId {
        self.0.step("built")
    }

    fn needs(&self) -> Vec<StepId> {
        // After the deploy, which builds it as well: then there is nothing left to do.
        vec![self.0.step("deployed"), self.0.step("ready")]
    }

    fn title(&self) -> String {
        format!("Building the nginx configuration of {}", self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let app = &self.0.app;
        if served(&self.0).is_built(host)? == Some(true) {
            return Ok(State::Satisfied);
        }
        // The deploy builds it.
        if ps::deployed(host, app).option()? != Some(true) {
            return Ok(State::NotYet(self.0.step("deployed")));
        }
        let component = self.0.clone();
        let description = format!("dokku proxy:build-config {app}");
        Ok(State::missing(description, move |host| self::served(&component).build(host)))
    }
}
