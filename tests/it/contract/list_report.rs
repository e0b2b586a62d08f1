//! `matrix:list`, `matrix:report`, and `dokku report`.

use super::harness::TestHost;
use insta::assert_snapshot;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn no_homeservers() {
    let host = TestHost::new();
    for line in ["matrix:list", "matrix:report"] {
        let output = host.dokku(line);
        let message = " !     There are no Matrix homeservers\n";
        assert_eq!(
            (output.code, output.stdout.as_str(), output.stderr.as_str()),
            (Some(0), "", message)
        );
    }
}

#[test]
fn reports() {
    let host = TestHost::new();
    host.ok("matrix:create matrix --email a@site.test --element");
    let other = host.homeserver("m2");
    host.ok("matrix:create m2 --tls off --server-name other.test --no-deploy");
    host.setup(&["apps:create other"]);
    let mut text = String::new();
    for line in [
        "matrix:list",
        "--quiet matrix:list",
        "matrix:report",
        "matrix:report m2",
        "matrix:report matrix --format json",
        "matrix:report matrix --format stdout",
        "matrix:report matrix --matrix-domain",
        "--quiet matrix:report matrix --matrix-element-url",
        "matrix:report --app matrix --matrix-tls",
        "matrix:report --matrix-domain",
        "matrix:report --matrix-nothing",
        "matrix:report matrix --matrix-nothing",
        "matrix:report matrix --matrix-domain --format json",
        "matrix:report matrix --format xml",
        "matrix:report nobody",
        "matrix:report other",
        "report matrix",
        "report other",
        "report chat",
    ] {
        text += &host.transcript(line);
        text.push('\n');
    }
    assert_snapshot!(text);
    drop(other);
}

/// A plugin hides apps from users, as Dokku lets it: for a command of ours they do not exist either.
#[test]
fn hidden_apps_do_not_exist() {
    const NONE: (i32, &str) = (20, " !     App matrix does not exist\n");
    const TAKEN: (i32, &str) = (1, " !     Name is already taken\n");
    let host = TestHost::new();
    let _other = host.homeserver("m2");
    host.ok("matrix:create matrix --tls off --element");
    host.ok("matrix:create m2 --tls off");
    let trigger = host.scene.enabled().join("auth/user-auth-app");
    fs::create_dir(trigger.parent().unwrap()).unwrap();
    let hide = |apps: &str| {
        let script = format!(
            "#!/usr/bin/env bash\n[[ $1 == dokku && $2 == default ]] || exit 1\nshift 2\n\
             for app; do [[ ' {apps} ' == *\" $app \"* ]] || echo $app; done\n"
        );
        fs::write(&trigger, script).unwrap();
        fs::set_permissions(&trigger, fs::Permissions::from_mode(0o755)).unwrap();
    };
    // All of them are visible.
    hide("");
    assert_eq!(host.ok("--quiet matrix:list").stdout, "m2\nmatrix\n");
    assert_eq!(host.ok("matrix:report m2 --matrix-app").stdout, "m2\n");
    hide("matrix chat");
    host.changes();
    let before = host.dump();
    assert_eq!(host.ok("--quiet matrix:list").stdout, "m2\n");
    assert_eq!(host.ok("matrix:report --matrix-app").stdout, "m2\n");
    for (line, (code, error)) in [
        ("matrix:report matrix", NONE),
        ("matrix:report matrix --format json", NONE),
        ("matrix:deploy matrix", NONE),
        ("matrix:email matrix --off", NONE),
        ("matrix:enable-element matrix", NONE),
        ("matrix:disable-element matrix", NONE),
        ("matrix:register-user matrix al", NONE),
        ("report matrix", NONE),
        ("matrix:create matrix --tls off", TAKEN),
        ("matrix:create chat --tls off", TAKEN),
        ("matrix:enable-element m2", TAKEN),
        ("matrix:create m2 --element", TAKEN),
    ] {
        let output = host.dokku_with(line, b"secret");
        assert_eq!((output.code, output.stderr.as_str()), (Some(code), error), "{line}");
        assert_eq!(host.changes(), [""; 0], "{line}");
    }
    assert_eq!(host.dump(), before);
    hide("matrix chat m2");
    assert_eq!(host.ok("matrix:list").stderr, " !     There are no Matrix homeservers\n");
    // Triggers work for every app.
    hide("matrix chat");
    let named = host.trigger("nginx-app-template-source", "matrix app-config").stdout;
    assert!(named.ends_with("nginx.conf.sigil\n"), "{named}");
}
