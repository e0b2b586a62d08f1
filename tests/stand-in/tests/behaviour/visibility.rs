//! Plugins with the trigger `user-auth-app` decide which apps a user may see.

use super::{ok, run, scene, stderr, stdout};
use stand_in::Scene;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

fn add(scene: &Scene, plugin: &str, script: &str) {
    let path = scene.enabled().join(plugin).join("user-auth-app");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/usr/bin/env bash\n{script}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
}

/// As on a real host, where a trigger hid one of two apps from one user.
#[test]
fn a_hidden_app_does_not_exist() {
    let scene = scene();
    let list = |format: &str| stdout(&run(&scene, &format!("dokku --quiet apps:list{format}")));
    assert_eq!(list(" --format json"), "[]\n");
    ok(&scene, &["dokku apps:create a", "dokku apps:create b"]);
    // Dokku's own plugin for events does not count.
    add(&scene, "20_events", "exit 0");
    assert_eq!(list(" --format json"), "[\"a\",\"b\"]\n");
    add(
        &scene,
        "auth",
        "[[ $1 == dokku && $2 == default ]] || exit 1\nshift 2\nfor app; do [[ $app == b ]] || echo $app; done",
    );
    assert_eq!((list(" --format json"), list("")), ("[\"a\"]\n".to_owned(), "a\n".to_owned()));
    for line in ["apps:exists b", "proxy:report b --proxy-type", "certs:report b --ssl-dir"] {
        let output = run(&scene, &format!("dokku {line}"));
        assert_eq!(output.status.code(), Some(20), "{line}");
        assert_eq!(stderr(&output), " !     App b does not exist\n", "{line}");
    }
    ok(&scene, &["dokku apps:exists a"]);
    let output = run(&scene, "dokku apps:create a");
    assert_eq!(stderr(&output), " !     Name is already taken\n");
    // One that prints nothing hides all.
    add(&scene, "auth", "exit 0");
    let output = run(&scene, "dokku --quiet apps:list");
    assert_eq!(stderr(&output), " !     You haven't deployed any applications yet\n");
    assert_eq!((output.status.code(), list(" --format json")), (Some(0), "[]\n".to_owned()));
}
