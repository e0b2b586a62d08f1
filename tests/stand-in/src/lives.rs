//! The lives of a container whose process is not real: ends at once, and what Docker does then.

use std::time::Duration;

use crate::containers::now;
use crate::images;
use crate::state::{Container, State, Status, starts_again};

/// The pause before a container is started again for the n-th time in a row: twice the one before,
/// but no more than a minute.
pub(crate) fn pause(restarts: u32) -> Duration {
    let pause = Duration::from_millis(100) * 2_u32.pow(restarts.saturating_sub(1).min(16));
    pause.min(Duration::from_secs(60))
}

/// A container is started.
pub(crate) fn begin(state: &State, container: &mut Container) {
    live(state, container, now());
}

/// It begins to run at that time; if it ends at once, Docker pauses or leaves it.
fn live(state: &State, container: &mut Container, at: i128) {
    container.started_at = at;
    container.status = Status::Running;
    let Some(code) = images::ends(state, container) else { return };
    (container.ended_at, container.code) = (at, code);
    container.status = Status::Exited;
    if starts_again(&container.restart_policy, code, container.restarts) {
        container.restarts += 1;
        container.status = Status::Restarting;
    }
}

/// What Docker has done since the state was written.
pub(crate) fn look(state: &mut State) {
    let pauses = |container: &Container| container.status == Status::Restarting;
    if state.parts.is_some() || !state.containers.iter().any(pauses) {
        return;
    }
    let copy = state.clone();
    for container in &mut state.containers {
        while pauses(container) {
            let next = container.ended_at + nanoseconds(pause(container.restarts));
            if next > now() {
                break;
            }
            live(&copy, container, next);
        }
    }
}

fn nanoseconds(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}
