//! The label that says whose an app is. It is an option of the app's containers: it goes with the
//! app, and follows a rename and a clone, while a marker only knows a name.

use super::docker_option;
use crate::{
    component::{Component, LABEL},
    dokku::options,
    error::Result,
    host::Host,
    names::AppName,
    plan::{State, Step, StepId},
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
        let is_label = |option: &str| value(option).is_some();
        docker_option::exactly(host, &self.0.app, &["deploy"], &wanted, is_label).map(State::of)
    }
}

fn option(label: &str) -> String {
    format!("--label {label}")
}

/// The homeserver that an option names as the app's.
fn value(option: &str) -> Option<&str> {
    let label = option.strip_prefix("--label ").or_else(|| option.strip_prefix("--label="))?;
    label.strip_prefix(LABEL)?.strip_prefix('=')
}

/// The homeserver that an app's label names; `None` if it has no label, and if there is no such app.
pub fn label_of(host: &Host, app: &AppName) -> Result<Option<String>> {
    let options = options::of(host, app).option()?;
    let deploy = options.map(|options| options.deploy).unwrap_or_default();
    Ok(deploy.iter().find_map(|option| value(option)).map(str::to_owned))
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
