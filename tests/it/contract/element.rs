//! `matrix:enable-element` and `matrix:disable-element`.

use super::harness::{ELEMENT, TestHost};
use insta::assert_snapshot;
use serde_json::Value;
use std::fs;

const CREATE: &str = "matrix:create matrix --tls off";

fn create_host() -> TestHost {
    let host = TestHost::new();
    host.ok(CREATE);
    host
}

/// A new app: created, deployed, and destroyed again.
#[test]
fn creates_and_destroys_its_app() {
    let host = create_host();
    let before = host.dump();
    let dry = host.transcript("matrix:enable-element matrix --dry-run");
    assert_eq!(host.dump(), before);
    let first = host.transcript("matrix:enable-element matrix");
    let again = host.transcript("matrix:enable-element matrix");
    assert_eq!(host.state().running("chat").next().unwrap().image, ELEMENT);
    let off = host.transcript("matrix:disable-element matrix");
    let state = host.state();
    assert!(!state.apps.contains_key("chat"));
    assert_eq!(state.running("matrix").count(), 1);
    let off_again = host.transcript("matrix:disable-element matrix");
    assert_snapshot!([dry, first, again, off, off_again].join("\n"));
}

/// An existing app that was never deployed: used, and then returned to its owner.
#[test]
fn returns_an_existing_app() {
    let host = create_host();
    host.setup(&[
        "apps:create web",
        "domains:set web w.site.test",
        "config:set --no-restart web A=b",
    ]);
    let app = || host.state().apps["web"].clone();
    let before = app();
    let on = host.transcript("matrix:enable-element matrix --app web");
    let off = host.transcript("matrix:disable-element matrix");
    assert_snapshot!(format!("{on}\n{off}"));
    let after = app();
    assert_eq!((after.config.get("A"), &after.mounts), (Some(&"b".to_owned()), &before.mounts));
    assert_eq!(after.config.get("ELEMENT_WEB_PORT"), None);
    assert_eq!(host.state().running("web").count(), 0);
    assert!(!host.scene.root().join("web/nginx.conf.d/matrix.conf").exists());
    host.ok("matrix:enable-element matrix --app web");
    assert_eq!(host.state().running("web").count(), 1);
}

/// A typo in the image of Element Web must not affect the homeserver.
#[test]
fn does_not_record_a_missing_image() {
    let host = create_host();
    let before = host.read("server.json");
    let output = host.dokku("matrix:enable-element matrix --image typo:1");
    assert_eq!(output.code, Some(1), "{output:#?}");
    assert_eq!(host.read("server.json"), before);
    host.ok("matrix:deploy matrix");
    host.ok("matrix:enable-element matrix");
    let before = host.read("server.json");
    assert_eq!(host.dokku("matrix:enable-element matrix --image typo:1").code, Some(1));
    assert_eq!(host.read("server.json"), before);
}

#[test]
fn custom_names() {
    let host = create_host();
    let new = "vectorim/element-web:v1.13.0";
    host.scene.update(|state| state.pullable.insert(new.into())).unwrap();
    let line = "matrix:enable-element matrix --app web --domain talk.site.test";
    let first = host.transcript(line);
    let config = host.read("element/config.json");
    let other = host
        .transcript(&format!("matrix:enable-element matrix --image {new} --domain t.site.test"));
    assert_eq!(host.state().running("web").next().unwrap().image, new);
    assert_snapshot!(format!("{first}\n{config}\n{other}"));
    assert_eq!(host.state().apps["web"].domains, ["talk.site.test", "t.site.test"]);
}

#[test]
fn refusals_change_nothing() {
    let host = create_host();
    host.website("site", "site.test");
    host.setup(&["apps:create mine"]);
    let before = host.dump();
    for (line, code, error) in [
        ("matrix:enable-element nobody", 20, "App nobody does not exist"),
        ("matrix:enable-element mine", 1, "mine is not a Matrix homeserver\ndokku matrix:list"),
        (
            "matrix:enable-element matrix --app site --domain c.site.test",
            1,
            "site is an app that is deployed already, and not this homeserver's\nName another app: --element <name>, or --app <name> of enable-element",
        ),
        (
            "matrix:enable-element matrix --domain site.test",
            1,
            "the domain site.test is used by the app site\nName another one with --domain, or free it: dokku domains:remove site site.test",
        ),
        (
            "matrix:enable-element matrix --domain matrix.site.test",
            2,
            "Element Web must not have the homeserver's own domain\nA page of one could read the other; name another domain.",
        ),
        (
            "matrix:enable-element matrix --app matrix",
            2,
            "Element Web must not be in the homeserver's own app\nName another app.",
        ),
        ("matrix:disable-element nobody", 20, "App nobody does not exist"),
    ] {
        let output = host.dokku(line);
        let error: String = error.lines().map(|line| format!(" !     {line}\n")).collect();
        assert_eq!((output.code, output.stderr), (Some(code), error), "{line}");
        assert_eq!(host.dump(), before, "{line}");
    }
    host.ok("matrix:enable-element matrix");
    for (line, code, error) in [
        ("matrix:enable-element matrix --app web", 2, "Element Web is in the app chat already"),
        ("matrix:create matrix --element web", 2, "Element Web is in the app chat already"),
        ("matrix:deploy chat", 1, "chat runs Element Web of the homeserver matrix"),
        (
            "matrix:create chat --tls off",
            1,
            "chat runs Element Web of the homeserver matrix.site.test",
        ),
        ("matrix:report chat", 1, "chat runs Element Web of the homeserver matrix"),
    ] {
        let output = host.dokku(line);
        let first = output.stderr.lines().next().unwrap_or_default();
        assert_eq!(
            (output.code, first),
            (Some(code), format!(" !     {error}").as_str()),
            "{line}"
        );
    }
}

fn settings(host: &TestHost) -> Value {
    serde_json::from_str(&host.read("element/config.json")).unwrap()
}

/// Deploys, and gives the calls that changed something, and the warnings without those of the DNS.
fn deploy(host: &TestHost) -> (Vec<String>, Vec<String>) {
    host.changes();
    let output = host.ok("matrix:deploy matrix");
    let warnings = output.stderr.lines().filter(|line| line.contains("element"));
    (host.changes(), warnings.map(str::to_owned).collect())
}

const RESTART: &str = "dokku ps:restart chat";

/// The administrator's own file: made once, merged, and kept when Element Web is disabled.
#[test]
fn merges_the_local_file() {
    let host = create_host();
    host.ok("matrix:enable-element matrix");
    assert_eq!(host.read("element/local.json"), "{}\n");
    assert_eq!(settings(&host)["brand"], "Element");
    let own = "{\"brand\": \"Ours\",\n \"setting_defaults\": {\"breadcrumbs\": true}}";
    fs::write(host.file("element/local.json"), own).unwrap();
    assert_eq!(deploy(&host), (vec![RESTART.to_owned()], vec![]));
    let merged = settings(&host);
    assert_eq!(merged["brand"], "Ours");
    assert_eq!(merged["setting_defaults"]["breadcrumbs"], true);
    assert_eq!(merged["setting_defaults"]["UIFeature.widgets"], false);
    assert_eq!(deploy(&host), (vec![], vec![]));
    host.ok("matrix:disable-element matrix");
    assert_eq!(host.read("element/local.json"), own);
    host.ok("matrix:enable-element matrix");
    assert_eq!(host.read("element/local.json"), own);
    assert_eq!(settings(&host), merged);
    // Without it, there is a new one.
    fs::remove_file(host.file("element/local.json")).unwrap();
    assert_eq!(deploy(&host), (vec![RESTART.to_owned()], vec![]));
    assert_eq!(host.read("element/local.json"), "{}\n");
    assert_eq!(settings(&host)["brand"], "Element");
}

/// Every command that would write it refuses it first; what does not need it works.
#[test]
fn refuses_a_local_file_before_anything_is_changed() {
    let host = create_host();
    host.ok("matrix:enable-element matrix");
    let path = host.file("element/local.json");
    // Something that a deploy would put right, and stop the server for.
    host.setup(&["docker-options:remove matrix deploy,run --user <user>"]);
    for (text, error) in [
        (
            "{\n  \"brand\": \"s3cret\"\n  \"x\": 1}",
            vec!["is not valid: expected `,` or `}` at line 3 column 3"],
        ),
        ("[\"s3cret\"]", vec!["is not valid: expected an object, {...}, at line 1 column 1"]),
        (
            "{\"default_hs_url\": \"s3cret\"}",
            vec![
                "must not set default_hs_url: Element Web does not load with both this and default_server_config",
                "Remove it; Element Web knows the homeserver without it.",
            ],
        ),
    ] {
        fs::write(&path, text).unwrap();
        let before = host.dump();
        let file = "<host>/lib/data/matrix/matrix.site.test/element/local.json";
        let mut error: Vec<_> = error.into_iter().map(|line| format!(" !     {line}\n")).collect();
        error[0].insert_str(7, &format!("{file} "));
        for line in [
            "matrix:deploy matrix",
            "matrix:deploy matrix --dry-run",
            "matrix:create matrix",
            "matrix:enable-element matrix",
            "matrix:email matrix --smtp-host mail.site.test --from a@site.test",
        ] {
            let output = host.dokku(line);
            assert_eq!((output.code, output.stderr), (Some(1), error.concat()), "{line}");
            assert_eq!(host.dump(), before, "{line}");
        }
    }
    host.ok("matrix:report matrix");
    host.ok("ps:restart matrix");
    host.ok("matrix:disable-element matrix");
    host.ok("matrix:deploy matrix");
}

/// What somebody writes into the generated file is told, and kept beside it.
#[test]
fn keeps_what_was_written_by_hand() {
    let host = create_host();
    host.ok("matrix:enable-element matrix");
    let path = host.file("element/config.json");
    let told = |kept: &str| {
        let directory = "<host>/lib/data/matrix/matrix.site.test/element";
        vec![format!(
            " !     {directory}/config.json has another content than the plugin wrote: it is replaced, and kept as {kept}; settings of your own belong in {directory}/local.json"
        )]
    };
    let generated = host.read("element/config.json");
    let read = |name: &str| host.read(&format!("element/{name}"));
    let dry = |kept: &str| {
        let output = host.ok("matrix:deploy matrix --dry-run");
        assert!(output.stderr.contains(&told(kept)[0]), "{output:#?}");
    };
    fs::write(&path, "first").unwrap();
    dry("config.json.old");
    assert_eq!(read("config.json"), "first");
    assert_eq!(deploy(&host), (vec![RESTART.to_owned()], told("config.json.old")));
    assert_eq!((read("config.json"), read("config.json.old")), (generated, "first".to_owned()));
    assert_eq!(deploy(&host), (vec![], vec![]));
    // Each version once; also by the command that only writes Element Web's files.
    for (text, kept) in [("second", "config.json.old2"), ("first", "config.json.old")] {
        fs::write(&path, text).unwrap();
        let output = host.ok("matrix:enable-element matrix");
        assert!(output.stderr.contains(&told(kept)[0]), "{output:#?}");
    }
    assert_eq!(
        (read("config.json.old"), read("config.json.old2")),
        ("first".into(), "second".into())
    );
    assert!(!host.file("element/config.json.old3").exists());
    // A new text of the plugin's own replaces the old one without a word.
    fs::write(host.file("element/local.json"), "{\"brand\": \"Ours\"}").unwrap();
    assert_eq!(deploy(&host), (vec![RESTART.to_owned()], vec![]));
    assert!(!host.file("element/config.json.old3").exists());
    // Without a record, nobody knows whose it is.
    let generated = read("config.json");
    fs::remove_file(host.file("status.json")).unwrap();
    fs::write(host.file("element/local.json"), "{}").unwrap();
    assert_eq!(deploy(&host).1, told("config.json.old3"));
    assert_eq!(read("config.json.old3"), generated);
    // A lost record of the right file is only written again.
    fs::remove_file(host.file("status.json")).unwrap();
    assert_eq!(deploy(&host).1, [""; 0]);
    fs::write(host.file("element/local.json"), "{\"brand\": \"Ours\"}").unwrap();
    assert_eq!(deploy(&host).1, [""; 0]);
}

/// Without a mail server nobody can reset a password, or have an address to log in with.
#[test]
fn follows_the_mail_server() {
    let host = create_host();
    host.ok("matrix:enable-element matrix");
    let offered = || {
        let settings = settings(&host);
        let reset = settings["setting_defaults"]["UIFeature.passwordReset"].as_bool().unwrap();
        (reset, !settings["disable_3pid_login"].as_bool().unwrap())
    };
    assert_eq!(offered(), (false, false));
    for (line, expected) in [
        ("matrix:email matrix --smtp-host mail.site.test --from a@site.test", (true, true)),
        ("matrix:email matrix --off", (false, false)),
    ] {
        host.changes();
        host.ok(line);
        assert_eq!(offered(), expected, "{line}");
        assert!(host.changes().contains(&RESTART.to_owned()), "{line}");
        assert_eq!(deploy(&host), (vec![], vec![]), "{line}");
    }
}

/// Registration that the administrator opens is offered, as soon as Synapse has accepted the setting.
#[test]
fn follows_registration() {
    let host = create_host();
    host.ok("matrix:enable-element matrix");
    let path = host.file("config/homeserver.d/90-local.yaml");
    let before = fs::read_to_string(&path).unwrap();
    let open = "enable_registration: true\nregistration_requires_token: true\n";
    let restarts = vec!["dokku ps:restart matrix".to_owned(), RESTART.to_owned()];
    for (text, expected) in [(format!("{before}{open}"), true), (before, false)] {
        let offered = || settings(&host)["setting_defaults"]["UIFeature.registration"] == true;
        fs::write(&path, format!("{text}BROKEN\n")).unwrap();
        assert_eq!(host.dokku("matrix:deploy matrix").code, Some(1));
        assert_eq!(offered(), !expected);
        fs::write(&path, &text).unwrap();
        assert_eq!(deploy(&host), (restarts.clone(), vec![]));
        assert_eq!(offered(), expected);
        assert_eq!(deploy(&host), (vec![], vec![]));
    }
}

/// Docker creates a directory in place of a missing mounted file, so the file is written first.
#[test]
fn refuses_a_directory_at_the_mounted_file() {
    let host = create_host();
    let file = host.file("element/config.json");
    fs::create_dir_all(&file).unwrap();
    let output = host.dokku("matrix:enable-element matrix");
    let path = "<host>/lib/data/matrix/matrix.site.test/element/config.json";
    let error =
        format!(" !     {path} is a directory, which Docker made\n !     sudo rmdir {path}\n");
    assert_eq!((output.code, output.stderr), (Some(1), error));
    fs::remove_dir(&file).unwrap();
    host.ok("matrix:enable-element matrix");
    assert!(file.is_file());
}
