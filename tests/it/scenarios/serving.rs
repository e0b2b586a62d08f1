//! What the host's nginx does between clients and Synapse, seen from both sides.

use super::lifecycle::{SERVERS, SERVICES};
use super::user::User;
use super::{Host, HostExt};
use serde_json::{Value, json};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const APP: &str = SERVERS[0];
const PASSWORD: &str = "correct horse";
/// In seconds; two less than the timeout of nginx.
const LONG_POLL: u64 = 178;

pub(super) fn run(host: &impl Host) {
    let domain = format!("{APP}.{}", host.global_domain());
    let email = format!("admin@{}", host.global_domain());
    host.ok(&format!("matrix:create {APP} --email {email}"));
    let [carol, erin] = ["carol", "erin"].map(|name| {
        host.register(APP, name, PASSWORD);
        User::new(host, &domain, name, PASSWORD)
    });
    let root = host.dokku(&format!("matrix:register-user {APP} root --admin"), PASSWORD);
    host.assert_success("matrix:register-user --admin", root);
    let root = User::new(host, &domain, "root", PASSWORD);
    thread::scope(|scope| {
        let poll = scope.spawn(|| long_poll_is_not_cut_off(&erin));
        hides_the_admin_api(host, &domain);
        hides_the_admin_api_from_administrators(&root, &carol, &domain);
        passes_the_client_address(&carol, &domain);
        keeps_encoded_paths(&carol, &domain);
        limits_upload_size(&carol);
        allows_other_origins(host, &domain);
        redirects_to_https(host, &domain);
        poll.join().unwrap();
    });
    host.ok(&format!("--force apps:destroy {APP}"));
    host.ok(&format!("postgres:destroy {} --force", SERVICES[0]));
}

/// Nothing happens in the meantime, so the sync request takes as long as it may.
fn long_poll_is_not_cut_off<P: Host>(erin: &User<'_, P>) {
    let sync = |query: &str| erin.get(&format!("/_matrix/client/v3/sync?{query}"));
    let batch = sync("timeout=0&set_presence=offline")["next_batch"].as_str().unwrap().to_owned();
    let start = Instant::now();
    let response = sync(&format!("since={batch}&timeout={LONG_POLL}000&set_presence=offline"));
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_secs(LONG_POLL), "{elapsed:?}: {response}");
}

/// The admin API is hidden, however its path is spelled.
fn hides_the_admin_api(host: &impl Host, domain: &str) {
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
            let response = get(host, &[&format!("{base}{domain}{target}")]);
            assert_eq!(response.status, "404", "{base}{target}: {response:?}");
            assert_eq!(response.json()["errcode"], "M_UNRECOGNIZED", "{base}{target}");
        }
        let response = get(host, &[&format!("https://{domain}:8448{target}")]);
        assert_eq!(response.status, "404", "{target} on 8448: {response:?}");
    }
}

/// Synapse gets the path as it was sent, and nginx finds another location for it: an administrator's
/// token is no use on either way.
fn hides_the_admin_api_from_administrators<P: Host>(
    root: &User<'_, P>,
    carol: &User<'_, P>,
    domain: &str,
) {
    let body = json!({ "password": PASSWORD, "admin": true }).to_string();
    for (before, after) in [
        ("", ""),
        ("", "%2F..%2F..%2F..%2F..%2F..%2F_matrix"),
        ("", "%2f%2e%2E%2f..%2f..%2f..%2f..%2f_matrix"),
        ("", "%2F..%2F..%2F..%2F..%2F..%2F_synapse%2Fclient%2F"),
        ("/", "%2F..%2F..%2F..%2F..%2F..%2F_matrix"),
        ("/_matrix/client/..%2F..", ""),
    ] {
        let path = format!("{before}/_synapse/admin/v2/users/@evil{after}:{domain}");
        let (status, response) = root.request("PUT", &path, body.as_bytes(), "path-as-is\n");
        assert_eq!(status, 404, "{path}: {}", String::from_utf8_lossy(&response));
    }
    for user in ["evil", "evil/../../../../../_matrix"] {
        let id = format!("@{user}:{domain}").replace('/', "%2F");
        let path = format!("/_matrix/client/v3/profile/{id}");
        let (status, _) = carol.request("GET", &path, b"", "");
        assert_eq!(status, 404, "{path}");
    }
    // With such a path, and an alias that nginx reads as one of the hidden paths.
    let message = carol.send_in_new_room("hello");
    let body = json!({ "room_id": message.room }).to_string();
    for name in ["a%2F..%2Fb", "%2F..%2F..%2F..%2F..%2F..%2F..%2F_synapse%2Fadmin"] {
        let alias = format!("/_matrix/client/v3/directory/room/%23{name}%3A{domain}");
        let (status, response) = carol.request("PUT", &alias, body.as_bytes(), "");
        assert_eq!(status, 200, "{alias}: {}", String::from_utf8_lossy(&response));
        assert_eq!(carol.get(&alias)["room_id"], message.room);
    }
}

/// Synapse sees the address that nginx saw, whatever headers a client sends.
fn passes_the_client_address<P: Host>(carol: &User<'_, P>, domain: &str) {
    let forged = "header = \"X-Forwarded-For: 1.2.3.4\"\nheader = \"X-Forwarded-For: 5.6.7.8\"\n\
        header = \"Forwarded: for=1.2.3.4\"\nheader = \"X-RealHost-IP: 1.2.3.4\"\n";
    let (status, _) = carol.request("GET", "/_matrix/client/v3/account/whoami", b"", forged);
    assert_eq!(status, 200);
    let id = format!("@carol:{domain}");
    let whois = carol.get(&format!("/_matrix/client/v3/admin/whois/{id}"));
    let addresses: Vec<_> = whois["devices"][""]["sessions"][0]["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|connection| connection["ip"].as_str().unwrap())
        .collect();
    assert!(!addresses.is_empty());
    assert!(addresses.iter().all(|ip| ["11.22.33.1", "127.0.0.1"].contains(ip)), "{addresses:?}");
}

/// An encoded slash in a room alias stays encoded.
fn keeps_encoded_paths<P: Host>(carol: &User<'_, P>, domain: &str) {
    let message = carol.send_in_new_room("hello");
    let alias = format!("/_matrix/client/v3/directory/room/%23a%2Fb%252Fc%3A{domain}");
    let body = json!({ "room_id": message.room }).to_string();
    let (status, response) = carol.request("PUT", &alias, body.as_bytes(), "");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&response));
    assert_eq!(carol.get(&alias)["room_id"], message.room);
    let aliases = carol.get(&format!("/_matrix/client/v3/rooms/{}/aliases", message.room));
    assert_eq!(aliases["aliases"][0], format!("#a/b%2Fc:{domain}"));
}

fn limits_upload_size<P: Host>(carol: &User<'_, P>) {
    let (status, upload) = carol.upload(50);
    assert_eq!(status, 200);
    carol.assert_has_upload(&upload.unwrap(), 50);
    assert_eq!(carol.upload(51).0, 413);
}

fn allows_other_origins(host: &impl Host, domain: &str) {
    for path in ["/.well-known/matrix/client", "/_matrix/client/versions"] {
        let origin = "Origin: https://page.example";
        let response = get(host, &[&format!("https://{domain}{path}"), "--header", origin]);
        assert_eq!(response.status, "200", "{path}");
        assert_eq!(response.header("access-control-allow-origin"), ["*"], "{path}");
    }
}

/// The redirect must not get in the way of a certificate's renewal.
fn redirects_to_https(host: &impl Host, domain: &str) {
    for target in ["/", "/_matrix/client/versions?a=b%2Fc", "/.well-known/other"] {
        let response = get(host, &[&format!("http://{domain}{target}")]);
        assert_eq!(response.status, "301", "{target}");
        assert_eq!(response.header("location"), [format!("https://{domain}{target}")]);
    }
    let serial = || {
        let file = host.ok(&format!("certs:report {APP} --ssl-dir")).stdout;
        let file = format!("{}/server.crt", file.trim());
        host.root_ok(&format!("openssl x509 -noout -serial -in {file}"))
    };
    let before = serial();
    host.ok(&format!("letsencrypt:enable {APP} --force"));
    assert_ne!(serial(), before);
}

#[derive(Debug)]
struct Response {
    status: String,
    head: String,
    body: String,
}

impl Response {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// All values of a header.
    fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }
}

/// Sends a request whose path is not normalized.
fn get(host: &impl Host, args: &[&str]) -> Response {
    let mut curl: Command = host.curl();
    curl.args(["--silent", "--show-error", "--max-time", "30", "--path-as-is", "--include"]);
    let output = curl.args(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| {
        panic!("{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    });
    let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
    Response { status, head: head.replace('\r', ""), body: body.to_owned() }
}
