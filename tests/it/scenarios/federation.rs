//! Two homeservers on two hosts. One can only be found on port 8448 of its own domain, the other
//! through the well-known files of a sibling app, which redirects to another name of its own. Then the
//! first one talks to nobody, and to the other one only.

use super::HostExt;
use super::stand_in_host::StandInHost;
use super::user::User;
use crate::support::tools;
use serde_json::json;
use stand_in::World;
use std::sync::Arc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

const PASSWORD: &str = "purple monkey";

/// What the owner of the website has written for nginx.
const OWN: &str = r#"
if ($host = beta.test) {
  return 301 https://www.beta.test$request_uri;
}
location = /.well-known/matrix/client {
  default_type application/json;
  add_header Access-Control-Allow-Origin *;
  return 200 '{"m.homeserver": {"base_url": "https://synapse.beta.test"}}';
}
"#;

#[test]
fn federation() {
    let world = Arc::new(World::new(&tools()).unwrap());
    let (alpha, beta) = thread::scope(|scope| {
        let alpha = scope.spawn(|| alpha(&world));
        let beta = scope.spawn(|| beta(&world));
        (alpha.join().unwrap(), beta.join().unwrap())
    });
    let alice = User::new(&alpha, "matrix.alpha.test", "alice", PASSWORD);
    let bob = User::new(&beta, "synapse.beta.test", "bob", PASSWORD);
    // Without a well-known file, other servers use port 8448.
    let well_known = "https://matrix.alpha.test/.well-known/matrix/server";
    assert_eq!(status(&world, well_known), "404");
    // Each user joins a room on the other server, so both servers send requests.
    talk((&alice, "@alice:matrix.alpha.test"), (&bob, "@bob:beta.test"));
    talk((&bob, "@bob:beta.test"), (&alice, "@alice:matrix.alpha.test"));
    // Media are fetched from the other server, too.
    let upload = alice.upload(3).1.unwrap();
    bob.assert_has_upload(&upload, 3);
    // Without federation other servers get no answer, and are not asked.
    alpha.ok("matrix:create matrix --federation off");
    assert_eq!(alpha.ok("matrix:report matrix --matrix-federation").stdout, "off\n");
    for path in ["federation/v1/version", "key/v2/server"] {
        assert_eq!(status(&world, &format!("https://matrix.alpha.test/_matrix/{path}")), "404");
    }
    assert_eq!(status(&world, well_known), "404");
    let room = alice.send_in_new_room("only here").room;
    let join = format!("/_matrix/client/v3/join/{room}?server_name=matrix.alpha.test");
    assert_ne!(bob.request("POST", &join, b"{}", "").0, 200);
    // With the other one alone, both talk again.
    alpha.ok("matrix:create matrix --federation beta.test");
    assert_eq!(status(&world, well_known), "200");
    // The other one has not reached it, and would not try again for a while.
    talk((&bob, "@bob:beta.test"), (&alice, "@alice:matrix.alpha.test"));
    // And with another one alone they do not.
    alpha.ok("matrix:create matrix --federation gamma.test");
    let room = alice.send_in_new_room("not you").room;
    let join = format!("/_matrix/client/v3/join/{room}?server_name=matrix.alpha.test");
    assert_ne!(bob.request("POST", &join, b"{}", "").0, 200);
}

/// The status of an address.
fn status(world: &World, url: &str) -> String {
    let mut curl = world.command("curl");
    let output = curl.args(["-sw", "%{http_code}", "-o", "/dev/null", url]).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// The server name is the domain, and there is no well-known file: only port 8448 is left.
fn alpha(world: &Arc<World>) -> StandInHost {
    let host = StandInHost::in_world(world, "alpha.test");
    host.ok("matrix:create matrix --email admin@alpha.test");
    // The plugin would serve a well-known file: move it to another path.
    let conf = "/matrix.conf";
    let directory = host.scene.root().join("matrix/nginx.conf.d");
    let text = std::fs::read_to_string(format!("{}{conf}", directory.display())).unwrap();
    let hidden = text.replace("/.well-known/matrix/server", "/.well-known/matrix/not-server");
    assert_ne!(text, hidden);
    std::fs::write(format!("{}{conf}", directory.display()), hidden).unwrap();
    host.ok("proxy:build-config matrix");
    host.register("matrix", "alice", PASSWORD);
    host
}

/// The server name is a domain of another app on the host, which has a certificate, redirects to its
/// other domain, and has the file for clients itself.
fn beta(world: &Arc<World>) -> StandInHost {
    let host = StandInHost::in_world(world, "beta.test");
    host.scene.update(|state| state.pullable.insert("nginx:1".into())).unwrap();
    for line in [
        "apps:create website",
        "domains:set website beta.test www.beta.test",
        "git:from-image website nginx:1",
        "letsencrypt:set --global email admin@beta.test",
        "letsencrypt:enable website",
    ] {
        host.ok(line);
    }
    let own = host.scene.root().join("website/nginx.conf.d/own.conf");
    std::fs::write(own, OWN).unwrap();
    host.ok("proxy:build-config website");
    host.ok("matrix:create synapse --server-name beta.test --no-8448");
    let ours = host.scene.root().join("website/nginx.conf.d/matrix-well-known.conf");
    let ours = std::fs::read_to_string(ours).unwrap();
    assert!(ours.contains("matrix/server {") && !ours.contains("matrix/client {"), "{ours}");
    host.register("synapse", "bob", PASSWORD);
    host
}

/// The guest joins a room of the owner, and each receives the other's messages.
fn talk(owner: (&User<'_, StandInHost>, &str), guest: (&User<'_, StandInHost>, &str)) {
    let (owner, owner_id) = owner;
    let (guest, guest_id) = guest;
    let message = owner.send_in_new_room("is anybody there?");
    let server = owner_id.split_once(':').unwrap().1;
    let room = &message.room;
    guest.post(&format!("/_matrix/client/v3/join/{room}?server_name={server}"), &json!({}));
    wait_for_message(guest, room, owner_id, "is anybody there?");
    guest.send(room, "yes, I am");
    wait_for_message(owner, room, guest_id, "yes, I am");
    owner.send(room, "good");
    wait_for_message(guest, room, owner_id, "good");
}

fn wait_for_message(user: &User<'_, StandInHost>, room: &str, sender: &str, text: &str) {
    let start = Instant::now();
    let message = (sender.to_owned(), text.to_owned());
    while !user.messages(room).contains(&message) {
        let elapsed = start.elapsed();
        assert!(elapsed < Duration::from_secs(300), "no message from {sender}");
        sleep(Duration::from_millis(200));
    }
}
