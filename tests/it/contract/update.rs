//! A host whose homeserver was made by an older version of the plugin.

use super::harness::{TestHost, in_parallel};
use super::normalize::assert_same;
use super::snapshot::Snapshots;
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const CREATE: &str = "matrix:create matrix --email a@site.test --element";

/// The host as version 1 of the plugin's files and an app without a label leave it.
fn old_host() -> TestHost {
    let host = TestHost::after(CREATE);
    let json = |path: &Path| -> Value {
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    };
    let data = host.lib("data/matrix");
    let status = host.status();
    let mut spec = json(&host.file("server.json"));
    spec["version"] = json!(1);
    spec["element"] = spec["components"]["element"].take();
    spec.as_object_mut().unwrap().remove("components");
    fs::write(host.file("server.json"), spec.to_string()).unwrap();
    let digest = |value: &Value| format!("{}\n", value.as_str().unwrap());
    fs::write(host.file("judged"), digest(&status["validated"])).unwrap();
    fs::write(host.file("nginx/proved"), digest(&status["template"]["digest"])).unwrap();
    fs::remove_file(host.file("status.json")).unwrap();
    fs::write(data.join("default-8448"), "matrix.site.test\n").unwrap();
    fs::rename(data.join(".host/apps"), data.join(".apps")).unwrap();
    fs::remove_dir_all(data.join(".host")).unwrap();
    host.scene
        .update(|state| {
            let is_label = |option: &String| option.starts_with("--label ");
            for app in state.apps.values_mut() {
                app.docker_options.values_mut().for_each(|all| all.retain(|one| !is_label(one)));
            }
            state.containers.iter_mut().for_each(|one| one.options.retain(|one| !is_label(one)));
        })
        .unwrap();
    // Built after the template was verified.
    for app in ["matrix", "chat"] {
        host.setup(&[&format!("proxy:build-config {app}")]);
    }
    host
}

#[test]
fn announces_what_a_deploy_changes() {
    let host = old_host();
    let dry = host.transcript("matrix:deploy matrix --dry-run");
    let first = host.transcript("matrix:deploy matrix");
    let again = host.transcript("matrix:deploy matrix");
    assert_snapshot!([dry, first, again].join("\n"));
    for path in ["judged", "nginx/proved"] {
        assert!(!host.file(path).exists(), "{path}");
    }
    // The rest is as if this version had made it, but for a link that an older plugin follows.
    let link = "<host>/lib/data/matrix/.apps 777 \n";
    let dump = host.dump();
    assert!(dump.contains(link), "{dump}");
    assert_same(&dump.replace(link, ""), &TestHost::after(CREATE).dump(), "updated");
}

/// As long as no command has changed anything, everything works with the old files.
#[test]
fn old_files_work_as_they_are() {
    let host = old_host();
    assert_eq!(host.ok("matrix:list").stdout, "=====> Matrix homeservers\nmatrix\n");
    let report = host.ok("matrix:report matrix").stdout;
    assert!(
        report.contains("       Matrix element url:            https://chat.site.test\n"),
        "{report}"
    );
    let before = host.changes();
    for line in ["ps:restart matrix", "ps:restart chat", "proxy:build-config matrix"] {
        host.ok(line);
    }
    assert!(before.is_empty());
    assert_eq!(host.state().max_mains.into_values().max(), Some(1));
    let conf = fs::read_to_string(host.scene.root().join("matrix/nginx.conf")).unwrap();
    assert!(conf.contains("listen 8448 ssl default_server;"), "{conf}");
    let clone = host.dokku("apps:clone matrix copy");
    assert!(clone.stdout.contains("copy is a clone of a homeserver's app"), "{clone:#?}");
    assert_eq!(host.state().running("copy").count(), 0);
}

#[test]
fn old_apps_can_be_renamed_and_destroyed() {
    let host = old_host();
    let _talk = host.homeserver("talk");
    host.ok("apps:rename matrix talk");
    assert_eq!(host.ok("matrix:report talk --matrix-server-name").stdout, "matrix.site.test\n");
    host.ok("matrix:deploy talk");
    host.ok("apps:destroy chat --force");
    assert_eq!(host.ok("matrix:report talk --matrix-element-app").stdout, "\n");
    let host = old_host();
    host.ok("apps:destroy matrix --force");
    assert_eq!(host.default_8448(), None);
    host.ok("matrix:create matrix --server-name matrix.site.test");
    assert_eq!(host.ok("matrix:report matrix --matrix-element-app").stdout, "chat\n");
}

/// Killed before any call of the update, the same command completes it.
#[test]
fn killed_update_is_completed() {
    let host = old_host();
    let recording = Snapshots::record(&host);
    host.ok("matrix:deploy matrix");
    let updated = host.dump();
    in_parallel(&recording.all(), |snapshot| {
        let host = recording.restore(snapshot);
        host.ok("matrix:deploy matrix");
        assert_same(&host.dump(), &updated, &Snapshots::call(snapshot));
        host.changes();
        host.ok("matrix:deploy matrix");
        assert_eq!(host.changes(), [""; 0]);
    });
}

/// Files of version 1 hold no hold: a damaged one is no outage at boot, as before.
#[test]
fn damaged_old_spec_allows_a_boot() {
    let host = old_host();
    fs::write(host.file("server.json"), "{").unwrap();
    host.scene.update(|state| state.containers.clear()).unwrap();
    let output = host.ok("ps:restore matrix");
    let all = format!("{}{}", output.stdout, output.stderr);
    assert!(all.contains("server.json is damaged: "), "{output:#?}");
    assert_eq!(host.state().running("matrix").count(), 1);
}
