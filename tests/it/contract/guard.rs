//! The deploy guard, on every path that deploys: it never allows a second main process, and never
//! causes an outage.

use super::harness::TestHost;
use crate::support::Output;
use stand_in::{Answer, Fault, Kind, State};
use std::fs;

const LOCAL: &str = "config/homeserver.d/90-local.yaml";
const DATABASE: &str = "config/homeserver.d/20-database.yaml";

/// A host with the homeserver `matrix`.
pub(super) fn create_host() -> TestHost {
    TestHost::after("matrix:create matrix --tls off")
}

/// The ids of an app's running containers.
pub(super) fn running(host: &TestHost, app: &str) -> Vec<String> {
    host.state().running(app).map(|container| container.id.clone()).collect()
}

/// Checks that there was never more than one main process at the same time.
pub(super) fn assert_single_process(host: &TestHost) {
    assert_eq!(host.state().max_mains.into_values().max(), Some(1));
}

/// The scale that Dokku has recorded.
fn scale(host: &TestHost) -> String {
    fs::read_to_string(host.lib("config/ps/matrix/scale")).unwrap()
}

fn record_scale(host: &TestHost, lines: &str) {
    fs::write(host.lib("config/ps/matrix/scale"), lines).unwrap();
    let pairs: Vec<(String, u32)> = lines
        .lines()
        .map(|line| line.split_once('=').unwrap())
        .map(|(kind, count)| (kind.to_owned(), count.parse().unwrap()))
        .collect();
    host.scene.update(|state| state.apps.get_mut("matrix").unwrap().scale = pairs).unwrap();
}

/// Reboots the host: nothing runs until Dokku restores the app.
pub(super) fn boot(host: &TestHost) -> Output {
    let stop = |state: &mut State| {
        state.containers.iter_mut().for_each(|c| c.status = stand_in::Status::Exited);
    };
    host.scene.update(stop).unwrap();
    host.dokku("ps:restore matrix")
}

pub(super) fn guard(host: &TestHost) -> Output {
    host.trigger("scheduler-deploy", "docker-local matrix latest")
}

pub(super) fn allows() -> Output {
    Output { code: Some(0), stdout: String::new(), stderr: String::new() }
}

pub(super) fn refuses(error: &str) -> Output {
    let stderr = error.lines().map(|line| format!(" !     {line}\n")).collect();
    Output { code: Some(1), stderr, ..allows() }
}

pub(super) fn warns(warning: &str) -> Output {
    Output { code: Some(0), ..refuses(warning) }
}

#[test]
fn refuses_any_scale_but_one_web_process() {
    let two = "Two Synapse processes on one database corrupt it.";
    let scale_restored = "The scale was put back to web=1; what runs was not touched.";
    let host = create_host();
    let before = running(&host, "matrix");
    for (line, correction, reason, note) in [
        ("ps:scale matrix web=2", "web=1", two, scale_restored),
        ("ps:scale matrix worker=1", "worker=0", two, scale_restored),
        ("ps:scale matrix web=3 worker=2 x=1", "web=1 worker=0 x=0", two, scale_restored),
        ("ps:scale matrix web=0", "web=1", "To stop it: dokku ps:stop matrix", scale_restored),
        ("ps:restart matrix worker", "", two, "What runs was not touched."),
    ] {
        let output = host.dokku(line);
        assert_eq!(output.code, Some(1), "{line}");
        let expected =
            refuses(&format!("matrix must have one web process and no other\n{reason}\n{note}"));
        assert!(
            (output.stdout.clone() + &output.stderr).ends_with(&expected.stderr),
            "{line}: {output:#?}"
        );
        let mut changes = vec![format!("dokku {line}")];
        if !correction.is_empty() {
            changes.push(format!("dokku ps:scale --skip-deploy matrix {correction}"));
        }
        assert_eq!(host.changes(), changes);
        assert_eq!(scale(&host), "web=1\n", "{line}");
        assert_eq!(running(&host, "matrix"), before, "{line}");
    }
    assert_single_process(&host);
}

#[test]
fn allows_restarts_and_rebuilds() {
    let host = create_host();
    for line in [
        "ps:scale matrix web=1",
        "ps:restart matrix",
        "ps:restart matrix web",
        "ps:rebuild matrix",
        "ps:stop matrix",
        "ps:start matrix",
        "config:set matrix SYNAPSE_CACHE_FACTOR=1",
    ] {
        let output = host.dokku(line);
        assert_eq!(output.code, Some(0), "{line}: {output:#?}");
        assert_eq!(host.changes(), [format!("dokku {line}")]);
    }
    assert_eq!(guard(&host), allows());
    assert_single_process(&host);
}

/// At boot nothing is running, so a refusal would cause an outage.
#[test]
fn corrects_the_scale_at_boot() {
    let host = create_host();
    for (lines, correction) in
        [("web=2\n", "web=1"), ("web=1\nworker=1\n", "worker=0"), ("", "web=1")]
    {
        record_scale(&host, lines);
        host.changes();
        let output = boot(&host);
        assert_eq!(output.code, Some(0), "{output:#?}");
        let expected = " !     matrix must have one web process and no other; put back to web=1\n-----> Deploying";
        assert!(output.stdout.contains(expected), "{output:#?}");
        let corrected = format!("dokku ps:scale --skip-deploy matrix {correction}");
        assert_eq!(host.changes(), ["dokku ps:restore matrix", &corrected]);
        assert_eq!(running(&host, "matrix").len(), 1);
    }
    assert_single_process(&host);
}

/// `apps:rename` and `checks:enable` reset it, and then the old process would overlap the new one.
#[test]
fn restores_the_checks_setting() {
    let host = create_host();
    for line in ["ps:restart matrix", "ps:rebuild matrix"] {
        host.setup(&["checks:enable matrix web"]);
        assert_eq!(host.dokku(line).code, Some(0));
        assert_eq!(
            host.changes(),
            [format!("dokku {line}"), "dokku checks:disable matrix web".into()]
        );
    }
    assert_single_process(&host);
}

#[test]
fn writes_a_new_database_password_before_the_start() {
    let host = create_host();
    let url = host.state().apps["matrix"].config["DATABASE_URL"].clone();
    let (head, tail) = (url.find("://postgres:").unwrap() + 12, url.find('@').unwrap());
    let new = format!("{}n3w-p'w%40rd{}", &url[..head], &url[tail..]);
    host.setup(&[&format!("config:set --no-restart matrix DATABASE_URL={new}")]);
    assert_eq!(host.dokku("ps:restart matrix").code, Some(0));
    assert!(host.read(DATABASE).contains("n3w-p'w@rd"), "{}", host.read(DATABASE));
    assert_eq!(host.changes(), ["dokku ps:restart matrix"]);
    // It was written before the container started, so a deploy changes nothing.
    host.ok("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0]);
    // Without any database the deploy is refused, and the old server keeps running.
    host.setup(&["config:unset --no-restart matrix DATABASE_URL"]);
    assert_eq!(
        guard(&host),
        refuses(
            "matrix has no DATABASE_URL
dokku postgres:link matrix-db matrix
Nothing was stopped: the old server runs on."
        )
    );
}

/// Checks that every command that deploys fails with this error and leaves the old server running.
pub(super) fn assert_keeps_running(host: &TestHost, reason: &str) {
    let before = running(host, "matrix");
    let expected = refuses(&format!("{reason}\nNothing was stopped: the old server runs on."));
    assert_eq!(guard(host), expected);
    for line in ["ps:restart matrix", "ps:rebuild matrix", "config:set matrix A=b"] {
        let output = host.dokku(line);
        assert_eq!(output.code, Some(1), "{line}: {output:#?}");
        assert!(output.stdout.contains(&expected.stderr), "{line}: {output:#?}");
        assert_eq!(running(host, "matrix"), before, "{line}");
    }
}

#[test]
fn invalid_configuration_stops_no_server() {
    const BAD: &str = "Synapse does not accept its configuration: see <host>/lib/data/matrix/matrix.site.test/config/homeserver.d/90-local.yaml
  | stand-in: 90-local.yaml is broken
Fix it, then: dokku matrix:deploy matrix";
    let host = create_host();
    let good = host.read(LOCAL);
    fs::write(host.file(LOCAL), "BROKEN: 1\n").unwrap();
    assert_keeps_running(&host, BAD);
    host.changes();
    let output = host.dokku("matrix:deploy matrix");
    assert_eq!(output.code, Some(1));
    assert_eq!(output.stderr, refuses(BAD).stderr);
    assert_eq!(host.changes(), [""; 0]);
    // At boot it is only a warning: nothing is running that could be protected.
    let output = boot(&host);
    assert!(output.stdout.contains(&warns(BAD).stderr), "{output:#?}");
    assert!(output.stdout.contains("-----> Deploying web (count=1)"), "{output:#?}");
    fs::write(host.file(LOCAL), good).unwrap();
    host.ok("matrix:deploy matrix");
    assert_eq!(running(&host, "matrix").len(), 1);
    assert_single_process(&host);
}

#[test]
fn missing_signing_key_stops_no_server() {
    const KEY: &str = "config/secrets/signing.key";
    const LOST: &str = "the signing key <host>/lib/data/matrix/matrix.site.test/config/secrets/signing.key is missing
Restore it from a backup: with another key this is another server.
Nothing was changed.";
    let host = create_host();
    let key = host.read(KEY);
    fs::remove_file(host.file(KEY)).unwrap();
    assert_keeps_running(&host, LOST);
    assert!(boot(&host).stdout.contains(&warns(LOST).stderr));
    assert!(!host.file(KEY).exists());
    fs::write(host.file(KEY), key).unwrap();
    host.ok("matrix:deploy matrix");
    // The other secrets are private to this host: replacing them is harmless, and Synapse needs them.
    let other = "config/secrets/form_secret";
    fs::remove_file(host.file(other)).unwrap();
    assert_eq!(host.dokku("ps:restart matrix").code, Some(0));
    assert!(host.read(other).len() > 20);
    assert_single_process(&host);
}

/// The image that is about to run validates the configuration, not the running one.
#[test]
fn validates_with_the_new_image() {
    let host = create_host();
    let before = running(&host, "matrix");
    let other = "matrixdotorg/synapse:v9";
    let answer = Answer {
        contains: "dokku/matrix:latest - check".into(),
        rc: 1,
        stderr: "Error in configuration: no such setting\n".into(),
        ..Answer::default()
    };
    let change = |state: &mut State| {
        state.pullable.insert(other.into());
        state.exec.push(answer);
    };
    host.scene.update(change).unwrap();
    // The same files are not validated again with the same image.
    assert_eq!(guard(&host), allows());
    let output = host.dokku(&format!("git:from-image matrix {other}"));
    assert_eq!(output.code, Some(1), "{output:#?}");
    let expected = refuses(
        "Synapse does not accept its configuration: see <host>/lib/data/matrix/matrix.site.test/config/homeserver.d
  | Error in configuration: no such setting
Fix it, then: dokku matrix:deploy matrix
Nothing was stopped: the old server runs on.",
    );
    assert!(output.stdout.contains(&expected.stderr), "{output:#?}");
    assert_eq!(running(&host, "matrix"), before);
}

#[test]
fn verifies_the_template_after_an_nginx_upgrade() {
    let host = create_host();
    host.scene.update(|state| state.nginx_version = "1.28.0".into()).unwrap();
    let template = || host.trigger("nginx-app-template-source", "matrix app-config").stdout;
    assert_eq!(template(), "");
    assert_eq!(guard(&host), allows());
    assert_eq!(template(), "<host>/lib/data/matrix/matrix.site.test/nginx/nginx.conf.sigil\n");
    host.changes();
    assert_eq!(host.dokku("ps:restart matrix").code, Some(0));
    assert_eq!(host.changes(), ["dokku ps:restart matrix"]);
}

/// Another app with a homeserver's configuration would be a second main process, with or without a
/// marker.
#[test]
fn refuses_other_apps_that_mount_the_configuration() {
    let host = create_host();
    host.setup(&["apps:create other"]);
    let config = host.file("config").display().to_string();
    let data = host.file("data").display().to_string();
    let ask = || host.trigger("scheduler-deploy", "docker-local other latest");
    let clone = refuses(
        "other is a clone of a homeserver's app and must not run
Two Synapse processes on one database corrupt it.
dokku apps:destroy other",
    );
    for (mount, expected) in [
        (format!("{data}:/data:ro"), allows()),
        (format!("{config}:/backup:ro"), allows()),
        (format!("{config}/secrets:/config:ro"), allows()),
        (format!("{config}:/config:ro"), clone.clone()),
        (format!("{config}:/config"), clone.clone()),
    ] {
        host.setup(&[&format!("storage:mount other {mount}")]);
        assert_eq!(ask(), expected, "{mount}");
        host.setup(&[&format!("storage:unmount other {mount}")]);
        assert_eq!(ask(), allows());
    }
    // This holds even while `server.json` cannot be read and the owner is unknown.
    host.setup(&[&format!("storage:mount other {config}:/config:ro")]);
    let spec = host.read("server.json");
    fs::write(host.file("server.json"), "").unwrap();
    assert_eq!(ask(), clone);
    fs::write(host.file("server.json"), spec).unwrap();
    // The homeserver's own app is recognized without its marker.
    fs::remove_file(host.lib("data/matrix/.host/apps/matrix")).unwrap();
    assert_eq!(guard(&host), allows());
    assert_eq!(host.dokku("ps:scale matrix web=2").code, Some(1));
    host.changes();
    host.ok("matrix:create matrix");
    assert_eq!(host.changes(), [""; 0]);
    assert_eq!(
        fs::read_to_string(host.lib("data/matrix/.host/apps/matrix")).unwrap(),
        "synapse matrix.site.test\n"
    );
    assert_single_process(&host);
}

#[test]
fn damaged_spec_stops_no_server() {
    let path = "<host>/lib/data/matrix/matrix.site.test/server.json";
    let host = create_host();
    let good = host.read("server.json");
    let newer = good.replace("\"version\": 2", "\"version\": 3");
    let cases: [(&str, String); 4] = [
        (
            "{}",
            format!(
                "{path} is damaged: missing field `version` at line 1 column 2\nRestore it from a backup."
            ),
        ),
        (
            "",
            format!(
                "{path} is damaged: EOF while parsing a value at line 1 column 0\nRestore it from a backup."
            ),
        ),
        (
            &newer,
            format!(
                "{path} was written by a newer version of this plugin\nsudo dokku plugin:update matrix"
            ),
        ),
        ("-", format!("{path} is missing\nRestore it from a backup.")),
    ];
    for (text, expected) in cases {
        match text {
            "-" => fs::remove_file(host.file("server.json")).unwrap(),
            text => fs::write(host.file("server.json"), text).unwrap(),
        }
        let before = running(&host, "matrix");
        assert_eq!(
            guard(&host),
            refuses(&format!("{expected}\nNothing was stopped: the old server runs on."))
        );
        assert_eq!(host.dokku("ps:restart matrix").code, Some(1));
        assert_eq!(running(&host, "matrix"), before);
        let output = host.dokku("matrix:deploy matrix");
        assert_eq!((output.code, output.stderr), (Some(1), refuses(&expected).stderr));
        let output = boot(&host);
        assert_eq!(output.code, Some(0), "{output:#?}");
        assert!(output.stdout.contains(&warns(&expected).stderr), "{output:#?}");
        assert_eq!(running(&host, "matrix").len(), 1);
        // A second process is refused even now.
        assert_eq!(host.dokku("ps:scale matrix web=2").code, Some(1));
        assert_eq!(scale(&host), "web=1\n");
        fs::write(host.file("server.json"), &good).unwrap();
    }
    host.ok("matrix:deploy matrix");
    assert_single_process(&host);
}

/// Each read of the guard fails once. The old server keeps running, or the boot continues, unless that
/// could start a second process.
#[test]
fn survives_failed_reads() {
    // The failing command, the recorded scale, whether a server is running, and whether the guard allows
    // the deploy.
    let cases: [(&[&str], &str, bool, bool); 9] = [
        (&["docker", "ps"], "web=1\n", true, false),
        (&["dokku", "checks:report"], "web=1\n", true, false),
        (&["dokku", "checks:report"], "web=1\n", false, true),
        (&["dokku", "config:export"], "web=1\n", true, false),
        (&["dokku", "config:export"], "web=1\n", false, true),
        (&["docker", "image", "inspect"], "web=1\n", true, false),
        (&["docker", "image", "inspect"], "web=1\n", false, true),
        (&["dokku", "ps:scale"], "web=2\n", true, false),
        (&["dokku", "ps:scale"], "web=2\n", false, false),
    ];
    let host = create_host();
    for (prefix, lines, is_running, is_allowed) in cases {
        let change = |state: &mut State| {
            let status =
                if is_running { stand_in::Status::Running } else { stand_in::Status::Exited };
            state.containers.iter_mut().for_each(|c| c.status = status);
        };
        host.scene.update(change).unwrap();
        record_scale(&host, lines);
        let fault = Fault {
            argv_prefix: Some(prefix.iter().map(|&word| word.to_owned()).collect()),
            nested: true,
            kind: Kind::Fail,
            ..Fault::default()
        };
        host.scene.set_fault(&fault).unwrap();
        let output = guard(&host);
        assert_eq!(
            output.code,
            Some(i32::from(!is_allowed)),
            "{prefix:?} {is_running}: {output:#?}"
        );
        assert!(output.stderr.contains("ended with exit code 1"), "{prefix:?}: {output:#?}");
        assert_eq!(
            output.stderr.contains("the old server runs on"),
            is_running && !matches!(prefix[1], "ps" | "ps:scale"),
            "{prefix:?}: {output:#?}"
        );
    }
    assert_single_process(&host);
}

/// Element Web has no data that several processes could corrupt.
#[test]
fn allows_any_scale_for_element() {
    let host = TestHost::after("matrix:create matrix --tls off --element");
    host.setup(&["ps:scale chat web=2", "ps:restart chat"]);
    assert_eq!(running(&host, "chat").len(), 2);
}
