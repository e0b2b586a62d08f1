//! Two homeservers on two hosts, with different names: one is found on port 8448 of its own domain
//! alone, the other through the well-known files of a sibling app.

use super::Steps;
use super::parts::Parts;
use super::person::{Person, Said};
use crate::support::tools;
use serde_json::json;
use stand_in::World;
use std::sync::Arc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

const PASSWORD: &str = "purple monkey";

#[test]
fn federation() {
    let world = Arc::new(World::new(&tools()).unwrap());
    let (alpha, beta) = thread::scope(|scope| {
        let alpha = scope.spawn(|| alpha(&world));
        let beta = scope.spawn(|| beta(&world));
        (alpha.join().unwrap(), beta.join().unwrap())
    });
    let alice = Person::new(&alpha, "matrix.alpha.test", "alice", PASSWORD);
    let bob = Person::new(&beta, "synapse.beta.test", "bob", PASSWORD);
    // Who is not told otherwise asks on 8448.
    let well_known = "https://matrix.alpha.test/.well-known/matrix/server";
    let mut curl = world.command("curl");
    let asked = curl.args(["-sw", "%{http_code}", "-o", "/dev/null", well_known]).output();
    assert_eq!(String::from_utf8(asked.unwrap().stdout).unwrap(), "404");
    // Each joins a room of the other: their servers ask in both directions.
    talk((&alice, "@alice:matrix.alpha.test"), (&bob, "@bob:beta.test"));
    talk((&bob, "@bob:beta.test"), (&alice, "@alice:matrix.alpha.test"));
    // Media are asked for across, too.
    let upload = alice.uploads(3).1.unwrap();
    bob.still_has(&upload, 3);
}

/// The server name is the domain; without well-known files others find it on 8448 alone.
fn alpha(world: &Arc<World>) -> Parts {
    let place = Parts::within(world, "alpha.test");
    place.ok("matrix:create matrix --email admin@alpha.test");
    // An administrator's own answer takes the place of the plugin's.
    let conf = "/matrix.conf";
    let folder = place.scene.root().join("matrix/nginx.conf.d");
    let text = std::fs::read_to_string(format!("{}{conf}", folder.display())).unwrap();
    let hidden = text.replace("/.well-known/matrix/server", "/.well-known/matrix/not-server");
    assert_ne!(text, hidden);
    std::fs::write(format!("{}{conf}", folder.display()), hidden).unwrap();
    place.ok("proxy:build-config matrix");
    place.registered("matrix", "alice", PASSWORD);
    place
}

/// The server name is that of another app of the host, which has a certificate.
fn beta(world: &Arc<World>) -> Parts {
    let place = Parts::within(world, "beta.test");
    place.scene.update(|state| state.pullable.insert("nginx:1".into())).unwrap();
    for line in [
        "apps:create website",
        "domains:set website beta.test",
        "git:from-image website nginx:1",
        "letsencrypt:set --global email admin@beta.test",
        "letsencrypt:enable website",
    ] {
        place.ok(line);
    }
    place.ok("matrix:create synapse --server-name beta.test --no-8448");
    place.registered("synapse", "bob", PASSWORD);
    place
}

/// The second one joins a room of the first one, and both read what the other says.
fn talk(host: (&Person<'_, Parts>, &str), guest: (&Person<'_, Parts>, &str)) {
    let (host, host_id) = host;
    let (guest, guest_id) = guest;
    let said: Said = host.says("is anybody there?");
    let server = host_id.split_once(':').unwrap().1;
    let room = &said.room;
    guest.post(&format!("/_matrix/client/v3/join/{room}?server_name={server}"), &json!({}));
    hears(guest, room, host_id, "is anybody there?");
    guest.says_in(room, "yes, I am");
    hears(host, room, guest_id, "yes, I am");
    host.says_in(room, "good");
    hears(guest, room, host_id, "good");
}

fn hears(person: &Person<'_, Parts>, room: &str, who: &str, what: &str) {
    let since = Instant::now();
    let said = (who.to_owned(), what.to_owned());
    while !person.hears(room).contains(&said) {
        assert!(since.elapsed() < Duration::from_secs(60), "{who} is not heard");
        sleep(Duration::from_millis(200));
    }
}
