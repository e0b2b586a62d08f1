//! `matrix:enable-element` and `matrix:disable-element`.

use super::harness::{ELEMENT, TestHost};
use insta::assert_snapshot;
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
