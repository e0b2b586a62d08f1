//! `matrix:email`.

use super::harness::TestHost;
use super::snapshot::PreparedHost;
use insta::assert_snapshot;
use std::fs;

const CREATE: &str = "matrix:create matrix --tls off --domain localhost";
const SET: &str =
    "matrix:email matrix --smtp-host mail.site.test --smtp-user m@site.test --from a@site.test";
const FILE: &str = "data/matrix/localhost/config/homeserver.d/30-email.yaml";

fn email(host: &TestHost) -> Option<String> {
    fs::read_to_string(host.lib(FILE)).ok()
}

/// Everything visible of `dokku <line>` with this standard input.
fn transcript(host: &TestHost, line: &str, stdin: &str) -> String {
    let output = host.dokku_with(line, stdin.as_bytes());
    let changes = host.changes().join("\n");
    format!("$ dokku {line}\n{}{}--- {:?}\n{changes}\n", output.stdout, output.stderr, output.code)
}

#[test]
fn sets_changes_and_removes() {
    let host = TestHost::new();
    host.ok(CREATE);
    host.changes();
    host.must_not_leak("it's 100% secret");
    let mut text = transcript(&host, SET, "it's 100% secret\n");
    text += &email(&host).unwrap();
    let mode = fs::metadata(host.lib(FILE)).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    text += &transcript(&host, SET, "it's 100% secret\n");
    text += &transcript(
        &host,
        "matrix:email matrix --smtp-host 10.0.0.1 --smtp-port 465 --from a@site.test",
        "",
    );
    text += &email(&host).unwrap();
    text += &transcript(&host, "matrix:email matrix --off", "");
    assert_eq!(email(&host), None);
    text += &transcript(&host, "matrix:email matrix --off", "");
    assert_snapshot!(text);
}

#[test]
fn refusals_change_nothing() {
    let host = TestHost::new();
    host.ok(CREATE);
    let local = "config/homeserver.d/90-local.yaml";
    let own = format!("<host>/lib/data/matrix/localhost/{local} has an email: setting of its own");
    let prepared = PreparedHost::from_host(host);
    for (line, stdin, code, error) in [
        (SET, "", 2, "the password cannot be used: it is empty"),
        (SET, "a\nb\n", 2, "standard input must be a single line, the password"),
        ("matrix:email matrix", "", 2, "the following required arguments were not provided:"),
        (
            "matrix:email matrix --off --from a@site.test",
            "",
            2,
            "the argument '--off' cannot be used with '--from <SENDER>'",
        ),
        (
            "matrix:email matrix --smtp-host h --from nobody",
            "",
            2,
            "invalid value 'nobody' for '--from <SENDER>': \"nobody\" is not a valid sender: it has no '@'",
        ),
        (
            "matrix:email matrix --smtp-host h --smtp-port 0 --from a@b.c",
            "",
            2,
            "invalid value '0' for '--smtp-port <N>': 0 is not in 1..=65535",
        ),
        ("matrix:email nobody --off", "", 20, "App nobody does not exist"),
        ("local", "hunter2hunter2", 1, &own),
        ("\"local\"", "hunter2hunter2", 1, &own),
    ] {
        let host = prepared.copy();
        let mut line = line;
        if line.contains("local") {
            let path = host.lib("data/matrix/localhost").join(local);
            let key = line.replace("local", "email");
            fs::write(&path, fs::read_to_string(&path).unwrap() + &key + ": {}\n").unwrap();
            line = SET;
        }
        let before = host.dump();
        let output = host.dokku_with(line, stdin.as_bytes());
        let first = output.stderr.lines().next().unwrap_or_default();
        assert_eq!(
            (output.code, first),
            (Some(code), format!(" !     {error}").as_str()),
            "{line}"
        );
        assert_eq!(output.stdout, "");
        assert_eq!(host.dump(), before, "{line}");
    }
}

/// After the next restart of Synapse, the links in its e-mails lead to Element Web.
#[test]
fn links_follow_element() {
    let host = TestHost::after(CREATE);
    host.dokku_with(SET, b"hunter2hunter2\n");
    let client = || {
        let text = email(&host).unwrap();
        text.lines().find(|line| line.contains("client_base_url")).map(str::to_owned)
    };
    let last = |line: &str| host.ok(line).stdout.lines().last().unwrap().to_owned();
    let advice = "       To update the links in e-mails: dokku matrix:deploy matrix";
    let enable = "matrix:enable-element matrix --domain chat.localhost";
    assert_eq!((client(), last(enable).as_str()), (None, advice));
    host.ok("matrix:deploy matrix");
    assert_eq!(client().unwrap(), "  client_base_url: http://chat.localhost");
    assert_eq!(last("matrix:disable-element matrix"), advice);
    host.ok("matrix:deploy matrix");
    assert_eq!(client(), None);
}

/// Settings that Synapse does not accept are reverted before anything is restarted.
#[test]
fn reverts_what_synapse_rejects() {
    let host = TestHost::new();
    host.ok(CREATE);
    host.dokku_with(SET, b"hunter2hunter2\n");
    let before = (host.dump(), email(&host));
    host.changes();
    let bad = "matrix:email matrix --smtp-host BROKEN --from a@site.test";
    assert_snapshot!(transcript(&host, bad, ""));
    assert_eq!((host.dump(), email(&host)), before);
}
