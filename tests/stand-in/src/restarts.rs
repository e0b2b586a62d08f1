//! Docker's restart policy for containers without a real process: some exit at once, and Docker
//! restarts them after a back-off.

use std::time::Duration;

use crate::containers::now;
use crate::images;
use crate::state::{Container, State, Status, restarts_after};

/// The back-off before the n-th restart in a row: it doubles each time, up to one minute.
pub(crate) fn backoff(restarts: u32) -> Duration {
    let backoff = Duration::from_millis(100) * 2_u32.pow(restarts.saturating_sub(1).min(16));
    backoff.min(Duration::from_secs(60))
}

/// Starts a container.
pub(crate) fn start(state: &State, container: &mut Container) {
    start_at(state, container, now());
}

/// Starts a container at a given time. If it exits at once, its restart policy decides what
/// follows.
fn start_at(state: &State, container: &mut Container, at: i128) {
    container.started_at = at;
    container.status = Status::Running;
    container.read = images::mounted_files(&container.mounts);
    let Some(code) = images::ends(state, container) else { return };
    (container.ended_at, container.code) = (at, code);
    container.status = Status::Exited;
    if restarts_after(&container.restart_policy, code, container.restarts) {
        container.restarts += 1;
        container.status = Status::Restarting;
    }
}

/// Applies the restarts that are due since the state was written.
pub(crate) fn apply_due(state: &mut State) {
    let restarting = |container: &Container| container.status == Status::Restarting;
    if state.parts.is_some() || !state.containers.iter().any(restarting) {
        return;
    }
    let copy = state.clone();
    for container in &mut state.containers {
        while restarting(container) {
            let next = container.ended_at + nanoseconds(backoff(container.restarts));
            if next > now() {
                break;
            }
            start_at(&copy, container, next);
        }
    }
}

fn nanoseconds(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}
