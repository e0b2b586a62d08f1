//! The clock: the time, polling, and durations in words.

use std::time::{Duration, Instant};

/// Calls `probe` until it returns something or the timeout is reached; at least once.
///
/// # Errors
/// The error of `probe`, at once.
pub fn poll<T, E>(
    timeout: Duration,
    interval: Duration,
    mut probe: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let start = Instant::now();
    loop {
        if let Some(found) = probe()? {
            return Ok(Some(found));
        }
        if start.elapsed() + interval > timeout {
            return Ok(None);
        }
        std::thread::sleep(interval);
    }
}

/// The current time, in milliseconds since 1970.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A duration for people to read: `1m 22s`.
pub fn human(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    if seconds < 60 {
        format!("{seconds}s")
    } else {
        format!("{}m {}s", seconds / 60, seconds % 60)
    }
}
