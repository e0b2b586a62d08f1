//! `matrix:enable-element` and `matrix:disable-element`.

use super::rig::{ELEMENT, Rig};
use insta::assert_snapshot;
use std::fs;

const CREATE: &str = "matrix:create matrix --tls off";

fn ready() -> Rig {
    let rig = Rig::new();
    rig.ok(CREATE);
    rig
}

/// An app of its own: made, served, and destroyed again.
#[test]
fn an_app_that_was_made() {
    let rig = ready();
    let before = rig.portrait();
    let dry = rig.whole("matrix:enable-element matrix --dry-run");
    assert_eq!(rig.portrait(), before);
    let first = rig.whole("matrix:enable-element matrix");
    let again = rig.whole("matrix:enable-element matrix");
    assert_eq!(rig.state().running("chat").next().unwrap().image, ELEMENT);
    let off = rig.whole("matrix:disable-element matrix");
    let state = rig.state();
    assert!(!state.apps.contains_key("chat"));
    assert_eq!(state.running("matrix").count(), 1);
    let off_again = rig.whole("matrix:disable-element matrix");
    assert_snapshot!([dry, first, again, off, off_again].join("\n"));
}

/// An app that was there, never deployed: used, and given back.
#[test]
fn an_app_that_was_taken_over() {
    let rig = ready();
    rig.setup(&[
        "apps:create web",
        "domains:set web w.site.test",
        "config:set --no-restart web A=b",
    ]);
    let mine = || rig.state().apps["web"].clone();
    let before = mine();
    let on = rig.whole("matrix:enable-element matrix --app web");
    let off = rig.whole("matrix:disable-element matrix");
    assert_snapshot!(format!("{on}\n{off}"));
    let after = mine();
    assert_eq!((after.config.get("A"), &after.mounts), (Some(&"b".to_owned()), &before.mounts));
    assert_eq!(after.config.get("ELEMENT_WEB_PORT"), None);
    assert_eq!(rig.state().running("web").count(), 0);
    assert!(!rig.scene.root().join("web/nginx.conf.d/matrix.conf").exists());
    rig.ok("matrix:enable-element matrix --app web");
    assert_eq!(rig.state().running("web").count(), 1);
}

/// A slip in the first name of an image must not be in the way of the homeserver.
#[test]
fn an_image_that_is_not_there() {
    let rig = ready();
    let before = rig.read("server.json");
    let ran = rig.dokku("matrix:enable-element matrix --image typo:1");
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert_eq!(rig.read("server.json"), before);
    rig.ok("matrix:deploy matrix");
    rig.ok("matrix:enable-element matrix");
    let before = rig.read("server.json");
    assert_eq!(rig.dokku("matrix:enable-element matrix --image typo:1").code, Some(1));
    assert_eq!(rig.read("server.json"), before);
}

#[test]
fn with_names_of_its_own_and_changed() {
    let rig = ready();
    let new = "vectorim/element-web:v1.13.0";
    rig.scene.update(|state| state.pullable.insert(new.into())).unwrap();
    let line = "matrix:enable-element matrix --app web --domain talk.site.test";
    let first = rig.whole(line);
    let config = rig.read("element/config.json");
    let other =
        rig.whole(&format!("matrix:enable-element matrix --image {new} --domain t.site.test"));
    assert_eq!(rig.state().running("web").next().unwrap().image, new);
    assert_snapshot!(format!("{first}\n{config}\n{other}"));
    assert_eq!(rig.state().apps["web"].domains, ["talk.site.test", "t.site.test"]);
}

#[test]
fn what_is_refused_changes_nothing() {
    let rig = ready();
    rig.website("site", "site.test");
    rig.setup(&["apps:create mine"]);
    let before = rig.portrait();
    for (line, code, said) in [
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
            "Element Web must not have the homeserver's own domain\nIt would let a page of one read the other; choose another one.",
        ),
        (
            "matrix:enable-element matrix --app matrix",
            2,
            "Element Web must not be in the homeserver's own app",
        ),
        ("matrix:disable-element nobody", 20, "App nobody does not exist"),
    ] {
        let ran = rig.dokku(line);
        let said: String = said.lines().map(|line| format!(" !     {line}\n")).collect();
        assert_eq!((ran.code, ran.stderr), (Some(code), said), "{line}");
        assert_eq!(rig.portrait(), before, "{line}");
    }
    rig.ok("matrix:enable-element matrix");
    for (line, code, said) in [
        ("matrix:enable-element matrix --app web", 2, "Element Web is in the app chat already"),
        ("matrix:create matrix --element web", 2, "Element Web is in the app chat already"),
        ("matrix:deploy chat", 1, "chat runs Element Web, of the homeserver matrix"),
        (
            "matrix:create chat --tls off",
            1,
            "chat runs Element Web, of the homeserver matrix.site.test",
        ),
        ("matrix:report chat", 1, "chat runs Element Web, of the homeserver matrix"),
    ] {
        let ran = rig.dokku(line);
        let first = ran.stderr.lines().next().unwrap_or_default();
        assert_eq!((ran.code, first), (Some(code), format!(" !     {said}").as_str()), "{line}");
    }
}

/// Docker makes a folder of a mounted file that is not there; the file is written before.
#[test]
fn the_file_is_there_before_it_is_mounted() {
    let rig = ready();
    let file = rig.file("element/config.json");
    fs::create_dir_all(&file).unwrap();
    let ran = rig.dokku("matrix:enable-element matrix");
    let said = "<host>/lib/data/matrix/matrix.site.test/element/config.json";
    let said = format!(" !     {said} is a folder, which Docker made\n !     sudo rmdir {said}\n");
    assert_eq!((ran.code, ran.stderr), (Some(1), said));
    fs::remove_dir(&file).unwrap();
    rig.ok("matrix:enable-element matrix");
    assert!(file.is_file());
}
