//! `post-deploy <app> ...`: tells when what was deployed does not become ready.

use super::Call;
use crate::{
    dokku::ps,
    error::{Error, Result},
    host::clock,
    steps::ready,
    synapse::health::Readiness,
};
use std::time::Duration;

/// As long as somebody who types `ps:restart` will wait without wondering.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn run(call: &Call) -> Result<()> {
    let Some(server) = call.server()? else { return Ok(()) };
    let given = call.env().get("DOKKU_MATRIX_PATIENCE").and_then(|text| text.parse().ok());
    let patience = given.map_or(PATIENCE, Duration::from_secs);
    let ready = clock::poll(patience, Duration::from_millis(250), || {
        let state = ready::look(&call.host, &server)?;
        Ok::<_, Error>((state == Readiness::Ready).then_some(()))
    })?;
    if ready.is_some() {
        return Ok(());
    }
    let app = &server.app;
    Err(Error::new(format!("{app} is not ready yet"))
        .shown(ps::log_tail(&call.host, app, 10))
        .hint(format!("dokku logs {app} --tail"))
        .hint(format!("dokku matrix:deploy {app} waits for it and says more")))
}
