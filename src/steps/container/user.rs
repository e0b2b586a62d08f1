//! The container runs as dokku's own user, so that no file of it needs root.

use crate::{
    component::Component,
    dokku::options,
    error::Result,
    host::{Host, owner::Owner},
    plan::{Change, State, Step, StepId},
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
        let app = &self.0.app;
        let owner = Owner::of(host.env().dokku_user())?;
        let wanted = format!("--user {}:{}", owner.uid, owner.gid);
        // In a dry run the app may not exist yet.
        let current = options::of(host, app).or_absent(options::Options::default())?;
        let mut changes = vec![];
        for (phase, list) in [("deploy", &current.deploy), ("run", &current.run)] {
            for other in list.iter().filter(|option| is_user(option) && **option != wanted) {
                let (app, other) = (app.clone(), other.clone());
                let description = format!("dokku docker-options:remove {app} {phase} {other:?}");
                changes.push(Change::new(description, move |host| {
                    options::remove(host, &app, phase, &other)
                }));
            }
        }
        if !current.deploy.contains(&wanted) || !current.run.contains(&wanted) {
            let app = app.clone();
            let description = format!("dokku docker-options:add {app} deploy,run {wanted:?}");
            changes.push(Change::new(description, move |host| {
                options::add(host, &app, "deploy,run", &wanted)
            }));
        }
        Ok(State::of(changes))
    }
}

/// `--userns` is another option, and the administrator's.
fn is_user(option: &str) -> bool {
    option.starts_with("--user ") || option.starts_with("--user=")
}
