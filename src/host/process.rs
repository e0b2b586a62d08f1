//! The identity of a process: whether one that was recorded is still that one. Numbers are used
//! again; with the time of its start a number is not.

/// When a process started, in the kernel's ticks since boot: with its number, its identity. `None`
/// if it has ended.
pub(super) fn start_of(pid: u32) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a process that is gone is no error")]
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    // A zombie has ended; only its parent has not noticed.
    if state == "Z" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

/// The identity of this process, as one word.
pub fn own() -> String {
    let pid = std::process::id();
    format!("{pid}.{}", start_of(pid).unwrap_or_default())
}

/// Whether the process of an identity still runs.
pub fn runs(identity: &str) -> bool {
    let parts = identity.split_once('.');
    parts.is_some_and(|(pid, start)| {
        pid.parse().is_ok_and(|pid| start_of(pid).as_deref() == Some(start))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_process_from_a_later_one() {
        let own = own();
        assert!(runs(&own));
        assert!(!runs(&format!("{own}0")), "another start");
        for other in ["", ".", "1", "4194305.1", "x.1"] {
            assert!(!runs(other), "{other}");
        }
    }
}
