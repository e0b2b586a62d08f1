//! A homeserver that is on hold does not start: an interrupted operation on its data comes first.
//! No command sets a hold yet, so the tests write it.

use super::harness::TestHost;
use serde_json::{Value, json};
use std::fs;

const OTHER_IMAGE: &str = "matrixdotorg/synapse:v1.162.0";
const NEXT: &str = "dokku matrix:restore matrix --from backup.tar";

fn error() -> String {
    format!(
        " !     matrix is on hold: restore since 2026-11-30 06:00
 !     A start now would destroy data. To go on:
 !       {NEXT}\n"
    )
}

fn write_status(host: &TestHost, change: impl FnOnce(&mut Value)) {
    let mut status = host.status();
    change(&mut status);
    fs::write(host.file("status.json"), status.to_string()).unwrap();
}

fn hold(host: &TestHost) {
    write_status(host, |status| {
        status["hold"] = json!({
            "operation": "restore",
            "since": "2026-11-30 06:00",
            "next_command": NEXT,
        });
    });
}

fn running(host: &TestHost) -> Vec<String> {
    host.state().running("matrix").map(|container| container.id.clone()).collect()
}

fn create_host() -> TestHost {
    TestHost::after("matrix:create matrix --tls off --element")
}

#[test]
fn refuses_every_start() {
    let host = create_host();
    host.scene.update(|state| state.pullable.insert(OTHER_IMAGE.into())).unwrap();
    hold(&host);
    let before = running(&host);
    for line in [
        "ps:restart matrix",
        "ps:rebuild matrix",
        "ps:scale matrix web=2",
        "config:set matrix A=b",
        &format!("git:from-image matrix {OTHER_IMAGE}"),
    ] {
        let output = host.dokku(line);
        assert_ne!(output.code, Some(0), "{line}: {output:#?}");
        let all = format!("{}{}", output.stdout, output.stderr);
        assert!(all.contains(&error()), "{line}: {output:#?}");
        assert_eq!(running(&host), before, "{line}");
    }
    assert_eq!(host.dokku("ps:restart chat").code, Some(0), "other apps are not concerned");
}

/// Anything else that the guard refuses it lets pass at boot.
#[test]
fn refuses_the_start_at_boot() {
    let host = create_host();
    hold(&host);
    host.scene.reboot().unwrap();
    host.scene.update(|state| state.containers.clear()).unwrap();
    let output = host.dokku("ps:restore matrix");
    assert!(format!("{}{}", output.stdout, output.stderr).contains(&error()), "{output:#?}");
    assert_eq!(host.state().running("matrix").count(), 0);
    write_status(&host, |status| status["hold"] = Value::Null);
    host.ok("ps:restore matrix");
    assert_eq!(host.state().running("matrix").count(), 1);
}

#[test]
fn refuses_the_commands_that_would_start_it() {
    let host = create_host();
    hold(&host);
    let before = host.dump();
    for line in [
        "matrix:create matrix --tls off",
        "matrix:create matrix --tls off --dry-run",
        "matrix:deploy matrix",
        "matrix:deploy matrix --image matrixdotorg/synapse:v1.162.0",
        "matrix:email matrix --smtp-host mail.site.test --from a@site.test",
        "matrix:enable-element matrix",
    ] {
        let output = host.dokku(line);
        assert_eq!((output.code, output.stderr), (Some(1), error()), "{line}");
        assert_eq!(host.dump(), before, "{line}");
    }
    host.ok("matrix:report matrix");
}

/// A status that cannot be read may hold a hold.
#[test]
fn refuses_with_a_damaged_status() {
    let host = create_host();
    fs::write(host.file("status.json"), "{").unwrap();
    let before = running(&host);
    let output = host.dokku("ps:restart matrix");
    assert_ne!(output.code, Some(0));
    let all = format!("{}{}", output.stdout, output.stderr);
    assert!(all.contains("status.json is damaged: "), "{output:#?}");
    assert_eq!(running(&host), before);
}
