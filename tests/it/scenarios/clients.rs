//! Two third-party clients exchange messages through the public addresses: a browser with the SDK
//! that Element Web is built on, on a stand-in page for Element Web, and matrix-nio.

use super::stand_in_host::StandInHost;
use super::{HostExt, run_command};
use crate::nginx::serving::ELEMENT_HEADERS;
use crate::support::tools;
use serde_json::{Value, json};
use std::process::Command;
use std::thread;

const ALICE: &str = "it's \"alice\" ü";
const BOB: &str = "b\\ob $1 `x`";
/// The tests log in more often than the default rate limits allow.
const LIMITS: &str = "rc_login:
  address: {per_second: 100, burst_count: 100}
  account: {per_second: 100, burst_count: 100}
";

/// The hosts that the browser may ask: the page of the step `framed` is on this machine.
const OURS: [&str; 3] = ["127.0.0.1", "chat.alpha.test", "matrix.alpha.test"];

#[test]
fn clients() {
    let host = StandInHost::new();
    host.ok("matrix:create matrix --email admin@alpha.test --element");
    for (name, password) in [("alice", ALICE), ("bob", BOB)] {
        host.register("matrix", name, password);
    }
    let local = format!("{}/config/homeserver.d/90-local.yaml", host.directory("matrix"));
    std::fs::write(local, LIMITS).unwrap();
    host.ok("matrix:deploy matrix");
    let (nio, page) = thread::scope(|scope| {
        let nio = scope.spawn(|| nio(&host));
        let page = scope.spawn(|| browser(&host, &user_of_element()));
        (nio.join().unwrap(), page.join().unwrap())
    });
    // Each client reports the id of the event it sent, and the other one received the same event.
    assert_eq!(seen(&nio, "send", "event_id"), seen(&page, "wait_for", "event_id"));
    assert_eq!(seen(&page, "send", "event_id"), seen(&nio, "wait_for", "event_id"));
    assert_eq!(seen(&nio, "create_room", "room_id"), seen(&page, "join", "room_id"));
    assert_served_like_element(&page);
    assert_eq!(seen(&page, "hosts", "hosts"), &json!(OURS));
    // The record shows what a page asks of somebody else, whatever comes of it.
    let (connect, url) = ("https://connect.example", "https://ask.example/pixel.gif");
    let steps = json!([{"step": "request", "connect": connect, "url": url}, {"step": "hosts"}]);
    assert_eq!(
        seen(&browser(&host, &steps), "hosts", "hosts"),
        &json!(["ask.example", "chat.alpha.test", "connect.example", "matrix.alpha.test"])
    );
}

fn nio(host: &StandInHost) -> Vec<Value> {
    let mut command = host.world.command(tools().join("nio/bin/python").to_str().unwrap());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/nio/client.py"));
    command.env("SSL_CERT_FILE", host.world.trusted());
    let steps = json!([
        {"step": "login"},
        {"step": "create_room", "public": true, "alias": "talk", "invite": ["@bob:matrix.alpha.test"]},
        {"step": "send", "body": "is this a browser?"},
        {"step": "wait_for", "sender": "@bob:matrix.alpha.test", "body": "it is", "seconds": 60},
        {"step": "upload", "bytes": 3_000_000},
        {"step": "logout"},
    ]);
    let job = json!({
        "homeserver": "https://matrix.alpha.test", "user": "@alice:matrix.alpha.test",
        "password": ALICE, "steps": steps,
    });
    run_client(command, &job)
}

fn browser(host: &StandInHost, steps: &Value) -> Vec<Value> {
    let mut command = host.world.command("node");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/browser/drive.mjs"));
    command.env("CARGO_TARGET_DIR", tools().parent().unwrap());
    let job = json!({
        "page": "https://chat.alpha.test/", "user": "@bob:matrix.alpha.test", "password": BOB,
        "ca": host.world.trusted(), "steps": steps,
    });
    run_client(command, &job)
}

fn user_of_element() -> Value {
    json!([
        {"step": "config"},
        {"step": "headers"},
        {"step": "framed"},
        {"step": "discover", "server_name": "matrix.alpha.test"},
        {"step": "login"},
        {"step": "wait_invite", "sender": "@alice:matrix.alpha.test", "seconds": 60},
        {"step": "join", "room": "#talk:matrix.alpha.test"},
        {"step": "wait_for", "sender": "@alice:matrix.alpha.test", "body": "is this a browser?"},
        {"step": "send", "body": "it is"},
        {"step": "upload", "bytes": 2_000_000},
        {"step": "logout"},
        {"step": "console"},
        {"step": "hosts"},
    ])
}

/// Runs a client, which prints one line of JSON for each step.
fn run_client(command: Command, job: &Value) -> Vec<Value> {
    let output = run_command(command, job.to_string().as_bytes());
    assert_eq!(output.code, Some(0), "{output:#?}");
    let lines: Vec<Value> =
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), job["steps"].as_array().unwrap().len(), "{lines:#?}");
    lines
}

fn seen<'a>(lines: &'a [Value], step: &str, key: &str) -> &'a Value {
    let value = &lines.iter().find(|line| line["step"] == step).unwrap()[key];
    assert!(!value.is_null(), "{step}: {key}");
    value
}

/// The browser got the configuration and the headers that the plugin generates for Element Web.
fn assert_served_like_element(page: &[Value]) {
    let server = &seen(page, "config", "config")["default_server_config"]["m.homeserver"];
    assert_eq!(server["base_url"], "https://matrix.alpha.test");
    assert_eq!(seen(page, "discover", "base_url"), "https://matrix.alpha.test");
    let headers = seen(page, "headers", "headers");
    let hsts = ("strict-transport-security", "max-age=15724800; includeSubdomains");
    for (name, value) in ELEMENT_HEADERS.into_iter().chain([hsts]) {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(seen(page, "framed", "refused"), true);
    assert_eq!(seen(page, "console", "errors"), &json!([]));
}
