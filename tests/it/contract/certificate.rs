//! Certificates that exist but are not valid.

use super::harness::TestHost;
use insta::assert_snapshot;
use std::fs;

const LINE: &str = "matrix:create matrix --email a@site.test";

/// The certificate expired because the cron job did not run. A deploy renews it.
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
    let transcript = host.transcript("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0], "`transcript` has read the changes");
    host.dokku("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0]);
    assert_snapshot!(transcript);
}

/// An untrusted certificate does not stop anything else.
#[test]
fn untrusted() {
    let host = TestHost::new();
    assert_snapshot!(host.transcript(&format!("{LINE} --domain matrix.elsewhere.test")));
}
