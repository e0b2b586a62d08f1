//! `post-deploy <app> ...`: tells when what was deployed does not become ready.

use super::Call;
use crate::{
    dokku::ps,
    error::{Error, Result},
    host::clock,
    steps::deploy,
    synapse::health::Readiness,
};
use std::time::Duration;

/// As long as somebody who runs `ps:restart` will wait without wondering.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn run(call: &Call) -> Result<()> {
    let Some((_, component)) = call.component()? else { return Ok(()) };
    let given = call.env().get("DOKKU_MATRIX_PATIENCE").and_then(|text| text.parse().ok());
    let timeout = given.map_or(TIMEOUT, Duration::from_secs);
    let ready = clock::poll(timeout, Duration::from_millis(250), || {
        let readiness = deploy::readiness(&call.host, &component)?;
        Ok::<_, Error>((readiness == Readiness::Ready).then_some(()))
    })?;
    if ready.is_some() {
        let mut changes = deploy::settings_to_keep(&call.host, &component)?.into_iter();
        return changes.try_for_each(|change| change.apply(&call.host));
    }
    let app = &component.app;
    Err(Error::new(format!("{app} is not ready yet"))
        .shown(ps::log_tail(&call.host, app, 10))
        .hint(format!("dokku logs {app} --tail"))
        .hint(format!("To wait for it and see more: dokku matrix:deploy {}", component.spec.app)))
}
