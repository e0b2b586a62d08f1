//! Each call of a run fails once. The run reports the failure, and stops unless it can do without
//! the call. The same command then completes.

use super::harness::{TestHost, in_parallel};
use super::normalize::assert_same;
use super::snapshot::PreparedHost;
use crate::support::Output;
use stand_in::Fault;
use std::collections::BTreeSet;
use std::sync::Mutex;

const LINE: &str = "matrix:create matrix --email admin@site.test --element";

/// The calls of a run to be failed, with their numbers. Repeated reads are tried once, and so is
/// sigil, whose calls are all alike.
fn calls(host: &TestHost) -> Vec<(u64, String)> {
    let mut seen = BTreeSet::new();
    let all = host.calls().into_iter().filter(|call| !call.nested && !call.forwarded);
    let mut selected = vec![];
    for (number, call) in (1..).zip(all) {
        let mut line = host.normalize(&call.line());
        if call.program == "sigil" {
            line.truncate("sigil -f".len());
        }
        if seen.insert(line.clone()) || call.changes {
            selected.push((number, line));
        }
    }
    selected
}

/// Makes the call with this number fail.
fn set_failing_call(host: &TestHost, number: u64) {
    host.scene.set_fault(&Fault { call: Some(number), ..Fault::default() }).unwrap();
}

/// Calls whose failure is not reported with the command and its exit code: the exit code of the
/// run, and the message.
const SPECIAL_REPORTS: [(&str, i32, &str); 8] = [
    ("docker image pull ", 1, " cannot be pulled: "),
    ("docker run ", 1, "Synapse does not accept its configuration: "),
    ("dokku git:from-image ", 1, " could not be deployed to "),
    ("dokku letsencrypt:enable ", 3, "No certificate for "),
    ("nginx -t -c ", 3, "This host refuses the nginx template"),
    ("nginx -t", 1, "nginx rejects <host>/home/matrix/nginx.conf.d/matrix.conf"),
    ("sigil -f", 3, "This host refuses the nginx template"),
    ("ufw status", 3, "ufw is on this host, and dokku may not ask it."),
];

/// Checks that the run reported the failed call.
fn assert_reported(output: &Output, call: &str) {
    let other = SPECIAL_REPORTS.iter().find(|(start, ..)| call.starts_with(start));
    let (code, message) = match other {
        Some((_, code, message)) => (*code, *message),
        None => (1, " ended with exit code 1"),
    };
    let first = output.stderr.lines().next().unwrap_or_default();
    assert!(output.code == Some(code) && first.contains(message), "{call}: {output:#?}");
}

/// A failed read is an error and never taken for a result: on a host without drift it causes no
/// change.
#[test]
fn failed_read_changes_nothing() {
    let prepared = PreparedHost::after(LINE);
    let host = prepared.copy();
    host.ok(LINE);
    let cases = calls(&host);
    assert!(cases.len() > 25, "{cases:#?}");
    in_parallel(&cases, |(number, call)| {
        let host = prepared.copy();
        let before = host.dump();
        set_failing_call(&host, *number);
        assert_reported(&host.dokku(LINE), call);
        assert_eq!(host.changes(), [""; 0], "{call}");
        assert_same(&host.dump(), &before, call);
    });
}

/// Many failures leave the host in the same state, from which the command is repeated only once.
#[test]
fn repeated_command_completes_after_any_failed_call() {
    let host = TestHost::new();
    host.ok(LINE);
    let expected = host.dump();
    let cases = calls(&host);
    assert!(cases.len() > 60, "{cases:#?}");
    let seen = Mutex::new(BTreeSet::new());
    in_parallel(&cases, |(number, call)| {
        let host = TestHost::new();
        set_failing_call(&host, *number);
        assert_reported(&host.dokku(LINE), call);
        host.scene.clear_fault().unwrap();
        if seen.lock().unwrap().insert(host.dump()) {
            host.ok(LINE);
            assert_same(&host.dump(), &expected, call);
        }
    });
}
