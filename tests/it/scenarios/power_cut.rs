//! The host loses its power while people talk, and nobody is there when it comes up again.

use super::parts::Parts;
use super::person::Person;
use super::{Place, Steps};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PASSWORD: &str = "in the dark";

#[test]
fn power_cut() {
    let mut place = Parts::alone();
    place.ok("matrix:create matrix --email admin@alpha.test --element");
    place.registered("matrix", "alice", PASSWORD);
    let alice = Person::new(&place, "matrix.alpha.test", "alice", PASSWORD);
    let said = alice.says("before the dark");
    // More at once would be more than a person may say.
    for number in 0..8 {
        alice.says_in(&said.room, &format!("message {number}"));
    }
    let keys = alice.get("/_matrix/key/v2/server")["verify_keys"].clone();
    let token = alice.token();
    place.power_cut();
    // What Dokku's own service does at the start of a host.
    place.ok("ps:restore");
    let alice = Person::known(&place, "matrix.alpha.test", token);
    let since = Instant::now();
    while alice.ask("GET", "/_matrix/client/v3/account/whoami", b"", "").0 != 200 {
        assert!(since.elapsed() < Duration::from_secs(60), "it does not come back");
        sleep(Duration::from_millis(200));
    }
    let told = place.ok("matrix:deploy matrix --dry-run").stdout;
    assert!(told.contains("nothing would be changed"), "{told}");
    let texts = alice.hears(&said.room);
    for number in 0..8 {
        let message = format!("message {number}");
        assert!(texts.iter().any(|(_, text)| *text == message), "{message}: {texts:?}");
    }
    assert_eq!(alice.get("/_matrix/key/v2/server")["verify_keys"], keys);
    let config =
        place.curl().args(["-sf", "https://chat.alpha.test/config.json"]).output().unwrap();
    assert!(config.status.success());
}
