//! Certificates that are there and are of no use.

use super::rig::Rig;
use insta::assert_snapshot;
use std::fs;

const LINE: &str = "matrix:create matrix --email a@site.test";

/// What a cron job that did not run leaves: the same command has it renewed.
#[test]
fn one_that_has_run_out() {
    let rig = Rig::after(LINE);
    fs::write(rig.scene.root().join("matrix/tls/server.crt"), include_str!("expired.crt")).unwrap();
    rig.scene
        .update(|state| {
            state.apps.get_mut("matrix").unwrap().cert.as_mut().unwrap().expires_at = 1_585_699_200;
        })
        .unwrap();
    rig.changes();
    let whole = rig.whole("matrix:deploy matrix");
    assert_eq!(rig.changes(), [""; 0], "told by `whole`");
    rig.dokku("matrix:deploy matrix");
    assert_eq!(rig.changes(), [""; 0]);
    assert_snapshot!(whole);
}

/// One of the administrator's own that nobody trusts: everything else is done.
#[test]
fn one_that_nobody_trusts() {
    let rig = Rig::new();
    assert_snapshot!(rig.whole(&format!("{LINE} --domain matrix.elsewhere.test")));
}
