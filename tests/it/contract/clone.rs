//! `apps:clone`: the clone never runs, and destroying it does no harm.

use super::harness::TestHost;
use crate::support::Output;
use std::fs;

const REFUSAL: &str = " !     copy is a clone of a homeserver's app and must not run
 !     Two Synapse processes on one database corrupt it.
 !     dokku apps:destroy copy
";

fn create_host() -> TestHost {
    TestHost::after("matrix:create matrix --email a@site.test --element")
}

/// Checks that the same container of the original is running, and that a deploy changes nothing.
fn assert_original_unharmed(host: &TestHost, container: &str) {
    let state = host.state();
    assert_eq!(state.running("matrix").map(|c| c.id.as_str()).collect::<Vec<_>>(), [container]);
    assert_eq!(state.max_mains.into_values().max(), Some(1));
    assert_eq!(host.dokku("proxy:build-config matrix").code, Some(0));
    assert_eq!(host.dokku("proxy:build-config chat").code, Some(0));
    host.changes();
    host.ok("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0]);
}

#[test]
fn clone_of_a_homeserver_never_runs() {
    let host = create_host();
    let container = host.state().running("matrix").next().unwrap().id.clone();
    let output = host.dokku("apps:clone matrix copy");
    assert_eq!(output.code, Some(1));
    assert!(output.stdout.ends_with(REFUSAL), "{output:#?}");
    assert_eq!(host.changes(), ["dokku apps:clone matrix copy"]);
    // No command starts it.
    for line in ["ps:rebuild copy", "ps:restart copy", "ps:start copy", "ps:restore copy"] {
        let output = host.dokku(line);
        assert_eq!(output.code, Some(1), "{line}: {output:#?}");
        assert!(output.stdout.ends_with(REFUSAL), "{line}: {output:#?}");
    }
    assert_eq!(host.state().running("copy").count(), 0);
    for (line, code) in [
        ("matrix:create copy", 1),
        ("matrix:deploy copy", 1),
        ("matrix:report copy", 1),
        ("matrix:register-user copy alice", 1),
        ("matrix:enable-element copy", 1),
    ] {
        let output = host.dokku(line);
        let error =
            " !     copy is a clone of a homeserver's app\n !     dokku apps:destroy copy\n";
        assert_eq!((output.code, output.stderr.as_str()), (Some(code), error), "{line}");
    }
    assert_eq!(host.dokku("matrix:list").stdout, "=====> Matrix homeservers\nmatrix\n");
    let nothing = Output { code: Some(0), stdout: String::new(), stderr: String::new() };
    assert_eq!(host.trigger("nginx-app-template-source", "copy app-config"), nothing);
    assert_eq!(host.trigger("post-deploy", "copy - - latest"), nothing);
    assert_eq!(host.trigger("report", "copy"), nothing);
    assert_original_unharmed(&host, &container);
    // A clone of the clone is a clone, too, and so is a renamed clone.
    assert_eq!(host.dokku("apps:clone copy copy2").code, Some(1));
    let output = host.dokku("apps:rename copy copy3");
    assert_eq!(output.code, Some(1), "{output:#?}");
    let marker = |app: &str| fs::read_to_string(host.lib("data/matrix/.host/apps").join(app)).ok();
    for (app, is) in [("copy", None), ("copy2", Some("clone\n")), ("copy3", Some("clone\n"))] {
        assert_eq!(marker(app).as_deref(), is, "{app}");
    }
    assert_original_unharmed(&host, &container);
    for app in ["copy2", "copy3"] {
        let output = host.dokku(&format!("--force apps:destroy {app}"));
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
        assert!(!output.stdout.contains("Matrix"), "{output:#?}");
        assert_eq!(marker(app), None);
    }
    assert_original_unharmed(&host, &container);
}

#[test]
fn clone_does_not_start_at_boot() {
    let host = create_host();
    host.dokku("apps:clone --skip-deploy matrix copy");
    host.scene.reboot().unwrap();
    let output = host.dokku("ps:restore");
    assert!(output.stdout.contains(REFUSAL), "{output:#?}");
    let state = host.state();
    let running = |app: &str| state.running(app).count();
    assert_eq!((running("copy"), running("matrix"), running("chat")), (0, 1, 1));
    assert_eq!(state.max_mains.values().max(), Some(&1));
}

/// The clone is linked to the database, too. The error must name the clone, and not blame the service.
#[test]
fn original_is_created_again_after_its_clone_is_gone() {
    let host = create_host();
    host.setup(&["apps:create guest", "postgres:link matrix-db guest"]);
    host.dokku("apps:clone --skip-deploy matrix copy");
    assert_eq!(host.dokku("--force apps:destroy matrix").code, Some(0));
    let again = "matrix:create matrix --server-name matrix.site.test";
    let refused = |other: &str, hint: &str| {
        let output = host.dokku(again);
        let first = format!(" !     the postgres service matrix-db is used by the app {other}\n");
        assert_eq!((output.code, output.stderr), (Some(1), format!("{first} !     {hint}\n")));
    };
    refused("copy", "copy is a clone of a homeserver's app: dokku apps:destroy copy");
    assert_eq!(host.dokku("--force apps:destroy copy").code, Some(0));
    refused(
        "guest",
        "It holds the database of matrix.site.test; to free it: dokku postgres:unlink matrix-db guest",
    );
    host.setup(&["postgres:unlink matrix-db guest"]);
    host.ok(again);
    assert_eq!(host.state().running("matrix").count(), 1);
}

/// If the marker could not be written, the mounts still identify the clone.
#[test]
fn clone_without_a_marker_is_refused() {
    let host = create_host();
    let container = host.state().running("matrix").next().unwrap().id.clone();
    host.dokku("apps:clone --skip-deploy matrix copy");
    fs::remove_file(host.lib("data/matrix/.host/apps/copy")).unwrap();
    let output = host.dokku("ps:rebuild copy");
    assert_eq!(output.code, Some(1));
    assert!(output.stdout.ends_with(REFUSAL), "{output:#?}");
    assert_eq!(host.dokku("--force apps:destroy copy").code, Some(0));
    assert_original_unharmed(&host, &container);
}

/// Element Web has no data, so a clone of it may run.
#[test]
fn clone_of_element_is_left_alone() {
    let host = create_host();
    let container = host.state().running("matrix").next().unwrap().id.clone();
    assert_eq!(host.dokku("apps:clone chat chat2").code, Some(0));
    assert_eq!(host.state().running("chat2").count(), 1);
    assert!(!host.lib("data/matrix/.host/apps/chat2").exists());
    assert_eq!(host.dokku("--force apps:destroy chat2").code, Some(0));
    assert_eq!(host.state().running("chat").count(), 1);
    assert_original_unharmed(&host, &container);
}
