//! What Dokku calls at every deploy of every app: silent for apps that are not ours, exact for
//! those that are, and never anybody else's trouble.

use super::rig::{Rig, SYNAPSE};
use crate::plugin_copy::Ran;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// The triggers, with the arguments that Dokku gives for an app.
const TRIGGERS: [(&str, &str); 9] = [
    ("nginx-app-template-source", "APP app-config"),
    ("post-app-clone-setup", "APP copy"),
    ("post-app-rename", "before APP"),
    ("post-app-rename-setup", "APP after"),
    ("post-delete", "APP latest"),
    ("post-deploy", "APP - - latest"),
    ("pre-delete", "APP latest"),
    ("report", "APP"),
    ("scheduler-deploy", "docker-local APP latest"),
];

fn nothing() -> Ran {
    Ran { code: Some(0), stdout: String::new(), stderr: String::new() }
}

/// A host with the homeserver `matrix`.
fn host(flags: &str) -> Rig {
    Rig::after(&format!("matrix:create matrix --tls off {flags}"))
}

/// Nothing is printed, called, or changed for an app of somebody else.
fn leaves_alone(rig: &Rig, app: &str) {
    let before = rig.portrait();
    rig.changes();
    for (name, args) in TRIGGERS {
        assert_eq!(rig.trigger(name, &args.replace("APP", app)), nothing(), "{name}");
    }
    let calls: Vec<_> = rig.calls().iter().map(stand_in::Record::line).collect();
    assert_eq!(calls, [""; 0]);
    assert_eq!(rig.portrait(), before);
}

#[test]
fn foreign_apps_are_left_alone() {
    let rig = host("--element");
    rig.website("shop", "shop.site.test");
    rig.setup(&["storage:mount shop /srv/shop:/data", "storage:mount shop /srv/config:/config"]);
    leaves_alone(&rig, "shop");
    leaves_alone(&rig, "nobody");
    // Without an argument there is no app.
    for (name, _) in TRIGGERS {
        assert_eq!(rig.trigger(name, ""), nothing(), "{name}");
    }
}

/// On a host where the plugin was never used there is not even its folder.
#[test]
fn a_host_without_a_homeserver() {
    let rig = Rig::new();
    rig.website("shop", "shop.site.test");
    leaves_alone(&rig, "shop");
}

/// Whatever is broken in our files stays our own trouble.
#[test]
fn damage_of_ours_is_no_trouble_of_others() {
    let damages: [(&str, fn(&Rig)); 5] = [
        ("a marker", |rig| fs::write(rig.lib("data/matrix/.apps/matrix"), "x").unwrap()),
        ("an intent", |rig| fs::write(rig.file("server.json"), "{").unwrap()),
        ("no intent", |rig| fs::remove_file(rig.file("server.json")).unwrap()),
        ("the folder of the markers", |rig| {
            fs::remove_dir_all(rig.lib("data/matrix/.apps")).unwrap();
            fs::write(rig.lib("data/matrix/.apps"), "").unwrap();
        }),
        ("everything", |rig| fs::remove_dir_all(rig.lib("data/matrix")).unwrap()),
    ];
    let rig = host("");
    rig.website("shop", "shop.site.test");
    let folder = rig.lib("data/matrix");
    let kept = rig.lib("kept");
    for (what, damage) in damages {
        let copy = |from: &std::path::Path, to: &std::path::Path| {
            let mut cp = std::process::Command::new("cp");
            assert!(cp.arg("-a").arg(from).arg(to).status().unwrap().success());
        };
        copy(&folder, &kept);
        damage(&rig);
        leaves_alone(&rig, "shop");
        assert_eq!(rig.dokku("ps:restart shop").code, Some(0), "{what}");
        assert_eq!(rig.dokku("proxy:build-config shop").code, Some(0), "{what}");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::rename(&kept, &folder).unwrap();
    }
}

/// A marker that says something strange belongs to that app alone, and nothing but the guard of a
/// homeserver may fail for it.
#[test]
fn a_damaged_marker() {
    let rig = host("");
    rig.website("shop", "shop.site.test");
    for app in ["shop", "matrix"] {
        fs::write(rig.lib("data/matrix/.apps").join(app), "synapse no/name\n").unwrap();
    }
    let warns = |app: &str| Ran {
        stderr: format!(" !     <host>/lib/data/matrix/.apps/{app} is damaged\n"),
        ..nothing()
    };
    for (name, args) in TRIGGERS {
        assert_eq!(rig.trigger(name, &args.replace("APP", "shop")), warns("shop"), "{name}");
        if name != "scheduler-deploy" {
            assert_eq!(
                rig.trigger(name, &args.replace("APP", "matrix")),
                warns("matrix"),
                "{name}"
            );
        }
    }
    // The mounts of the homeserver's app still say what it is: the guard goes on as ever.
    assert_eq!(rig.trigger("scheduler-deploy", "docker-local matrix latest"), warns("matrix"));
    rig.changes();
    let ran = rig.dokku("ps:scale matrix web=2");
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert_eq!(
        rig.changes(),
        ["dokku ps:scale matrix web=2", "dokku ps:scale --skip-deploy matrix web=1"]
    );
}

#[test]
fn the_template_is_named_only_while_it_is_proved() {
    let rig = host("--element");
    let ask = |args: &str| rig.trigger("nginx-app-template-source", args);
    let path = "<host>/lib/data/matrix/matrix.site.test/nginx/nginx.conf.sigil\n";
    let named = Ran { stdout: path.to_owned(), ..nothing() };
    assert_eq!(ask("matrix app-config"), named);
    let others = [
        "matrix hsts-config",
        "matrix validate-config",
        "matrix",
        "chat app-config",
        "x app-config",
    ];
    for args in others {
        assert_eq!(ask(args), nothing(), "{args}");
    }
    let breaks: [(&str, fn(&Rig)); 4] = [
        ("changed by hand", |rig| {
            let template = rig.read("nginx/nginx.conf.sigil") + "# mine\n";
            fs::write(rig.file("nginx/nginx.conf.sigil"), template).unwrap();
        }),
        ("taken away", |rig| fs::remove_file(rig.file("nginx/nginx.conf.sigil")).unwrap()),
        ("proof missing", |rig| fs::remove_file(rig.file("nginx/proved")).unwrap()),
        ("nginx upgraded", |rig| {
            rig.scene.update(|state| state.nginx_version = "1.26.0".into()).unwrap();
        }),
    ];
    for (what, act) in breaks {
        act(&rig);
        assert_eq!(ask("matrix app-config"), nothing(), "{what}");
        rig.setup(&["proxy:build-config matrix"]);
        let conf = fs::read_to_string(rig.scene.root().join("matrix/nginx.conf")).unwrap();
        assert!(conf.contains("the built-in template"), "{what}");
        // Put right by hand's command, and used again.
        rig.changes();
        rig.ok("matrix:deploy matrix");
        assert_eq!(rig.changes(), ["dokku proxy:build-config matrix"], "{what}");
        assert_eq!(ask("matrix app-config"), named, "{what}");
        let conf = fs::read_to_string(rig.scene.root().join("matrix/nginx.conf")).unwrap();
        assert!(!conf.contains("the built-in template"), "{what}");
    }
    // nginx is gone: the built-in template it is, without a failure.
    fs::remove_file(rig.scene.bin().join("nginx")).unwrap();
    let mut command =
        std::process::Command::new(rig.scene.enabled().join("matrix/nginx-app-template-source"));
    command.args(["matrix", "app-config"]).env_clear().envs(rig.scene.env());
    command.env("PATH", rig.scene.bin());
    let ran = rig.run(command, b"");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:#?}");
}

/// A program of the host that does something else when a test holds, in bash.
pub(crate) fn instead(rig: &Rig, program: &str, test: &str, act: &str) {
    let link = rig.scene.bin().join(program);
    let real = fs::read_link(&link).unwrap();
    let script = format!(
        "#!/bin/bash\nif {test}; then {act}; fi\nexec -a {program} {} \"$@\"\n",
        real.display()
    );
    fs::remove_file(&link).unwrap();
    fs::write(&link, script).unwrap();
    fs::set_permissions(&link, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Dokku's built-in template serves, what must be hidden is hidden all the same, and it is said.
#[test]
fn a_template_that_the_host_rejects() {
    let emerg = r#"echo 'nginx: [emerg] unknown directive "http2" in x:9' >&2; exit 1"#;
    let cases = [
        (
            "sigil",
            "true",
            "echo 'template: no function x' >&2; exit 1",
            r#"sigil on the form "FORM": template: no function x"#,
        ),
        (
            "nginx",
            r#"[[ $* == *-c* ]]"#,
            emerg,
            r#"nginx on the form "FORM": nginx: [emerg] unknown directive "http2" in x:9"#,
        ),
    ];
    Rig::each(&cases, |(program, test, act, why)| {
        let rig = Rig::new();
        instead(&rig, program, test, act);
        let ran = rig.dokku("matrix:create matrix --tls off --domain localhost");
        let form = "never deployed";
        let why = why.replace("FORM", form);
        assert_eq!(ran.code, Some(3), "{ran:#?}");
        assert_eq!(
            ran.stderr,
            format!(
                " !     This host refuses the nginx template, so Dokku's built-in one serves matrix: {why}\n"
            )
        );
        let home = rig.scene.root().join("matrix");
        let conf = fs::read_to_string(home.join("nginx.conf")).unwrap();
        assert!(conf.contains("the built-in template"));
        let hidden = fs::read_to_string(home.join("nginx.conf.d/matrix.conf")).unwrap();
        for path in ["/_synapse/admin", "/_synapse/metrics", "/_synapse/replication"] {
            assert!(hidden.contains(&format!("location ^~ {path} {{")), "{path}");
        }
        assert!(hidden.contains("location = /.well-known/matrix/client {"));
        // A deploy says it too, and goes on.
        let ran = rig.trigger("scheduler-deploy", "docker-local matrix latest");
        let says =
            format!(" !     The nginx template is not used, Dokku's built-in one serves: {why}\n");
        assert_eq!(ran, Ran { stderr: says, ..nothing() });
        // The host is mended: the next deploy takes our own.
        fs::remove_file(rig.scene.bin().join(program)).unwrap();
        let real = fs::read_link(rig.scene.bin().join("docker")).unwrap();
        std::os::unix::fs::symlink(real, rig.scene.bin().join(program)).unwrap();
        assert_eq!(rig.dokku("matrix:deploy matrix").code, Some(0));
        let conf = fs::read_to_string(home.join("nginx.conf")).unwrap();
        assert!(!conf.contains("the built-in template"));
    });
}

/// nginx was upgraded and takes the template no more: what it would have to read is built anew, and
/// then there is nothing left to do until the host is mended.
#[test]
fn a_template_that_the_host_rejects_by_now() {
    let rig = host("--domain localhost");
    let conf = || fs::read_to_string(rig.scene.root().join("matrix/nginx.conf")).unwrap();
    assert!(!conf().contains("the built-in template"));
    rig.scene.update(|state| state.nginx_version = "1.26.0".into()).unwrap();
    let nginx = rig.scene.bin().join("nginx");
    let real = fs::read_link(&nginx).unwrap();
    let emerg = "echo 'nginx: [emerg] unknown directive' >&2; exit 1";
    instead(&rig, "nginx", "[[ $* == *-c* ]]", emerg);
    let build = "dokku proxy:build-config matrix";
    let done = "nothing had to be changed\n";
    let nothing_to_do = "nothing would be changed\n";
    for (line, changes, says) in [
        ("matrix:deploy matrix", &[build][..], "runs, but needs you"),
        ("matrix:deploy matrix", &[], done),
        ("matrix:deploy matrix --dry-run", &[], nothing_to_do),
    ] {
        let ran = rig.dokku(line);
        assert_eq!(ran.code, Some(3), "{ran:#?}");
        assert!(ran.stdout.contains(says), "{ran:#?}");
        assert!(ran.stderr.starts_with(" !     This host refuses the nginx template"), "{ran:#?}");
        assert_eq!(rig.changes(), changes);
        assert!(conf().contains("the built-in template"));
        assert_eq!(rig.trigger("nginx-app-template-source", "matrix app-config"), nothing());
    }
    // The guard says it, and after it has looked the built-in template still serves.
    rig.setup(&["ps:restart matrix"]);
    assert!(conf().contains("the built-in template"));
    fs::remove_file(&nginx).unwrap();
    std::os::unix::fs::symlink(real, &nginx).unwrap();
    assert_eq!(rig.dokku("matrix:deploy matrix").code, Some(0));
    assert_eq!(rig.changes(), [build]);
    assert!(!conf().contains("the built-in template"));
}

#[test]
fn after_a_deploy_it_is_told_when_synapse_is_not_ready() {
    let rig = host("--element");
    assert_eq!(rig.trigger("post-deploy", "matrix - - latest"), nothing());
    assert_eq!(rig.trigger("post-deploy", "chat - - latest"), nothing());
    rig.synapse.never_ready(SYNAPSE);
    let line = "password=hunter2 is wrong".to_owned();
    let log = vec!["2026 - synapse - INFO - starting".to_owned(), line];
    rig.scene.update(|state| state.logs.insert("matrix".into(), log)).unwrap();
    let says = " !     matrix is not ready yet
 !       | 2026 - synapse - INFO - starting
 !       | password=***
 !     dokku logs matrix --tail
 !     dokku matrix:deploy matrix waits for it and says more
";
    let warned = Ran { stderr: says.to_owned(), ..nothing() };
    assert_eq!(rig.trigger("post-deploy", "matrix - - latest"), warned);
    // A deploy that took is no failure.
    let ran = rig.dokku("ps:restart matrix");
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.contains(says), "{ran:#?}");
    assert_eq!(rig.changes(), ["dokku ps:restart matrix"]);
    // With its database gone it answers, and is not ready either.
    let rig = host("");
    rig.setup(&["postgres:stop matrix-db"]);
    let ran = rig.trigger("post-deploy", "matrix - - latest");
    assert_eq!(ran.code, Some(0));
    assert!(ran.stderr.starts_with(" !     matrix is not ready yet\n"), "{ran:#?}");
}

#[test]
fn the_report_has_our_section() {
    let rig = host("--element");
    let section = "\
=====> matrix matrix information
       Matrix app:                    matrix
       Matrix data dir:               <host>/lib/data/matrix/matrix.site.test
       Matrix domain:                 matrix.site.test
       Matrix element app:            chat
       Matrix element url:            http://chat.site.test
       Matrix failed image:
       Matrix image:                  matrixdotorg/synapse:v1.163.2
       Matrix image deployed:         matrixdotorg/synapse:v1.163.2
       Matrix port 8448:              false
       Matrix running:                true
       Matrix server name:            matrix.site.test
       Matrix service:                matrix-db
       Matrix tls:                    off
";
    assert_eq!(rig.dokku("report matrix"), Ran { stdout: section.into(), ..nothing() });
    assert_eq!(rig.dokku("report chat"), nothing());
    fs::write(rig.file("server.json"), "{").unwrap();
    let ran = rig.dokku("report matrix");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    let path = "<host>/lib/data/matrix/matrix.site.test/server.json";
    assert!(ran.stderr.starts_with(&format!(" !     {path} is damaged: ")), "{ran:#?}");
}
