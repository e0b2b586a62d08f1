//! What the host's nginx does between the world and Synapse, seen from both ends.

use super::life::{SERVERS, SERVICES};
use super::person::Person;
use super::{Place, Steps};
use serde_json::{Value, json};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const APP: &str = SERVERS[0];
const PASSWORD: &str = "correct horse";
/// Seconds; nginx waits two more.
const LONG: u64 = 178;

pub(super) fn play(place: &impl Place) {
    let domain = format!("{APP}.{}", place.global_domain());
    let email = format!("admin@{}", place.global_domain());
    place.ok(&format!("matrix:create {APP} --email {email}"));
    let [carol, erin] = ["carol", "erin"].map(|name| {
        place.registered(APP, name, PASSWORD);
        Person::new(place, &domain, name, PASSWORD)
    });
    thread::scope(|scope| {
        let poll = scope.spawn(|| waits_long(&erin));
        hides(place, &domain);
        knows_who_asks(&carol, &domain);
        leaves_addresses_alone(&carol, &domain);
        sizes(&carol);
        origins(place, &domain);
        leads_to_https(place, &domain);
        poll.join().unwrap();
    });
    place.ok(&format!("--force apps:destroy {APP}"));
    place.ok(&format!("postgres:destroy {} --force", SERVICES[0]));
}

/// A client that waits for news is not cut off; nobody has any for this one.
fn waits_long<P: Place>(erin: &Person<'_, P>) {
    let sync = |query: &str| erin.get(&format!("/_matrix/client/v3/sync?{query}"));
    let batch = sync("timeout=0&set_presence=offline")["next_batch"].as_str().unwrap().to_owned();
    let since = Instant::now();
    let news = sync(&format!("since={batch}&timeout={LONG}000&set_presence=offline"));
    assert!(since.elapsed() >= Duration::from_secs(LONG), "{:?}: {news}", since.elapsed());
}

/// What is for administrators is hidden, however it is spelled.
fn hides(place: &impl Place, domain: &str) {
    for target in [
        "/_synapse/admin/v1/server_version",
        "/_synapse/metrics",
        "/_synapse/replication/x",
        "//_synapse/admin/v1/server_version",
        "/_synapse//admin/v1/server_version",
        "/%5Fsynapse/%61dmin/v1/server_version",
        "/_synapse%2Fadmin/v1/server_version",
        "/_synapse%2fadmin/v1/server_version",
        "/x/../_synapse/admin/v1/server_version",
        "/x/%2e%2e/_synapse/admin/v1/server_version",
        "/_matrix/..%2F_synapse/admin/v1/server_version",
        "/./_synapse/./admin/v1/server_version",
        "/_synapse/x/../admin/v1/server_version",
    ] {
        for base in ["https://", "http://"] {
            let answer = asked(place, &[&format!("{base}{domain}{target}")]);
            assert_eq!(answer.status, "404", "{base}{target}: {answer:?}");
            assert_eq!(answer.json()["errcode"], "M_UNRECOGNIZED", "{base}{target}");
        }
        let answer = asked(place, &[&format!("https://{domain}:8448{target}")]);
        assert_eq!(answer.status, "404", "{target} on 8448: {answer:?}");
    }
}

/// Synapse learns the address that nginx saw, whatever a client says of itself.
fn knows_who_asks<P: Place>(carol: &Person<'_, P>, domain: &str) {
    let forged = "header = \"X-Forwarded-For: 1.2.3.4\"\nheader = \"X-Forwarded-For: 5.6.7.8\"\n\
        header = \"Forwarded: for=1.2.3.4\"\nheader = \"X-Real-IP: 1.2.3.4\"\n";
    let (status, _) = carol.ask("GET", "/_matrix/client/v3/account/whoami", b"", forged);
    assert_eq!(status, 200);
    let id = format!("@carol:{domain}");
    let known = carol.get(&format!("/_matrix/client/v3/admin/whois/{id}"));
    let known: Vec<_> = known["devices"][""]["sessions"][0]["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|connection| connection["ip"].as_str().unwrap())
        .collect();
    assert!(!known.is_empty());
    assert!(known.iter().all(|ip| ["11.22.33.1", "127.0.0.1"].contains(ip)), "{known:?}");
}

/// An encoded slash in a name of a room stays one.
fn leaves_addresses_alone<P: Place>(carol: &Person<'_, P>, domain: &str) {
    let said = carol.says("hello");
    let alias = format!("/_matrix/client/v3/directory/room/%23a%2Fb%252Fc%3A{domain}");
    let body = json!({ "room_id": said.room }).to_string();
    let (status, answer) = carol.ask("PUT", &alias, body.as_bytes(), "");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    assert_eq!(carol.get(&alias)["room_id"], said.room);
    let aliases = carol.get(&format!("/_matrix/client/v3/rooms/{}/aliases", said.room));
    assert_eq!(aliases["aliases"][0], format!("#a/b%2Fc:{domain}"));
}

/// 50 MiB pass, more does not.
fn sizes<P: Place>(carol: &Person<'_, P>) {
    let (status, upload) = carol.uploads(50);
    assert_eq!(status, 200);
    carol.still_has(&upload.unwrap(), 50);
    assert_eq!(carol.uploads(51).0, 413);
}

/// Pages of another origin may ask what clients ask.
fn origins(place: &impl Place, domain: &str) {
    for path in ["/.well-known/matrix/client", "/_matrix/client/versions"] {
        let origin = "Origin: https://page.example";
        let answer = asked(place, &[&format!("https://{domain}{path}"), "--header", origin]);
        assert_eq!(answer.status, "200", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), ["*"], "{path}");
    }
}

/// http leads to https, but a certificate is had anew all the same.
fn leads_to_https(place: &impl Place, domain: &str) {
    for target in ["/", "/_matrix/client/versions?a=b%2Fc", "/.well-known/other"] {
        let answer = asked(place, &[&format!("http://{domain}{target}")]);
        assert_eq!(answer.status, "301", "{target}");
        assert_eq!(answer.header("location"), [format!("https://{domain}{target}")]);
    }
    let serial = || {
        let file = place.ok(&format!("certs:report {APP} --ssl-dir")).stdout;
        let file = format!("{}/server.crt", file.trim());
        place.by_root(&format!("openssl x509 -noout -serial -in {file}"))
    };
    let before = serial();
    place.ok(&format!("letsencrypt:enable {APP} --force"));
    assert_ne!(serial(), before);
}

#[derive(Debug)]
struct Answer {
    status: String,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// All values of a header.
    fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }
}

/// The answer to a request that is sent just as it is written.
fn asked(place: &impl Place, args: &[&str]) -> Answer {
    let mut curl: Command = place.curl();
    curl.args(["--silent", "--show-error", "--max-time", "30", "--path-as-is", "--include"]);
    let output = curl.args(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| {
        panic!("{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    });
    let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
    Answer { status, head: head.replace('\r', ""), body: body.to_owned() }
}
