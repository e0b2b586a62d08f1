//! `apps:clone`: the copy never runs, and taking it away harms nothing.

use super::rig::Rig;
use crate::plugin_copy::Ran;
use std::fs;

const SAYS: &str = " !     copy is a clone of a homeserver's app and must not run
 !     Two Synapse processes on one database corrupt it.
 !     dokku apps:destroy copy
";

fn host() -> Rig {
    Rig::after("matrix:create matrix --email a@site.test --element")
}

/// The original runs as before, and nothing is left to do.
fn unharmed(rig: &Rig, container: &str) {
    let state = rig.state();
    assert_eq!(state.running("matrix").map(|c| c.id.as_str()).collect::<Vec<_>>(), [container]);
    assert_eq!(state.max_mains.into_values().max(), Some(1));
    assert_eq!(rig.dokku("proxy:build-config matrix").code, Some(0));
    assert_eq!(rig.dokku("proxy:build-config chat").code, Some(0));
    rig.changes();
    rig.ok("matrix:deploy matrix");
    assert_eq!(rig.changes(), [""; 0]);
}

#[test]
fn of_the_homeserver() {
    let rig = host();
    let container = rig.state().running("matrix").next().unwrap().id.clone();
    let ran = rig.dokku("apps:clone matrix copy");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.ends_with(SAYS), "{ran:#?}");
    assert_eq!(rig.changes(), ["dokku apps:clone matrix copy"]);
    // However it is tried.
    for line in ["ps:rebuild copy", "ps:restart copy", "ps:start copy", "ps:restore copy"] {
        let ran = rig.dokku(line);
        assert_eq!(ran.code, Some(1), "{line}: {ran:#?}");
        assert!(ran.stdout.ends_with(SAYS), "{line}: {ran:#?}");
    }
    assert_eq!(rig.state().running("copy").count(), 0);
    for (line, code) in [
        ("matrix:create copy", 1),
        ("matrix:deploy copy", 1),
        ("matrix:report copy", 1),
        ("matrix:register-user copy alice", 1),
        ("matrix:enable-element copy", 1),
    ] {
        let ran = rig.dokku(line);
        let says = " !     copy is a clone of a homeserver's app\n !     dokku apps:destroy copy\n";
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(code), says), "{line}");
    }
    assert_eq!(rig.dokku("matrix:list").stdout, "=====> Matrix homeservers\nmatrix\n");
    let nothing = Ran { code: Some(0), stdout: String::new(), stderr: String::new() };
    assert_eq!(rig.trigger("nginx-app-template-source", "copy app-config"), nothing);
    assert_eq!(rig.trigger("post-deploy", "copy - - latest"), nothing);
    assert_eq!(rig.trigger("report", "copy"), nothing);
    unharmed(&rig, &container);
    // A copy of the copy is one, too, and so is a copy under another name.
    assert_eq!(rig.dokku("apps:clone copy copy2").code, Some(1));
    let ran = rig.dokku("apps:rename copy copy3");
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let marker = |app: &str| fs::read_to_string(rig.lib("data/matrix/.apps").join(app)).ok();
    for (app, is) in [("copy", None), ("copy2", Some("clone\n")), ("copy3", Some("clone\n"))] {
        assert_eq!(marker(app).as_deref(), is, "{app}");
    }
    unharmed(&rig, &container);
    for app in ["copy2", "copy3"] {
        let ran = rig.dokku(&format!("--force apps:destroy {app}"));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        assert!(!ran.stdout.contains("Matrix"), "{ran:#?}");
        assert_eq!(marker(app), None);
    }
    unharmed(&rig, &container);
}

/// A boot with a clone on the host: the homeserver starts, the clone does not.
#[test]
fn at_boot() {
    let rig = host();
    rig.dokku("apps:clone --skip-deploy matrix copy");
    rig.scene.reboot().unwrap();
    let ran = rig.dokku("ps:restore");
    assert!(ran.stdout.contains(SAYS), "{ran:#?}");
    let state = rig.state();
    let running = |app: &str| state.running(app).count();
    assert_eq!((running("copy"), running("matrix"), running("chat")), (0, 1, 1));
    assert_eq!(state.max_mains.values().max(), Some(&1));
}

/// The original is destroyed and comes back: the clone, linked to its database as well, is what
/// stands in the way, not the service.
#[test]
fn that_outlives_the_original() {
    let rig = host();
    rig.setup(&["apps:create guest", "postgres:link matrix-db guest"]);
    rig.dokku("apps:clone --skip-deploy matrix copy");
    assert_eq!(rig.dokku("--force apps:destroy matrix").code, Some(0));
    let again = "matrix:create matrix --server-name matrix.site.test";
    let refused = |other: &str, hint: &str| {
        let ran = rig.dokku(again);
        let first = format!(" !     the postgres service matrix-db is used by the app {other}\n");
        assert_eq!((ran.code, ran.stderr), (Some(1), format!("{first} !     {hint}\n")));
    };
    refused("copy", "copy is a clone of a homeserver's app: dokku apps:destroy copy");
    assert_eq!(rig.dokku("--force apps:destroy copy").code, Some(0));
    refused(
        "guest",
        "It holds the database of matrix.site.test; to free it: dokku postgres:unlink matrix-db guest",
    );
    rig.setup(&["postgres:unlink matrix-db guest"]);
    rig.ok(again);
    assert_eq!(rig.state().running("matrix").count(), 1);
}

/// The marker of the clone could not be written: its mounts tell all the same.
#[test]
fn without_its_marker() {
    let rig = host();
    let container = rig.state().running("matrix").next().unwrap().id.clone();
    rig.dokku("apps:clone --skip-deploy matrix copy");
    fs::remove_file(rig.lib("data/matrix/.apps/copy")).unwrap();
    let ran = rig.dokku("ps:rebuild copy");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.ends_with(SAYS), "{ran:#?}");
    assert_eq!(rig.dokku("--force apps:destroy copy").code, Some(0));
    unharmed(&rig, &container);
}

/// Element Web has no data: a copy of it is let be.
#[test]
fn of_element() {
    let rig = host();
    let container = rig.state().running("matrix").next().unwrap().id.clone();
    assert_eq!(rig.dokku("apps:clone chat chat2").code, Some(0));
    assert_eq!(rig.state().running("chat2").count(), 1);
    assert!(!rig.lib("data/matrix/.apps/chat2").exists());
    assert_eq!(rig.dokku("--force apps:destroy chat2").code, Some(0));
    assert_eq!(rig.state().running("chat").count(), 1);
    unharmed(&rig, &container);
}
