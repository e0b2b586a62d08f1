//! The service is linked to the app, and the app's `DATABASE_URL` is the service's.

use crate::{
    component::Component,
    dokku::{config, postgres},
    error::{Create, Error, Result},
    host::Host,
    plan::{State, Step, StepId},
};
use std::sync::Arc;

/// The link between the service and the app.
#[derive(Debug)]
pub(super) struct Link(pub(super) Arc<Component>);

impl Step for Link {
    fn id(&self) -> StepId {
        self.0.step("link")
    }

    fn needs(&self) -> Vec<StepId> {
        // Two calls that set an app's environment at the same time lose one of the two values.
        vec![("server", "service"), self.0.step("ports")]
    }

    fn title(&self) -> String {
        format!("Linking postgres service {} to {}", self.0.spec.service, self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let (service, app) = (self.0.spec.service.clone(), self.0.app.clone());
        // In a dry run the service may not exist yet: then it is linked to nothing.
        let linked = postgres::linked(host, &service, &app)?;
        let url = config::get(host, &app, "DATABASE_URL").option()?;
        match (linked, url.is_some()) {
            (true, true) => Ok(State::Satisfied),
            // An interrupted `postgres:unlink` leaves the variable, and Dokku then links under
            // another name.
            (false, true) => Err(Error::new(format!(
                "{app} has a DATABASE_URL, but {service} is not linked to it"
            ))
            .hint(format!("dokku config:unset --no-restart {app} DATABASE_URL"))
            .hint_create("", Create::app(app))),
            // Also where a link was interrupted before it had set the variable.
            (_, false) => {
                let description = format!("dokku postgres:link {service} {app} --no-restart");
                Ok(State::missing(description, move |host| postgres::link(host, &service, &app)))
            }
        }
    }
}
