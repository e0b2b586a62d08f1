//! The host loses power while users send messages, and boots again without anyone's help.

use super::stand_in_host::StandInHost;
use super::user::User;
use super::{HostExt, HttpClient};
use stand_in::World;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

const PASSWORD: &str = "in the dark";
/// Alice sends more messages than the default rate limit allows.
const LIMITS: &str = "rc_message: {per_second: 1000, burst_count: 1000}\n";

type Alice<'a> = User<'a, World>;

#[test]
fn power_cut() {
    let mut host = StandInHost::new();
    host.ok("matrix:create matrix --email admin@alpha.test --element");
    let local = format!("{}/config/homeserver.d/90-local.yaml", host.directory("matrix"));
    std::fs::write(local, LIMITS).unwrap();
    host.ok("matrix:deploy matrix");
    host.register("matrix", "alice", PASSWORD);
    // Her client is not on the host.
    let world = Arc::clone(&host.world);
    let alice = User::new(&*world, "matrix.alpha.test", "alice", PASSWORD);
    let message = alice.send_in_new_room("before the power cut");
    let upload = alice.upload(5).1.unwrap();
    let keys = alice.get("/_matrix/key/v2/server")["verify_keys"].clone();
    let acknowledged = thread::scope(|scope| {
        let (sender, receiver) = channel();
        let upload = scope.spawn(|| upload_slowly(&alice));
        let (user, room) = (&alice, &message.room);
        scope.spawn(move || send_until_failure(user, room, &sender));
        // The power is cut while messages are being sent: only a failure stops them.
        let mut acknowledged: Vec<String> = receiver.iter().take(20).collect();
        assert_eq!(acknowledged.len(), 20);
        assert!(!upload.is_finished());
        host.power_cut();
        acknowledged.extend(receiver);
        assert_ne!(upload.join().unwrap(), 200);
        acknowledged
    });
    // Dokku's systemd service runs this at boot.
    host.ok("ps:restore");
    let start = Instant::now();
    while alice.request("GET", "/_matrix/client/v3/account/whoami", b"", "").0 != 200 {
        assert!(start.elapsed() < Duration::from_secs(300), "Synapse is not available again");
        sleep(Duration::from_millis(200));
    }
    let stdout = host.ok("matrix:deploy matrix --dry-run").stdout;
    assert!(stdout.contains("nothing would be changed"), "{stdout}");
    alice.assert_has_message(&message);
    let messages = alice.messages(&message.room);
    for expected in acknowledged {
        let found = messages.iter().any(|(_, text)| *text == expected);
        assert!(found, "{expected}: {messages:?}");
    }
    alice.assert_has_upload(&upload, 5);
    assert_eq!(alice.upload(2).0, 200);
    assert_eq!(alice.get("/_matrix/key/v2/server")["verify_keys"], keys);
    let config = host.curl().args(["-sf", "https://chat.alpha.test/config.json"]).output().unwrap();
    assert!(config.status.success());
}

/// Sends messages until one fails, and reports each one that the server acknowledged.
fn send_until_failure(alice: &Alice<'_>, room: &str, acknowledged: &Sender<String>) {
    for number in 0.. {
        let message = format!("message {number}");
        if alice.try_send(room, &message).0 != 200 {
            return;
        }
        acknowledged.send(message).unwrap();
    }
}

/// Uploads at a rate at which it would take a minute.
fn upload_slowly(alice: &Alice<'_>) -> u16 {
    let more = "header = \"Content-Type: application/octet-stream\"\nlimit-rate = 500K\n";
    alice.request("POST", "/_matrix/media/v3/upload", &vec![7; 30 << 20], more).0
}
