//! The app exists, and its marker says whose it is.

use crate::{
    component::{Component, identity},
    dokku::apps,
    error::{Error, Result},
    host::Host,
    plan::{State, Step, StepId},
    state::{Spec, marker},
};
use std::sync::Arc;

/// The app of a component exists.
#[derive(Debug)]
pub(super) struct Exists(pub(super) Arc<Component>);

impl Step for Exists {
    fn id(&self) -> StepId {
        self.0.step("app")
    }

    fn needs(&self) -> Vec<StepId> {
        let mut needs = vec![("server", "spec")];
        // Dokku asks for the template as soon as the app is there.
        if self.0.uses_template {
            needs.push(("server", "template"));
        }
        needs
    }

    fn title(&self) -> String {
        format!("Creating app {}", self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let component = self.0.clone();
        let app = &self.0.app;
        let marked = match marker::read(host.env(), app.as_str())? {
            None => false,
            // By now it may be another app.
            Some(marker) if identity::is_replaced(host, app, &marker)? => false,
            Some(marker) if marker == self.0.marker() => true,
            // Another command was faster.
            Some(_) => {
                return Err(Error::new(format!("{app} belongs to another homeserver"))
                    .hint("Name another app; these are taken: dokku matrix:list"));
            }
        };
        Ok(match (apps::exists(host, app)?, marked) {
            (true, true) => State::Satisfied,
            (true, false) => State::missing(format!("mark {app} as ours"), move |host| {
                record_as_taken_over(host, &component)?;
                marker::write_new(host, component.app.as_str(), &component.marker())
            }),
            (false, _) => State::missing(format!("dokku apps:create {app}"), move |host| {
                let app = &component.app;
                // Marked first: an interrupted run leaves no app that is not known to be ours.
                marker::write_new(host, app.as_str(), &component.marker())?;
                apps::create(host, app).or_else(|error| {
                    marker::remove(host, app.as_str())?;
                    Err(error)
                })
            }),
        })
    }
}

/// An app that existed before is the administrator's: it is given back one day, not destroyed.
fn record_as_taken_over(host: &Host, component: &Component) -> Result<()> {
    let Some(mut spec) = Spec::read(host.env(), &component.spec.server_name)? else {
        return Ok(());
    };
    match spec.components.get_mut(component.kind.name) {
        Some(recorded) if recorded.created => recorded.created = false,
        _ => return Ok(()),
    }
    spec.write(host)
}
