//! Unsupported calls are refused with an error that no test can mistake for an answer.

use std::panic;

use stand_in::State;

use crate::{SYNAPSE, deployed, ok, run, scene, stderr, stdout};

/// Commands with `|` between the arguments.
const CALLS: [&str; 67] = [
    // Verbs that the stand-in does not support, and areas that it does not support.
    "dokku",
    "dokku|help",
    "dokku|apps:lock|m",
    "dokku|apps:exist|m",
    "dokku|buildpacks:list|m",
    "dokku|certs:add|m",
    "dokku|checks:run|m",
    "dokku|config",
    "dokku|config:clear|m",
    "dokku|domains:set-global|example.test",
    "dokku|git:sync|m",
    "dokku|letsencrypt:auto-renew",
    "dokku|logs:set|m|vector-sink",
    "dokku|nginx:show-config|m",
    "dokku|plugin:install|url",
    "dokku|postgres:enter|db",
    "dokku|postgres:export|db",
    "dokku|ps:inspect|m",
    "dokku|redis:create|db",
    "dokku|scheduler:set|m|selected|null",
    "dokku|storage:exec|m",
    // Unsupported flags and arguments of supported verbs.
    "dokku|apps:exists|m|--quick",
    "dokku|apps:list|m",
    "dokku|apps:report|m|--app-nosuch",
    "dokku|apps:report|m|--format|yaml",
    "dokku|apps:destroy|m|--yes",
    "dokku|checks:disable|m|web|worker",
    "dokku|config:export|--format|shell|m",
    "dokku|config:set|--encoded|m|A=b",
    "dokku|git:from-image|m|image|--build-dir|x",
    "dokku|letsencrypt:cron-job|--nosuch",
    "dokku|logs|m|--tail",
    "dokku|postgres:create|other|--image-version|17",
    "dokku|postgres:info|db|--nosuch",
    "dokku|ps:scale|m|web=1|--nosuch",
    "dokku|storage:list|m|--format|yaml",
    "dokku|storage:destroy|entry",
    // Commands in containers.
    "dokku|enter|m|web|ls",
    "dokku|run|m|run",
    "docker|run|--rm|IMAGE|ls",
    "docker|run|--rm|--privileged|IMAGE|-|check|/config/homeserver.d",
    "docker|run|--entrypoint|python|IMAGE|-|check|/config/homeserver.d",
    "docker|run|--rm|--entrypoint|python|--env|A=b|IMAGE|-|check|/config/homeserver.d",
    "docker|run|--rm|--entrypoint|python|--network=host|IMAGE|-|check|/config/homeserver.d",
    "docker|run|--rm|--entrypoint|python|-v|named:/data|IMAGE|-|check|/config/homeserver.d",
    "docker|exec|m.web.1|ls",
    "docker|exec|--user|0|m.web.1|python|-c|psycopg2",
    "docker|exec|-t|m.web.1|ls",
    "docker|exec|dokku.postgres.db|pg_dump",
    "docker|exec|dokku.postgres.db|psql|--csv|-c|select 1",
    // Docker.
    "docker|rm|m.web.1",
    "docker|volume|ls",
    "docker|ps",
    "docker|ps|-q|--last|1",
    "docker|ps|-q|--filter|ancestor=x",
    "docker|ps|--format|{{.Ports}}",
    "docker|image|inspect|--format|{{.Nosuch}}|IMAGE",
    "docker|image|inspect|--format|{{len .RepoTags}}|IMAGE",
    "docker|container|inspect|--size|m.web.1",
    // The other programs.
    "sudo|ufw|status",
    "sudo|-n|systemctl|reload|nginx",
    "sudo|-n|ufw|status|verbose",
    "sudo|-n|ufw|enable",
    "nginx|-s|reload",
    "sudo|-n|nginx|-t|-q",
    "sigil|-p|-f|/dev/null",
    "sigil|/dev/null",
];

/// SQL for `psql`.
const SQL: [&str; 6] = [
    "SELECT version();",
    "DROP DATABASE db;",
    "SELECT count(*) FROM pg_tables;",
    "SELECT datname,pg_encoding_to_char(encoding) FROM pg_database;",
    "\\pset pager off\nSELECT 1;",
    "\\l\n",
];

#[test]
fn refuses_unsupported_calls() {
    let scene = scene();
    deployed(&scene, "m");
    ok(&scene, &["dokku postgres:create db"]);
    // A refused call may have used up an id.
    let state = || format!("{:?}", State { serial: 0, ..scene.state().unwrap() });
    let before = state();
    let calls = CALLS.map(|line| (line, None)).into_iter();
    for (line, stdin) in calls.chain(SQL.map(|sql| ("dokku|postgres:connect|db", Some(sql)))) {
        let argv: Vec<&str> =
            line.split('|').map(|word| if word == "IMAGE" { SYNAPSE } else { word }).collect();
        let output = scene.run(&argv, stdin).unwrap();
        assert_eq!(output.status.code(), Some(70), "{line} {stdin:?}: {}", stdout(&output));
        let message = stderr(&output);
        assert!(
            message.starts_with("stand-in: ") && message.contains("not supported"),
            "{line}: {message}"
        );
        assert_eq!(state(), before, "{line}");
    }
    scene.forget_calls().unwrap();
}

/// A test that made an unsupported call fails, even if it ignored the result.
#[test]
fn an_unsupported_call_fails_the_test() {
    let scene = scene();
    run(&scene, "dokku apps:nosuch");
    run(&scene, "dokku apps:lock m");
    let ended = panic::catch_unwind(move || drop(scene)).unwrap_err();
    let message = ended.downcast_ref::<String>().unwrap();
    assert_eq!(message, "stand-in: unsupported calls: dokku apps:lock m");
}
