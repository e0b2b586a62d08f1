//! The label that says whose an app is. It is an option of the app's containers: it goes with the
//! app, and follows a rename and a clone, while a marker only knows a name.

use super::docker_option;
use crate::{
    component::{Component, identity::label_value},
    dokku::options,
    error::Result,
    host::Host,
    plan::{Change, State, Step, StepId},
    state::marker,
};
use std::sync::Arc;

/// The app's containers bear the label of its homeserver.
#[derive(Debug)]
pub(super) struct Label(pub(super) Arc<Component>);

impl Step for Label {
    fn id(&self) -> StepId {
        self.0.step("label")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![self.0.step("app")]
    }

    fn title(&self) -> String {
        format!("Labelling {}", self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let wanted = option(&self.0.label());
        let is_label = |option: &str| label_value(option).is_some();
        let app = &self.0.app;
        let mut changes = docker_option::exactly(host, app, &["deploy"], &wanted, is_label)?;
        if marker::is_new(host.env(), app.as_str())? {
            let (component, app) = (self.0.clone(), app.clone());
            changes.push(Change::new(format!("record that {app} has its label"), move |host| {
                marker::write(host, app.as_str(), &component.marker())
            }));
        }
        Ok(State::of(changes))
    }
}

fn option(label: &str) -> String {
    format!("--label {label}")
}

/// Removes the label of a component from its app.
pub fn remove_label(host: &Host, component: &Component) -> Result<()> {
    let ours = option(&component.label());
    let options = options::of(host, &component.app).or_absent(options::Options::default())?;
    if options.deploy.contains(&ours) {
        options::remove(host, &component.app, "deploy", &ours)?;
    }
    Ok(())
}
