//! Dokku is set up to run one process, to stop it before it starts the next, and to restart it for
//! ever. The deploy guard keeps it so.

use crate::{
    component::Component,
    dokku::ps,
    error::Result,
    host::Host,
    plan::{Change, State, Step, StepId},
};
use std::{collections::BTreeMap, sync::Arc};

/// The app has one `web` process, which a deploy stops before it starts the next.
#[derive(Debug)]
pub struct SingleProcess(pub Arc<Component>);

impl Step for SingleProcess {
    fn id(&self) -> StepId {
        self.0.step("single-process")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![self.0.step("isolated")]
    }

    fn title(&self) -> String {
        format!("Allowing one {} process in {}", self.0.kind.title, self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let app = &self.0.app;
        let mut changes = super::stop_others(host, &self.0)?;
        // A new app has `web=1` by itself.
        let scale = ps::scale(host, app).map(|scale| scale_changes(&scale)).or_absent(vec![])?;
        if !scale.is_empty() {
            let app = app.clone();
            let description = format!("dokku ps:scale --skip-deploy {app} {}", scale.join(" "));
            changes.push(Change::new(description, move |host| ps::set_scale(host, &app, &scale)));
        }
        let without_checks = ps::checks_disabled(host, app).or_absent(vec![])?;
        if !without_checks.iter().any(|process| process == "web") {
            let app = app.clone();
            let description = format!("dokku checks:disable {app} web");
            changes.push(Change::new(description, move |host| ps::disable_checks(host, &app)));
        }
        // Dokku's own policy gives up after ten failed starts.
        if ps::restart_policy(host, app).option()?.as_deref() != Some("unless-stopped") {
            let app = app.clone();
            let description = format!("dokku ps:set {app} restart-policy unless-stopped");
            changes.push(Change::new(description, move |host| {
                ps::set_restart_policy(host, &app, "unless-stopped")
            }));
        }
        Ok(State::of(changes))
    }
}

/// What `ps:scale` must be told so that one `web` process is left. A `worker` counts as well:
/// without a Procfile it runs the same program.
pub fn scale_changes(scale: &BTreeMap<String, u32>) -> Vec<String> {
    let mut changes = vec![];
    // Dokku records `web=1` of a new app, and forgets a process type that is scaled to 0.
    if scale.get("web") != Some(&1) {
        changes.push("web=1".to_owned());
    }
    let others = scale.iter().filter(|(process, count)| *process != "web" && **count != 0);
    changes.extend(others.map(|(process, _)| format!("{process}=0")));
    changes
}
