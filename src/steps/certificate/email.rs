//! The app has the e-mail address that was given for letsencrypt.

use crate::{
    component::Component,
    dokku::letsencrypt,
    error::Result,
    host::Host,
    plan::{State, Step, StepId},
};
use std::sync::Arc;

/// The letsencrypt e-mail address of an app.
#[derive(Debug)]
pub(super) struct Email(pub(super) Arc<Component>);

impl Step for Email {
    fn id(&self) -> StepId {
        self.0.step("email")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![self.0.step("domains"), self.0.step("environment")]
    }

    fn title(&self) -> String {
        format!("Setting the letsencrypt e-mail of {}", self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let Some(email) = self.0.spec.email.clone() else { return Ok(State::Satisfied) };
        let app = self.0.app.clone();
        if letsencrypt::has_email(host, &app, &email)? {
            return Ok(State::Satisfied);
        }
        let description = format!("dokku letsencrypt:set {app} email {email}");
        Ok(State::missing(description, move |host| letsencrypt::set_email(host, &app, &email)))
    }
}
