//! The stand-in is judged by recordings of a real Dokku: each call is made again, in its order, on a
//! fresh scene for each file, and exit code, answers and errors are compared.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of a test panic, and it prints its figures"
)]

mod replay;

use replay::{Replay, replay};

/// Every recorded call is made again; it is compared or stands on the list of those left out.
#[test]
fn every_recorded_call_is_answered_the_same() {
    let mut all = Replay::default();
    for file in replay::files() {
        all.add(replay(&file, |_| {}));
    }
    all.print();
    assert!(all.differences.is_empty(), "{}", all.differences.join("\n"));
    assert_eq!((all.recorded, all.compared, all.whole, all.left_out), (336, 322, 268, 14));
}

/// The comparison sees an answer that is wrong: in the exit code, or in either stream.
#[test]
fn a_wrong_answer_is_seen() {
    let other_rc = replay("config", |call| call.rc += 1);
    let more_stdout = replay("config", |call| call.stdout.push_str("more"));
    let more_stderr = replay("config", |call| call.stderr.push_str("more"));
    for altered in [other_rc, more_stdout, more_stderr] {
        assert_eq!(altered.differences.len(), altered.compared);
        assert_eq!(altered.compared, 16);
    }
}
