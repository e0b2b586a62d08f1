//! Certificates are renewed by cron, for the whole host.

use crate::{
    dokku::letsencrypt,
    error::Result,
    host::Host,
    plan::{State, Step, StepId},
    state::{Spec, locks},
};
use std::sync::Arc;

/// dokku-letsencrypt's cron job.
#[derive(Debug)]
pub(super) struct Renewal(pub(super) Arc<Spec>);

impl Step for Renewal {
    fn id(&self) -> StepId {
        ("host", "renewal")
    }

    fn is_host_wide(&self) -> bool {
        true
    }

    fn title(&self) -> String {
        "Adding the letsencrypt cron job".to_owned()
    }

    fn check(&self, host: &Host) -> Result<State> {
        if letsencrypt::autorenews(host, &self.0.app)? {
            return Ok(State::Satisfied);
        }
        Ok(State::missing("dokku letsencrypt:cron-job --add", |host| {
            let _lock = locks::host(host)?;
            letsencrypt::add_cron_job(host)
        }))
    }
}
