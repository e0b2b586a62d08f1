//! The clock.

use std::time::{Duration, Instant};

/// Calls `probe` until it gives something or the time is over; at least once.
///
/// # Errors
/// The error of `probe`, at once.
pub fn poll<T, E>(
    limit: Duration,
    every: Duration,
    mut probe: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let start = Instant::now();
    loop {
        if let Some(found) = probe()? {
            return Ok(Some(found));
        }
        if start.elapsed() + every > limit {
            return Ok(None);
        }
        std::thread::sleep(every);
    }
}

/// Milliseconds since 1970.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A duration as people say it: `1m 22s`.
pub fn words(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    if seconds < 60 {
        format!("{seconds}s")
    } else {
        format!("{}m {}s", seconds / 60, seconds % 60)
    }
}
