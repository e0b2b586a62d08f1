//! Dokku has built the app's nginx configuration since anything that goes into it changed.

use crate::{
    component::Component,
    dokku::{nginx, ps},
    error::Result,
    host::{Host, files},
    plan::{State, Step, StepId},
    state::Status,
    steps::nginx::FILE,
};
use std::sync::Arc;

/// The app's nginx configuration is up to date.
#[derive(Debug)]
pub struct Built(pub Arc<Component>);

impl Built {
    /// When anything that goes into the configuration changed last, in milliseconds since 1970.
    fn newest_part(&self, host: &Host) -> Result<i64> {
        let env = host.env();
        let app = self.0.app.as_str();
        let mut parts = vec![env.dokku_root().join(app).join("nginx.conf.d").join(FILE)];
        // The files, not their directory: Dokku writes a property in place.
        let properties = env.lib_root().join("config/nginx").join(app);
        parts.extend(files::list(&properties)?.into_iter().map(|name| properties.join(name)));
        let mut newest = 0;
        if self.0.uses_template {
            parts.push(self.0.spec.paths(env).template());
            let status = Status::read(env, &self.0.spec.server_name)?;
            newest = status.template.map_or(0, |verification| verification.at);
        }
        for part in parts {
            newest = newest.max(files::stat(&part)?.map_or(0, |stat| stat.changed));
        }
        Ok(newest)
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
        let app = self.0.app.clone();
        let path = host.env().dokku_root().join(app.as_str()).join("nginx.conf");
        let newest = self.newest_part(host)?;
        if files::stat(&path)?.is_some_and(|stat| stat.changed >= newest) {
            return Ok(State::Satisfied);
        }
        // The deploy builds it.
        if ps::deployed(host, &app).option()? != Some(true) {
            return Ok(State::NotYet(self.0.step("deployed")));
        }
        let description = format!("dokku proxy:build-config {app}");
        Ok(State::missing(description, move |host| nginx::build(host, app.as_str())))
    }
}
