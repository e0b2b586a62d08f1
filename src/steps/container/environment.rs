//! The variables that the image reads.

use crate::{
    component::Component,
    dokku::config,
    error::{Error, Result},
    host::Host,
    plan::{Change, State, Step, StepId},
};
use std::{collections::BTreeMap, sync::Arc};

/// The environment of an app.
#[derive(Debug)]
pub(super) struct Environment(pub(super) Arc<Component>);

impl Step for Environment {
    fn id(&self) -> StepId {
        self.0.step("environment")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![self.0.step("mounts"), self.0.step("user")]
    }

    fn title(&self) -> String {
        format!("Setting the environment of {}", self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let app = &self.0.app;
        // In a dry run the app may not exist yet.
        let current = config::all(host, app).or_absent(BTreeMap::new())?;
        if current.contains_key("UID") {
            return Err(Error::new(format!(
                "{app} has a variable UID, which breaks every build of Dokku"
            ))
            .hint(format!("dokku config:unset --no-restart {app} UID")));
        }
        let mut changes = vec![];
        for (name, value) in &self.0.environment {
            if current.get(*name).is_some_and(|now| now.expose() == value) {
                continue;
            }
            let (app, name, value) = (app.clone(), *name, value.clone());
            let description = format!("dokku config:set --no-restart {app} {name}={value}");
            changes
                .push(Change::new(description, move |host| config::set(host, &app, name, &value)));
        }
        Ok(State::of(changes))
    }
}
