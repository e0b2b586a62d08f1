//! The triggers, which Dokku runs for every app. They do nothing for apps that have nothing to do
//! with Matrix, whatever the state of the plugin's data.

use super::harness::{SYNAPSE, TestHost, in_parallel};
use crate::support::Output;
use std::fs;

/// The triggers, with the arguments that Dokku passes for an app.
const TRIGGERS: [(&str, &str); 10] = [
    ("nginx-app-template-source", "APP app-config"),
    ("nginx-pre-reload", "APP - -"),
    ("post-app-clone-setup", "APP copy"),
    ("post-app-rename", "before APP"),
    ("post-app-rename-setup", "APP after"),
    ("post-delete", "APP latest"),
    ("post-deploy", "APP - - latest"),
    ("pre-delete", "APP latest"),
    ("report", "APP"),
    ("scheduler-deploy", "docker-local APP latest"),
];

fn silent() -> Output {
    Output { code: Some(0), stdout: String::new(), stderr: String::new() }
}

/// A host with the homeserver `matrix`.
fn create_host(flags: &str) -> TestHost {
    TestHost::after(&format!("matrix:create matrix --tls off {flags}"))
}

/// Checks that the triggers print, call, and change nothing for this app.
fn assert_ignored(host: &TestHost, app: &str) {
    let before = host.dump();
    host.changes();
    for (name, args) in TRIGGERS {
        assert_eq!(host.trigger(name, &args.replace("APP", app)), silent(), "{name}");
    }
    let calls: Vec<_> = host.calls().iter().map(stand_in::Record::line).collect();
    assert_eq!(calls, [""; 0]);
    assert_eq!(host.dump(), before);
}

#[test]
fn ignores_other_apps() {
    let host = create_host("--element");
    host.website("shop", "shop.site.test");
    host.setup(&["storage:mount shop /srv/shop:/data", "storage:mount shop /srv/config:/config"]);
    assert_ignored(&host, "shop");
    assert_ignored(&host, "nobody");
    // Without an argument there is no app.
    for (name, _) in TRIGGERS {
        assert_eq!(host.trigger(name, ""), silent(), "{name}");
    }
}

/// Where the plugin was never used, not even its data directory exists.
#[test]
fn ignores_apps_without_a_homeserver() {
    let host = TestHost::new();
    host.website("shop", "shop.site.test");
    assert_ignored(&host, "shop");
}

#[test]
fn damaged_plugin_data_does_not_affect_other_apps() {
    let damages: [(&str, fn(&TestHost)); 5] = [
        ("a marker", |host| fs::write(host.lib("data/matrix/.host/apps/matrix"), "x").unwrap()),
        ("a damaged spec", |host| fs::write(host.file("server.json"), "{").unwrap()),
        ("no spec", |host| fs::remove_file(host.file("server.json")).unwrap()),
        ("the directory of the markers", |host| {
            fs::remove_dir_all(host.lib("data/matrix/.host/apps")).unwrap();
            fs::write(host.lib("data/matrix/.host/apps"), "").unwrap();
        }),
        ("everything", |host| fs::remove_dir_all(host.lib("data/matrix")).unwrap()),
    ];
    let host = create_host("");
    host.website("shop", "shop.site.test");
    let directory = host.lib("data/matrix");
    let kept = host.lib("kept");
    for (case, damage) in damages {
        let copy = |from: &std::path::Path, to: &std::path::Path| {
            let mut cp = std::process::Command::new("cp");
            assert!(cp.arg("-a").arg(from).arg(to).status().unwrap().success());
        };
        copy(&directory, &kept);
        damage(&host);
        assert_ignored(&host, "shop");
        assert_eq!(host.dokku("ps:restart shop").code, Some(0), "{case}");
        assert_eq!(host.dokku("proxy:build-config shop").code, Some(0), "{case}");
        if directory.exists() {
            fs::remove_dir_all(&directory).unwrap();
        }
        fs::rename(&kept, &directory).unwrap();
    }
}

/// A damaged marker affects only its own app, and may make only the guard of a homeserver fail.
#[test]
fn damaged_marker_affects_only_its_app() {
    let host = create_host("");
    host.website("shop", "shop.site.test");
    for app in ["shop", "matrix"] {
        fs::write(host.lib("data/matrix/.host/apps").join(app), "synapse no/name\n").unwrap();
    }
    let warns = |app: &str| Output {
        stderr: format!(
            " !     <host>/lib/data/matrix/.host/apps/{app} is damaged
 !     Remove it, then run matrix:create for its homeserver again.\n"
        ),
        ..silent()
    };
    for (name, args) in TRIGGERS {
        assert_eq!(host.trigger(name, &args.replace("APP", "shop")), warns("shop"), "{name}");
        if name != "scheduler-deploy" {
            assert_eq!(
                host.trigger(name, &args.replace("APP", "matrix")),
                warns("matrix"),
                "{name}"
            );
        }
    }
    // The mounts still identify the homeserver's app, so the guard works as usual.
    assert_eq!(host.trigger("scheduler-deploy", "docker-local matrix latest"), warns("matrix"));
    host.changes();
    let output = host.dokku("ps:scale matrix web=2");
    assert_eq!(output.code, Some(1), "{output:#?}");
    assert_eq!(
        host.changes(),
        ["dokku ps:scale matrix web=2", "dokku ps:scale --skip-deploy matrix web=1"]
    );
}

#[test]
fn template_is_used_only_while_verified() {
    let host = create_host("--element");
    let template = |args: &str| host.trigger("nginx-app-template-source", args);
    let path = "<host>/lib/data/matrix/matrix.site.test/nginx/nginx.conf.sigil\n";
    let named = Output { stdout: path.to_owned(), ..silent() };
    assert_eq!(template("matrix app-config"), named);
    let others = [
        "matrix hsts-config",
        "matrix validate-config",
        "matrix",
        "chat app-config",
        "x app-config",
    ];
    for args in others {
        assert_eq!(template(args), silent(), "{args}");
    }
    let breaks: [(&str, fn(&TestHost)); 5] = [
        ("changed by hand", |host| {
            let template = host.read("nginx/nginx.conf.sigil") + "# mine\n";
            fs::write(host.file("nginx/nginx.conf.sigil"), template).unwrap();
        }),
        ("removed", |host| fs::remove_file(host.file("nginx/nginx.conf.sigil")).unwrap()),
        ("record of the verification missing", |host| {
            fs::remove_file(host.file("status.json")).unwrap();
        }),
        ("nginx upgraded", |host| {
            host.scene.update(|state| state.nginx_version = "1.26.0".into()).unwrap();
        }),
        ("sigil upgraded", |host| {
            host.scene.update(|state| state.sigil_version = "0.12.1".into()).unwrap();
        }),
    ];
    for (case, action) in breaks {
        action(&host);
        assert_eq!(template("matrix app-config"), silent(), "{case}");
        host.setup(&["proxy:build-config matrix"]);
        let conf = fs::read_to_string(host.scene.root().join("matrix/nginx.conf")).unwrap();
        assert!(conf.contains("the built-in template"), "{case}");
        // A deploy verifies it again.
        host.changes();
        host.ok("matrix:deploy matrix");
        // Without a record it is not known either what runs.
        let wanted: &[&str] = match case {
            "record of the verification missing" => {
                &["dokku ps:restart matrix", "dokku ps:restart chat"]
            }
            _ => &["dokku proxy:build-config matrix"],
        };
        assert_eq!(host.changes(), wanted, "{case}");
        assert_eq!(template("matrix app-config"), named, "{case}");
        let conf = fs::read_to_string(host.scene.root().join("matrix/nginx.conf")).unwrap();
        assert!(!conf.contains("the built-in template"), "{case}");
    }
    // Without nginx the built-in template is used, and the trigger does not fail.
    fs::remove_file(host.scene.bin().join("nginx")).unwrap();
    let mut command =
        std::process::Command::new(host.scene.enabled().join("matrix/nginx-app-template-source"));
    command.args(["matrix", "app-config"]).env_clear().envs(host.scene.env());
    command.env("PATH", host.scene.bin());
    let output = host.run(command, b"");
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""), "{output:#?}");
}

/// A warning says that Dokku's built-in template is used. The admin API is hidden all the same.
#[test]
fn rejected_template_is_replaced_by_the_built_in_one() {
    let emerg = r#"echo 'nginx: [emerg] unknown directive "http2" in x:9' >&2; exit 1"#;
    let cases = [
        (
            "sigil",
            "[[ $* == -f* ]]",
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
    in_parallel(&cases, |(program, condition, action, reason)| {
        let host = TestHost::new();
        host.override_program(program, condition, action);
        let output = host.dokku("matrix:create matrix --tls off --domain localhost");
        let form = "never deployed";
        let reason = reason.replace("FORM", form);
        assert_eq!(output.code, Some(3), "{output:#?}");
        assert_eq!(
            output.stderr,
            format!(
                " !     This host refuses the nginx template, so Dokku's built-in one serves matrix: {reason}\n"
            )
        );
        let home = host.scene.root().join("matrix");
        let conf = fs::read_to_string(home.join("nginx.conf")).unwrap();
        assert!(conf.contains("the built-in template"));
        let hidden = fs::read_to_string(home.join("nginx.conf.d/matrix.conf")).unwrap();
        for path in ["/_synapse/admin", "/_synapse/metrics", "/_synapse/replication"] {
            assert!(hidden.contains(&format!("location ^~ {path} {{")), "{path}");
        }
        assert!(hidden.contains("location = /.well-known/matrix/client {"));
        // A deploy warns, too, and continues.
        let output = host.trigger("scheduler-deploy", "docker-local matrix latest");
        let message = format!(
            " !     The nginx template is not used, Dokku's built-in one serves: {reason}\n"
        );
        assert_eq!(output, Output { stderr: message, ..silent() });
        // Once the program works again, the next deploy uses the plugin's template.
        fs::remove_file(host.scene.bin().join(program)).unwrap();
        let real = fs::read_link(host.scene.bin().join("docker")).unwrap();
        std::os::unix::fs::symlink(real, host.scene.bin().join(program)).unwrap();
        assert_eq!(host.dokku("matrix:deploy matrix").code, Some(0));
        let conf = fs::read_to_string(home.join("nginx.conf")).unwrap();
        assert!(!conf.contains("the built-in template"));
    });
}

/// The upgraded nginx rejects the template. The configuration is rebuilt once with the built-in
/// template, and further deploys change nothing until nginx accepts the template again.
#[test]
fn template_is_rejected_after_an_nginx_upgrade() {
    let host = create_host("--domain localhost");
    let conf = || fs::read_to_string(host.scene.root().join("matrix/nginx.conf")).unwrap();
    assert!(!conf().contains("the built-in template"));
    host.scene.update(|state| state.nginx_version = "1.26.0".into()).unwrap();
    let nginx = host.scene.bin().join("nginx");
    let real = fs::read_link(&nginx).unwrap();
    let emerg = "echo 'nginx: [emerg] unknown directive' >&2; exit 1";
    host.override_program("nginx", "[[ $* == *-c* ]]", emerg);
    let build = "dokku proxy:build-config matrix";
    let done = "nothing had to be changed\n";
    let nothing_to_do = "nothing would be changed\n";
    for (line, changes, message) in [
        ("matrix:deploy matrix", &[build][..], "runs, but needs you"),
        ("matrix:deploy matrix", &[], done),
        ("matrix:deploy matrix --dry-run", &[], nothing_to_do),
    ] {
        let output = host.dokku(line);
        assert_eq!(output.code, Some(3), "{output:#?}");
        assert!(output.stdout.contains(message), "{output:#?}");
        assert!(
            output.stderr.starts_with(" !     This host refuses the nginx template"),
            "{output:#?}"
        );
        assert_eq!(host.changes(), changes);
        assert!(conf().contains("the built-in template"));
        assert_eq!(host.trigger("nginx-app-template-source", "matrix app-config"), silent());
    }
    // The guard verifies the template again, too, and the built-in one stays in use.
    host.setup(&["ps:restart matrix"]);
    assert!(conf().contains("the built-in template"));
    fs::remove_file(&nginx).unwrap();
    std::os::unix::fs::symlink(real, &nginx).unwrap();
    assert_eq!(host.dokku("matrix:deploy matrix").code, Some(0));
    assert_eq!(host.changes(), [build]);
    assert!(!conf().contains("the built-in template"));
}

#[test]
fn post_deploy_warns_when_synapse_is_not_ready() {
    let host = create_host("--element");
    assert_eq!(host.trigger("post-deploy", "matrix - - latest"), silent());
    assert_eq!(host.trigger("post-deploy", "chat - - latest"), silent());
    host.synapse.never_ready(SYNAPSE);
    let line = "password=hunter2 is wrong".to_owned();
    let log = vec!["2026 - synapse - INFO - starting".to_owned(), line];
    host.scene.update(|state| state.logs.insert("matrix".into(), log)).unwrap();
    let message = " !     matrix is not ready yet
 !       | 2026 - synapse - INFO - starting
 !       | password=***
 !     dokku logs matrix --tail
 !     To wait for it and see more: dokku matrix:deploy matrix
";
    let warned = Output { stderr: message.to_owned(), ..silent() };
    assert_eq!(host.trigger("post-deploy", "matrix - - latest"), warned);
    // The deploy itself has succeeded, so this is only a warning.
    let output = host.dokku("ps:restart matrix");
    assert_eq!(output.code, Some(0));
    assert!(output.stdout.contains(message), "{output:#?}");
    assert_eq!(host.changes(), ["dokku ps:restart matrix"]);
    // Without its database Synapse answers, but is not ready.
    let host = create_host("");
    host.setup(&["postgres:stop matrix-db"]);
    let output = host.trigger("post-deploy", "matrix - - latest");
    assert_eq!(output.code, Some(0));
    assert!(output.stderr.starts_with(" !     matrix is not ready yet\n"), "{output:#?}");
}

#[test]
fn report_has_a_matrix_section() {
    let host = create_host("--element");
    let section = "\
=====> matrix matrix information
       Matrix app:                    matrix
       Matrix data dir:               <host>/lib/data/matrix/matrix.site.test
       Matrix domain:                 matrix.site.test
       Matrix element app:            chat
       Matrix element local file:     <host>/lib/data/matrix/matrix.site.test/element/local.json
       Matrix element url:            http://chat.site.test
       Matrix failed image:
       Matrix federation:             off
       Matrix image:                  matrixdotorg/synapse:v1.163.2
       Matrix image deployed:         matrixdotorg/synapse:v1.163.2
       Matrix port 8448:              false
       Matrix running:                true
       Matrix server name:            matrix.site.test
       Matrix service:                matrix-db
       Matrix tls:                    off
";
    assert_eq!(host.dokku("report matrix"), Output { stdout: section.into(), ..silent() });
    assert_eq!(host.dokku("report chat"), silent());
    fs::write(host.file("server.json"), "{").unwrap();
    let output = host.dokku("report matrix");
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""));
    let path = "<host>/lib/data/matrix/matrix.site.test/server.json";
    assert!(output.stderr.starts_with(&format!(" !     {path} is damaged: ")), "{output:#?}");
}

/// While the plugin is updated, there are links of a newer version already, and an older binary.
#[test]
fn ignores_triggers_of_a_newer_version() {
    let host = TestHost::new();
    let link = host.scene.path().join("post-something-new");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_dokku-matrix"), &link).unwrap();
    let output = std::process::Command::new(link).args(["shop", "latest"]).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty());
}
