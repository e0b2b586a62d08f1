//! Help, invalid command lines, and the preflight.

use super::harness::{TestHost, in_parallel};
use insta::assert_snapshot;
use std::process::Command;

#[test]
fn help() {
    let host = TestHost::new();
    let mut text = String::new();
    for line in [
        "matrix",
        "matrix:help",
        "matrix:help create",
        "matrix:help matrix:deploy",
        "matrix:create --help",
        "matrix:deploy -h",
        "matrix:register-user --help",
        "matrix:email --help",
        "matrix:enable-element --help",
        "matrix:disable-element --help",
        "matrix:list --help",
        "matrix:report --help",
        "matrix:help nothing",
    ] {
        text += &host.transcript(line);
        text.push('\n');
    }
    assert_snapshot!(text);
}

/// Dokku runs this script of every plugin for `dokku help` and for unknown commands.
#[test]
fn commands_script() {
    let host = TestHost::new();
    let run = |args: &[&str]| {
        let mut command = Command::new(host.scene.enabled().join("matrix/commands"));
        command.args(args).env_clear().envs(host.scene.env());
        let output = host.run(command, b"");
        (output.code, output.stdout, output.stderr)
    };
    let line = "    matrix, Manage Matrix homeservers\n".to_owned();
    assert_eq!(run(&["help"]), (Some(0), line, String::new()));
    let help_text = host.dokku("matrix:help").stdout;
    assert_eq!(run(&["matrix"]), (Some(0), help_text.clone(), String::new()));
    assert_eq!(run(&["matrix:help"]), (Some(0), help_text, String::new()));
    for other in ["matrix:nothing", "postgres:create", "apps"] {
        assert_eq!(run(&[other]), (Some(10), String::new(), String::new()), "{other}");
    }
}

#[test]
fn invalid_command_lines_change_nothing() {
    let host = TestHost::new();
    let before = host.dump();
    let mut text = String::new();
    for line in [
        "matrix:create",
        "matrix:create Matrix",
        "matrix:create matrix more",
        "matrix:create matrix --nothing",
        "matrix:create matrix --server-name 10.0.0.1",
        "matrix:create matrix --server-name https://example.org",
        "matrix:create matrix --server-name @alice:example.org",
        "matrix:create matrix --server-name münchen.example",
        "matrix:create matrix --domain matrix.example.org/",
        "matrix:create https://example.org",
        "matrix:create matrix --domain a..b",
        "matrix:create matrix --email nobody",
        "matrix:create matrix --image synapse",
        "matrix:create matrix --tls on",
        "matrix:create matrix --timeout 5",
        "matrix:create matrix --service -x",
        "matrix:create matrix --support-page ftp://x",
        "matrix:create matrix --support-mxid alice",
        "matrix:create matrix --element Chat",
        "matrix:create matrix --tls off --element matrix",
        "matrix:create matrix",
        "matrix:deploy",
        "matrix:register-user",
        "matrix:register-user matrix",
        "matrix:list more",
        "matrix:nothing",
    ] {
        let output = host.dokku(line);
        text += &format!(
            "$ dokku {line}\n{}{}--- {}\n",
            output.stdout,
            output.stderr,
            output.code.unwrap()
        );
    }
    assert_snapshot!(text);
    assert_eq!(host.changes(), [""; 0]);
    assert_eq!(host.dump(), before);
}

/// If a service turns out to be unsuitable, another one can be named as long as nothing is stored.
#[test]
fn allows_another_service_while_nothing_is_stored() {
    let host = TestHost::new();
    host.setup(&["apps:create matrix", "postgres:create matrix-db"]);
    let output = host.dokku("matrix:create matrix --tls off");
    assert!(
        output.stderr.contains("dokku matrix:create matrix --tls off --service <name>"),
        "{output:#?}"
    );
    host.ok("matrix:create matrix --tls off --service matrix-db2");
    assert_eq!(host.read("server.json").matches("matrix-db2").count(), 1);
    assert!(host.state().services["matrix-db"].links.is_empty());
}

/// Whatever prevents a command is detected before anything changes.
#[test]
fn preflight() {
    const LINE: &str = "matrix:create matrix --email a@site.test --element";
    let cases: &[(&str, &str, fn(&TestHost))] = &[
        ("an old Dokku", LINE, |host| {
            host.scene.update(|state| state.version = "0.38.21".into()).unwrap();
        }),
        ("no postgres", LINE, |host| host.scene.disable_plugin("postgres").unwrap()),
        ("no letsencrypt", LINE, |host| host.scene.disable_plugin("letsencrypt").unwrap()),
        ("no global domain", LINE, |host| {
            host.scene.update(|state| state.global_domains.clear()).unwrap();
        }),
        ("a domain that is taken", LINE, |host| host.website("site", "matrix.site.test")),
        ("a domain of Element that is taken", LINE, |host| host.website("site", "chat.site.test")),
        ("an app that is deployed", LINE, |host| {
            host.website("matrix", "other.site.test");
        }),
        ("a service of another app", LINE, |host| {
            host.setup(&[
                "apps:create other",
                "postgres:create matrix-db --custom-env POSTGRES_INITDB_ARGS=--encoding=UTF8;LC_ALL=C",
                "postgres:link matrix-db other --no-restart",
            ]);
        }),
        ("a service without its database", LINE, |host| {
            host.setup(&["postgres:create matrix-db --custom-env LC_ALL=C"]);
        }),
        ("a service with another locale", LINE, |host| {
            host.setup(&["postgres:create matrix-db"]);
        }),
        (
            "Element Web in the same app",
            "matrix:create matrix --tls off --domain m.site.test --element matrix",
            |_| (),
        ),
        (
            "a server name that is taken",
            "matrix:create m2 --tls off --server-name matrix.site.test",
            |host| {
                host.ok("matrix:create matrix --tls off");
            },
        ),
        ("another server name", "matrix:create matrix --server-name other.test", |host| {
            host.ok("matrix:create matrix --tls off");
        }),
        ("another service", "matrix:create matrix --service other", |host| {
            host.ok("matrix:create matrix --tls off");
        }),
        ("a clone", "matrix:create copy --tls off", |host| {
            host.ok("matrix:create matrix --tls off");
            host.setup(&["apps:clone --skip-deploy matrix copy"]);
        }),
        ("a spec of a newer version", "matrix:create matrix --tls off", |host| {
            host.ok("matrix:create matrix --tls off");
            let text = host.read("server.json").replace("\"version\": 2", "\"version\": 3");
            std::fs::write(host.file("server.json"), text).unwrap();
        }),
    ];
    let results = std::sync::Mutex::new(vec![]);
    in_parallel(cases, |(case, line, before)| {
        let host = TestHost::new();
        before(&host);
        host.changes();
        let output = host.dokku(line);
        assert_eq!(host.changes(), [""; 0], "{case}");
        let code = output.code.unwrap();
        let index = cases.iter().position(|other| other.0 == *case);
        let text = format!("{case}\n$ dokku {line}\n{}--- {code}\n", output.stderr);
        results.lock().unwrap().push((index, text));
    });
    let mut results = results.into_inner().unwrap();
    results.sort();
    assert_snapshot!(results.into_iter().map(|(_, text)| text).collect::<String>());
}
