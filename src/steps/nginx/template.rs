//! The template is written, and this host's sigil and nginx accept it; else Dokku's own serves.

use crate::{
    error::Result,
    host::{Host, files, secret::Secret},
    nginx::{self, verify},
    plan::{Change, Refusal, State, Step, StepId},
    state::{HostStatus, Spec},
    steps::config::exactly,
};
use std::sync::Arc;

/// The nginx template of a homeserver.
#[derive(Debug)]
pub(super) struct Template {
    spec: Arc<Spec>,
    refusal: Refusal,
}

impl Template {
    pub(super) fn new(spec: &Arc<Spec>) -> Self {
        Self { spec: spec.clone(), refusal: Refusal::default() }
    }

    fn attention(&self, why: &str) -> State {
        State::Attention(format!(
            "This host refuses the nginx template, so Dokku's built-in one serves {}: {why}",
            self.spec.app
        ))
    }
}

impl Step for Template {
    fn id(&self) -> StepId {
        ("server", "template")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("server", "directories"), ("host", "default-server")]
    }

    fn title(&self) -> String {
        format!("Verifying the nginx template of {}", self.spec.app)
    }

    fn check(&self, host: &Host) -> Result<State> {
        if let Some(why) = self.refusal.why() {
            return Ok(self.attention(&why));
        }
        let path = self.spec.paths(host.env()).template();
        let default = HostStatus::read(host.env())?.default_8448;
        let text = nginx::template(default.as_ref() == Some(&self.spec.server_name));
        let write = exactly(path, Secret::new(text), files::PUBLIC)?;
        if write.is_none() {
            if verify::is_verified(host, &self.spec)? {
                return Ok(State::Satisfied);
            }
            if let Some(why) = verify::still_refused(host, &self.spec)? {
                return Ok(self.attention(&why));
            }
        }
        let mut changes: Vec<_> = write.into_iter().collect();
        let (spec, refusal) = (self.spec.clone(), self.refusal.clone());
        changes.push(Change::new("sigil and nginx -t, with every form of it", move |host| {
            if let Some(why) = verify::verify(host, &spec)? {
                refusal.keep(why);
            }
            Ok(())
        }));
        Ok(State::Missing(changes))
    }
}
