//! Apps that were destroyed, replaced, or renamed while the plugin was not told: it was disabled or
//! uninstalled, or its files were restored from a backup. A marker alone is never acted on.

use super::harness::TestHost;
use crate::support::Output;
use std::fs;

const CREATE: &str = "matrix:create matrix --tls off --element";
const SERVER: &str = "matrix.site.test";

/// Runs Dokku commands while the plugin is disabled.
fn without_plugin(host: &TestHost, lines: &[&str]) {
    let link = host.scene.enabled().join("matrix");
    let plugin = fs::read_link(&link).unwrap();
    fs::remove_file(&link).unwrap();
    host.setup(lines);
    std::os::unix::fs::symlink(plugin, link).unwrap();
}

/// Destroys an app, and deploys another one with its name.
fn replace(host: &TestHost, app: &str) -> String {
    host.scene.update(|state| assert!(state.pullable.insert("nginx:1".into()))).unwrap();
    without_plugin(
        host,
        &[
            &format!("--force apps:destroy {app}"),
            &format!("apps:create {app}"),
            &format!("git:from-image {app} nginx:1"),
        ],
    );
    running(host, app)
}

/// The id of the one container of an app.
fn running(host: &TestHost, app: &str) -> String {
    let state = host.state();
    let ids: Vec<_> = state.running(app).map(|container| container.id.clone()).collect();
    assert_eq!(ids.len(), 1, "{app}");
    ids[0].clone()
}

fn stderr(lines: &[&str]) -> String {
    lines.iter().map(|line| format!(" !     {line}\n")).collect()
}

fn spec(host: &TestHost) -> serde_json::Value {
    serde_json::from_str(&host.read("server.json")).unwrap()
}

fn marker(host: &TestHost, app: &str) -> Option<String> {
    fs::read_to_string(host.lib("data/matrix/.host/apps").join(app)).ok()
}

const NOTHING: Output = Output { code: Some(0), stdout: String::new(), stderr: String::new() };

#[test]
fn another_app_with_the_name_of_element_is_not_touched() {
    let host = TestHost::after(CREATE);
    let other = replace(&host, "chat");
    let before = host.state().apps["chat"].clone();
    // Its own life goes on without the plugin.
    for line in ["ps:restart chat", "ps:scale chat web=2", "ps:scale chat web=1", "ps:rebuild chat"]
    {
        assert_eq!(host.dokku(line).code, Some(0), "{line}");
    }
    for (trigger, args) in [
        ("nginx-app-template-source", "chat app-config"),
        ("scheduler-deploy", "docker-local chat latest"),
        ("post-deploy", "chat - - latest"),
        ("report", "chat"),
        ("post-app-clone-setup", "chat copy"),
        ("post-app-rename-setup", "chat other"),
    ] {
        assert_eq!(host.trigger(trigger, args), NOTHING, "{trigger}");
    }
    assert_eq!(spec(&host)["components"]["element"]["app"], "chat");
    host.changes();
    for line in
        ["matrix:deploy matrix", "matrix:deploy matrix --dry-run", "matrix:enable-element matrix"]
    {
        let output = host.dokku(line);
        let refused = stderr(&[
            "chat is an app that is deployed already, and not this homeserver's",
            "Name another app: --element <name>, or --app <name> of enable-element",
        ]);
        assert_eq!((output.code, output.stderr), (Some(1), refused), "{line}");
    }
    assert_eq!(host.changes(), [""; 0]);
    let output = host.dokku("matrix:disable-element matrix");
    assert_eq!(output.code, Some(0), "{output:#?}");
    assert_eq!(output.stderr, stderr(&["chat is another app by now; it was not touched"]));
    assert_eq!(host.changes(), [""; 0]);
    assert_eq!(marker(&host, "chat"), None);
    let mut now = host.state().apps["chat"].clone();
    now.scale.clone_from(&before.scale);
    assert_eq!(format!("{now:?}"), format!("{before:?}"));
    assert_ne!(running(&host, "chat"), other, "it was rebuilt");
    host.ok("matrix:enable-element matrix --app web");
    assert_eq!(host.dokku("apps:destroy chat --force").code, Some(0));
    assert_eq!(spec(&host)["components"]["element"]["app"], "web");
}

#[test]
fn another_app_with_the_name_of_the_homeserver_is_not_touched() {
    let host = TestHost::after(CREATE);
    replace(&host, "matrix");
    assert_eq!(host.dokku("ps:restart matrix").code, Some(0));
    assert_eq!(host.dokku("ps:rebuild matrix").code, Some(0));
    let other = running(&host, "matrix");
    let replaced = stderr(&[
        "matrix is another app by now, not the one of the homeserver matrix.site.test",
        "It has neither the directories of the homeserver mounted nor its label.",
        "To run the homeserver in another app:",
        "  dokku matrix:create <app> --server-name matrix.site.test",
    ]);
    host.changes();
    for line in [
        "matrix:deploy matrix",
        "matrix:report matrix",
        "matrix:register-user matrix bob",
        "matrix:enable-element matrix",
        "matrix:disable-element matrix",
    ] {
        let output = host.dokku_with(line, b"a password\n");
        assert_eq!((output.code, output.stderr), (Some(1), replaced.clone()), "{line}");
    }
    let output = host.dokku("matrix:create matrix");
    let refused = stderr(&[
        "matrix is an app that is deployed already, and not this homeserver's",
        "Name another app: dokku matrix:create <app>",
    ]);
    assert_eq!((output.code, output.stderr), (Some(1), refused));
    let output = host.dokku("matrix:list");
    assert_eq!(output.code, Some(0));
    assert_eq!(
        output.stderr,
        stderr(&[
            "The app matrix of the homeserver matrix.site.test is another app by now; to run it again:",
            "dokku matrix:create <app> --server-name matrix.site.test",
            "There are no Matrix homeservers",
        ])
    );
    assert_eq!(host.changes(), [""; 0]);
    assert_eq!(running(&host, "matrix"), other);
    // What the error says leads out.
    let key = host.read("config/secrets/signing.key");
    let _synapse = host.homeserver("synapse");
    host.setup(&["domains:set matrix www.site.test"]);
    host.ok(&format!("matrix:create synapse --server-name {SERVER}"));
    assert_eq!(host.read("config/secrets/signing.key"), key);
    assert_eq!(spec(&host)["app"], "synapse");
    assert_eq!(host.dokku("matrix:list").stdout, "=====> Matrix homeservers\nsynapse\n");
    assert_eq!(running(&host, "matrix"), other);
    // The other app goes, and the homeserver stays.
    assert_eq!(host.dokku("apps:destroy matrix --force").code, Some(0));
    assert_eq!(marker(&host, "matrix"), None);
    host.changes();
    host.ok("matrix:deploy synapse");
    assert_eq!(host.changes(), [""; 0]);
}

/// The next command and the next start take it up.
#[test]
fn a_renamed_homeserver_is_taken_up() {
    for first in ["ps:restart talk", "ps:rebuild talk", "matrix:deploy talk", "matrix:create talk"]
    {
        let host = TestHost::after(CREATE);
        let _synapse = host.homeserver("talk");
        without_plugin(&host, &["apps:rename matrix talk"]);
        for (line, code) in [("matrix:report talk", 0), ("matrix:deploy talk --dry-run", 0)] {
            let output = host.dokku(line);
            assert_eq!(output.code, Some(code), "{line}: {output:#?}");
        }
        assert_eq!(spec(&host)["app"], "matrix");
        assert_eq!(host.dokku("matrix:list").stdout, "=====> Matrix homeservers\ntalk\n");
        let output = host.dokku("matrix:deploy matrix");
        let gone = stderr(&[
            "App matrix does not exist",
            "The homeserver matrix.site.test is in the app talk.",
        ]);
        assert_eq!((output.code, output.stderr), (Some(20), gone));
        let output = host.dokku(first);
        assert!(matches!(output.code, Some(0 | 3)), "{first}: {output:#?}");
        assert_eq!(spec(&host)["app"], "talk", "{first}");
        assert_eq!(marker(&host, "talk").as_deref(), Some("synapse matrix.site.test\n"));
        assert_eq!(marker(&host, "matrix"), None, "{first}");
        host.ok("matrix:deploy talk");
        host.changes();
        host.ok("matrix:deploy talk");
        assert_eq!(host.changes(), [""; 0], "{first}");
        assert_eq!(host.state().max_mains.into_values().max(), Some(1));
        // The guard knows it.
        assert_eq!(host.dokku("ps:scale talk web=2").code, Some(1));
    }
}

#[test]
fn a_renamed_element_is_taken_up() {
    for line in
        ["matrix:deploy matrix", "matrix:enable-element matrix", "matrix:create matrix --element"]
    {
        let host = TestHost::after(CREATE);
        without_plugin(&host, &["apps:rename chat web"]);
        let container = running(&host, "web");
        host.ok(line);
        assert_eq!(spec(&host)["components"]["element"]["app"], "web", "{line}");
        assert!(!host.state().apps.contains_key("chat"), "{line}");
        assert_eq!((marker(&host, "chat"), running(&host, "web")), (None, container), "{line}");
        host.ok("matrix:disable-element matrix");
        assert!(!host.state().apps.contains_key("web"), "the plugin had made it");
    }
}

/// Its old name is another app's by now.
#[test]
fn a_renamed_homeserver_is_taken_up_although_its_name_is_in_use() {
    let host = TestHost::after(CREATE);
    let _synapse = host.homeserver("talk");
    without_plugin(&host, &["apps:rename matrix talk", "apps:create matrix"]);
    let output = host.dokku("matrix:create other --server-name matrix.site.test");
    let taken = stderr(&[
        "the server name matrix.site.test is that of the app talk",
        "dokku matrix:report talk",
    ]);
    assert_eq!((output.code, output.stderr), (Some(1), taken));
    // Dokku has given the other app its domain.
    host.setup(&["domains:remove matrix matrix.site.test"]);
    host.ok("matrix:deploy talk");
    assert_eq!(host.dokku("apps:destroy matrix --force").code, Some(0));
    assert_eq!(spec(&host)["app"], "talk");
    host.changes();
    host.ok("matrix:deploy talk");
    assert_eq!(host.changes(), [""; 0]);
}

/// Two apps have the directories, and neither is the recorded one: nobody knows which is the copy.
#[test]
fn of_two_apps_with_the_directories_none_is_taken_up() {
    let host = TestHost::after(CREATE);
    without_plugin(
        &host,
        &["apps:clone --skip-deploy matrix copy", "apps:rename --skip-deploy matrix talk"],
    );
    let output = host.dokku("matrix:create matrix --server-name matrix.site.test");
    let unknown = stderr(&[
        "copy and talk both have the directories of the homeserver matrix.site.test mounted",
        "Destroy the one that is a clone: dokku apps:destroy <app>",
    ]);
    assert_eq!((output.code, output.stderr), (Some(1), unknown));
    for app in ["copy", "talk"] {
        assert_eq!(host.dokku(&format!("ps:rebuild {app}")).code, Some(1), "{app}");
    }
    without_plugin(&host, &["--force apps:destroy copy"]);
    let _synapse = host.homeserver("talk");
    host.ok("matrix:deploy talk");
    assert_eq!(spec(&host)["app"], "talk");
}

/// A copy of which the plugin was not told is no renamed homeserver: not beside another copy, and not
/// where the homeserver itself has lost its mounts.
#[test]
fn no_copy_is_taken_up() {
    let refused = |host: &TestHost, app: &str| {
        let output = host.trigger("scheduler-deploy", &format!("docker-local {app} latest"));
        let expected = [
            &format!("{app} is a clone of a homeserver's app and must not run"),
            "Two Synapse processes on one database corrupt it.",
            &format!("dokku apps:destroy {app}"),
        ];
        assert_eq!((output.code, output.stderr), (Some(1), stderr(&expected)), "{app}");
        assert_eq!(spec(host)["app"], "matrix", "{app}");
        assert_eq!(marker(host, app), None, "{app}");
    };
    let mounts = |host: &TestHost, app: &str| host.lib("config/storage").join(app).join("mounts");
    let host = TestHost::after(CREATE);
    without_plugin(&host, &["apps:clone --skip-deploy matrix copy"]);
    fs::write(mounts(&host, "matrix"), "").unwrap();
    refused(&host, "copy");
    // Its label is evidence enough.
    let output = host.trigger("scheduler-deploy", "docker-local matrix latest worker");
    assert_eq!(output.code, Some(1), "{output:#?}");
    let host = TestHost::after(CREATE);
    without_plugin(
        &host,
        &["apps:clone --skip-deploy matrix copy", "apps:rename --skip-deploy matrix talk"],
    );
    refused(&host, "copy");
    refused(&host, "talk");
    // What an app that is gone had mounted says nothing.
    fs::create_dir(host.lib("config/storage/gone")).unwrap();
    fs::copy(mounts(&host, "talk"), mounts(&host, "gone")).unwrap();
    without_plugin(&host, &["--force apps:destroy copy"]);
    let output = host.trigger("scheduler-deploy", "docker-local talk latest");
    assert_eq!((output.code, &spec(&host)["app"]), (Some(0), &"talk".into()), "{output:#?}");
}

#[test]
fn the_label_of_another_server_is_no_evidence() {
    let host = TestHost::after(CREATE);
    fs::write(host.lib("config/storage/matrix/mounts"), "").unwrap();
    let label = |server: &str| format!("--label com.dokku-matrix.server={server}");
    for (old, new, code) in [(SERVER, SERVER, 1), (SERVER, "other.site.test", 0)] {
        host.setup(&[
            &format!("docker-options:remove matrix deploy {}", label(old)),
            &format!("docker-options:add matrix deploy {}", label(new)),
        ]);
        let output = host.trigger("scheduler-deploy", "docker-local matrix latest worker");
        assert_eq!(output.code, Some(code), "{new}: {output:#?}");
    }
}

/// The files of the plugin are older than the apps: restored from a backup.
#[test]
fn markers_from_a_backup_are_not_acted_on() {
    let host = TestHost::after(CREATE);
    let (old_spec, old_marker) = (host.read("server.json"), marker(&host, "chat").unwrap());
    host.ok("matrix:disable-element matrix");
    host.scene.update(|state| assert!(state.pullable.insert("nginx:1".into()))).unwrap();
    host.setup(&["apps:create chat", "git:from-image chat nginx:1"]);
    let container = running(&host, "chat");
    fs::write(host.file("server.json"), old_spec).unwrap();
    fs::write(host.lib("data/matrix/.host/apps/chat"), old_marker).unwrap();
    assert_eq!(host.dokku("matrix:deploy matrix").code, Some(1));
    assert_eq!(host.dokku("matrix:disable-element matrix").code, Some(0));
    assert_eq!(running(&host, "chat"), container);
    host.ok("matrix:deploy matrix");
}

/// A clone's name may be another app's, too.
#[test]
fn another_app_with_the_name_of_a_clone_runs() {
    let host = TestHost::after(CREATE);
    host.dokku("apps:clone --skip-deploy matrix copy");
    replace(&host, "copy");
    assert_eq!(host.dokku("ps:restart copy").code, Some(0));
    assert_eq!(host.dokku("ps:scale copy web=2").code, Some(0));
}

/// Only its marker goes with another app: the homeserver keeps what it has.
#[test]
fn destroying_another_app_takes_nothing_from_the_homeserver() {
    let host = TestHost::after(CREATE);
    replace(&host, "chat");
    let before = spec(&host);
    assert!(marker(&host, "chat").is_some());
    assert_eq!(host.dokku("apps:destroy chat --force").code, Some(0));
    assert_eq!((marker(&host, "chat"), spec(&host)), (None, before));
}

/// What cannot be read may be anything: the guard refuses, and nothing is destroyed.
#[test]
fn unreadable_evidence_is_no_evidence() {
    let host = TestHost::after(CREATE);
    for app in ["matrix", "chat"] {
        let mounts = host.lib("config/storage").join(app).join("mounts");
        let good = fs::read_to_string(&mounts).unwrap();
        fs::write(&mounts, "{").unwrap();
        let restarted = host.dokku(&format!("ps:restart {app}"));
        assert_eq!(restarted.code, Some(1), "{app}: {restarted:#?}");
        host.changes();
        assert_eq!(host.dokku("matrix:disable-element matrix").code, Some(1), "{app}");
        assert_eq!(host.changes(), [""; 0]);
        fs::write(&mounts, good).unwrap();
    }
    // An app that has no marker, and whose mounts nobody can tell.
    host.setup(&["apps:create other"]);
    fs::create_dir_all(host.lib("config/storage/other")).unwrap();
    fs::write(host.lib("config/storage/other/mounts"), "{").unwrap();
    assert_eq!(host.trigger("scheduler-deploy", "docker-local other latest").code, Some(1));
}
