//! The container runs as dokku's own user, so that no file of it needs root.

use crate::{
    component::Component,
    error::Result,
    host::{Host, owner::Owner},
    plan::{State, Step, StepId},
    steps::app::docker_option::exactly,
};
use std::sync::Arc;

/// The user of an app's containers.
#[derive(Debug)]
pub(super) struct RunAsDokku(pub(super) Arc<Component>);

impl Step for RunAsDokku {
    fn id(&self) -> StepId {
        self.0.step("user")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![self.0.step("mounts")]
    }

    fn title(&self) -> String {
        format!("Running {} as dokku's own user", self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let owner = Owner::of(host.env().dokku_user())?;
        let wanted = format!("--user {}:{}", owner.uid, owner.gid);
        exactly(host, &self.0.app, &["deploy", "run"], &wanted, is_user).map(State::of)
    }
}

/// `--userns` is another option, and the administrator's.
fn is_user(option: &str) -> bool {
    option.starts_with("--user ") || option.starts_with("--user=")
}
