//! Each call that a run makes fails once: then the run says so and stops, or goes on knowingly; and
//! the same command finishes the job.

use super::camera::Ready;
use super::portrait::assert_alike;
use super::rig::Rig;
use crate::plugin_copy::Ran;
use stand_in::Fault;
use std::collections::BTreeSet;
use std::sync::Mutex;

const LINE: &str = "matrix:create matrix --email admin@site.test --element";

/// The calls of a run that are worth a failure, with their places: none twice, of sigil one.
fn calls(rig: &Rig) -> Vec<(u64, String)> {
    let mut seen = BTreeSet::new();
    let all = rig.calls().into_iter().filter(|call| !call.nested && !call.forwarded);
    let mut worth = vec![];
    for (place, call) in (1..).zip(all) {
        let mut line = rig.normal(&call.line());
        if call.program == "sigil" {
            line.truncate("sigil -f".len());
        }
        if seen.insert(line.clone()) || call.changes {
            worth.push((place, line));
        }
    }
    worth
}

/// The call at that place fails.
fn fail(rig: &Rig, place: u64) {
    rig.scene.set_fault(&Fault { call: Some(place), ..Fault::default() }).unwrap();
}

/// What is told otherwise than with the call and its exit code, and how the run ends then.
const OTHERWISE: [(&str, i32, &str); 8] = [
    ("docker image pull ", 1, " cannot be pulled: "),
    ("docker run ", 1, "Synapse does not accept its configuration: "),
    ("dokku git:from-image ", 1, " could not be deployed to "),
    ("dokku letsencrypt:enable ", 3, "No certificate for "),
    ("nginx -t -c ", 3, "This host refuses the nginx template"),
    ("nginx -t", 1, "nginx rejects <host>/home/matrix/nginx.conf.d/matrix.conf"),
    ("sigil -f", 3, "This host refuses the nginx template"),
    ("ufw status", 3, "ufw is on this host, and does not answer dokku."),
];

/// The run has told that the call failed.
fn told(ran: &Ran, call: &str) {
    let other = OTHERWISE.iter().find(|(start, ..)| call.starts_with(start));
    let (code, words) = match other {
        Some((_, code, words)) => (*code, *words),
        None => (1, " ended with exit code 1"),
    };
    let first = ran.stderr.lines().next().unwrap_or_default();
    assert!(ran.code == Some(code) && first.contains(words), "{call}: {ran:#?}");
}

/// A read that fails is an error, never an answer: on a host where all is well it leads to no
/// change at all.
#[test]
fn a_failed_read_changes_nothing() {
    let ready = Ready::after(LINE);
    let rig = ready.host();
    rig.ok(LINE);
    let cases = calls(&rig);
    assert!(cases.len() > 25, "{cases:#?}");
    Rig::each(&cases, |(place, call)| {
        let rig = ready.host();
        let before = rig.portrait();
        fail(&rig, *place);
        told(&rig.dokku(LINE), call);
        assert_eq!(rig.changes(), [""; 0], "{call}");
        assert_alike(&rig.portrait(), &before, call);
    });
}

/// Many failures leave the same host: each is tried once.
#[test]
fn every_call_fails_once() {
    let rig = Rig::new();
    rig.ok(LINE);
    let whole = rig.portrait();
    let cases = calls(&rig);
    assert!(cases.len() > 60, "{cases:#?}");
    let seen = Mutex::new(BTreeSet::new());
    Rig::each(&cases, |(place, call)| {
        let rig = Rig::new();
        fail(&rig, *place);
        told(&rig.dokku(LINE), call);
        rig.scene.clear_fault().unwrap();
        if seen.lock().unwrap().insert(rig.portrait()) {
            rig.ok(LINE);
            assert_alike(&rig.portrait(), &whole, call);
        }
    });
}
