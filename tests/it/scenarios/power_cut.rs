//! The host loses its power while people talk, and nobody is there when it comes up again.

use super::parts::Parts;
use super::person::Person;
use super::{Outside, Steps};
use stand_in::World;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

const PASSWORD: &str = "in the dark";
/// Alice says more than a person may.
const LIMITS: &str = "rc_message: {per_second: 1000, burst_count: 1000}\n";

type Alice<'a> = Person<'a, World>;

#[test]
fn power_cut() {
    let mut place = Parts::alone();
    place.ok("matrix:create matrix --email admin@alpha.test --element");
    let local = format!("{}/config/homeserver.d/90-local.yaml", place.folder("matrix"));
    std::fs::write(local, LIMITS).unwrap();
    place.ok("matrix:deploy matrix");
    place.registered("matrix", "alice", PASSWORD);
    // She is elsewhere, and has power.
    let world = Arc::clone(&place.world);
    let alice = Person::new(&*world, "matrix.alpha.test", "alice", PASSWORD);
    let said = alice.says("before the dark");
    let upload = alice.uploads(5).1.unwrap();
    let keys = alice.get("/_matrix/key/v2/server")["verify_keys"].clone();
    let heard = thread::scope(|scope| {
        let (tell, told) = channel();
        let slow = scope.spawn(|| uploads_slowly(&alice));
        let (talker, room) = (&alice, &said.room);
        scope.spawn(move || talks(talker, room, &tell));
        // In the midst of it: she does not stop by herself.
        let mut heard: Vec<String> = told.iter().take(20).collect();
        assert_eq!(heard.len(), 20);
        assert!(!slow.is_finished());
        place.power_cut();
        heard.extend(told);
        assert_ne!(slow.join().unwrap(), 200);
        heard
    });
    // What Dokku's own service does at the start of a host.
    place.ok("ps:restore");
    let since = Instant::now();
    while alice.ask("GET", "/_matrix/client/v3/account/whoami", b"", "").0 != 200 {
        assert!(since.elapsed() < Duration::from_secs(60), "it does not come back");
        sleep(Duration::from_millis(200));
    }
    let told = place.ok("matrix:deploy matrix --dry-run").stdout;
    assert!(told.contains("nothing would be changed"), "{told}");
    alice.still_reads(&said);
    let texts = alice.hears(&said.room);
    for message in heard {
        assert!(texts.iter().any(|(_, text)| *text == message), "{message}: {texts:?}");
    }
    alice.still_has(&upload, 5);
    assert_eq!(alice.uploads(2).0, 200);
    assert_eq!(alice.get("/_matrix/key/v2/server")["verify_keys"], keys);
    let config =
        place.curl().args(["-sf", "https://chat.alpha.test/config.json"]).output().unwrap();
    assert!(config.status.success());
}

/// Until one message is not taken; tells of all that were.
fn talks(alice: &Alice<'_>, room: &str, tell: &Sender<String>) {
    for number in 0.. {
        let message = format!("message {number}");
        if alice.tries_to_say(room, &message).0 != 200 {
            return;
        }
        tell.send(message).unwrap();
    }
}

/// It would take a minute.
fn uploads_slowly(alice: &Alice<'_>) -> u16 {
    let more = "header = \"Content-Type: application/octet-stream\"\nlimit-rate = 500K\n";
    alice.ask("POST", "/_matrix/media/v3/upload", &vec![7; 30 << 20], more).0
}
