//! Certificates that are there and are of no use.

use super::harness::TestHost;
use insta::assert_snapshot;
use std::fs;

const LINE: &str = "matrix:create matrix --email a@site.test";

/// What a cron job that did not run leaves: the same command has it renewed.
#[test]
fn expired() {
    let host = TestHost::after(LINE);
    fs::write(host.scene.root().join("matrix/tls/server.crt"), include_str!("expired.crt"))
        .unwrap();
    host.scene
        .update(|state| {
            state.apps.get_mut("matrix").unwrap().cert.as_mut().unwrap().expires_at = 1_585_699_200;
        })
        .unwrap();
    host.changes();
    let whole = host.transcript("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0], "told by `whole`");
    host.dokku("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0]);
    assert_snapshot!(whole);
}

/// One of the administrator's own that nobody trusts: everything else is done.
#[test]
fn untrusted() {
    let host = TestHost::new();
    assert_snapshot!(host.transcript(&format!("{LINE} --domain matrix.elsewhere.test")));
}
