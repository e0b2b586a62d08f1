//! `dokku run` and `dokku enter` start no second Synapse process, and one that runs is found.

use super::guard::{allows, create_host, guard, refuses, running, warns};
use super::harness::TestHost;
use crate::support::Output;
use stand_in::{Container, Status};

const PROCESS: &str = "no Synapse process may run in matrix beside the deployed one
Two Synapse processes on one database corrupt it.
To start the server: dokku ps:start matrix";
const CONFIGURATION: &str = "the configuration of matrix is written by the plugin
dokku matrix:deploy matrix";
const DATABASE: &str = "the database of matrix is in use, and must not be changed
dokku ps:stop matrix";

/// The start script of the image knows its modes only: what to type for another program.
const UNKNOWN: &str = "the image of matrix passes every command on to its start script
It knows only its own modes. To run a program beside the server:
  dokku enter matrix web <program>";

fn run(host: &TestHost, command: &str) -> Output {
    host.trigger("scheduler-run", &format!("docker-local matrix 0 -- {command}"))
}

#[test]
fn refuses_a_second_process() {
    let host = create_host();
    for (command, expected) in [
        ("run", refuses(PROCESS)),
        ("/start.py", refuses(PROCESS)),
        ("python -m synapse.app.homeserver -c /config/homeserver.d", refuses(PROCESS)),
        ("python -m synapse.app.generic_worker", refuses(PROCESS)),
        ("bash -c exec\u{a0}/start.py", refuses(PROCESS)),
        ("generate", refuses(CONFIGURATION)),
        ("migrate_config", refuses(CONFIGURATION)),
        ("update_synapse_database --run-background-updates", refuses(DATABASE)),
        ("bash", warns(UNKNOWN)),
        ("id", warns(UNKNOWN)),
        ("python -m synapse.config -c /config/homeserver.d", warns(UNKNOWN)),
        ("", allows()),
    ] {
        assert_eq!(run(&host, command), expected, "{command}");
        let enter = format!("docker-local matrix web -- {command}");
        let expected = if expected == warns(UNKNOWN) { allows() } else { expected };
        // In `enter` there is no entry point.
        if !matches!(command, "run" | "generate" | "migrate_config") {
            assert_eq!(host.trigger("scheduler-enter", &enter), expected, "{command}");
        }
    }
    // Variables stand before the command, and are not a part of it.
    let line = "docker-local matrix 2 A=run B=-- -- run";
    assert_eq!(host.trigger("scheduler-run", line), refuses(PROCESS));
    let line = "docker-local matrix 1 A=/start.py -- bash";
    assert_eq!(host.trigger("scheduler-run", line), warns(UNKNOWN));
}

#[test]
fn stops_the_command_of_dokku() {
    let host = create_host();
    let before = host.state().containers.len();
    for line in ["run matrix run", "run:detached matrix run", "run:detached matrix /start.py"] {
        let output = host.dokku(line);
        assert_eq!((output.code, output.stderr), (Some(1), refuses(PROCESS).stderr), "{line}");
    }
    let output = host.dokku("enter matrix web /start.py run");
    assert_eq!((output.code, output.stderr), (Some(1), refuses(PROCESS).stderr));
    assert_eq!(host.state().containers.len(), before);
    let output = host.dokku("run matrix ls");
    let script = "Unknown execution mode 'ls'\n";
    assert_eq!((output.code, output.stderr), (Some(2), warns(UNKNOWN).stderr + script));
}

/// The tools that change the database may run when the server does not.
#[test]
fn allows_changes_of_the_database_of_a_stopped_server() {
    let host = create_host();
    host.setup(&["ps:stop matrix"]);
    assert_eq!(run(&host, "update_synapse_database").code, Some(0));
    assert_eq!(run(&host, "run"), refuses(PROCESS));
}

/// A word may be the name of a process, and the entry point may be another one.
#[test]
fn looks_at_what_dokku_makes_of_the_command() {
    let host = create_host();
    host.scene
        .update(|state| {
            let app = state.apps.get_mut("matrix").unwrap();
            app.procfile = [("web", "run"), ("tool", "bash")]
                .map(|(process, command)| (process.to_owned(), command.to_owned()))
                .into();
        })
        .unwrap();
    for (command, expected) in
        [("web", refuses(PROCESS)), ("tool", warns(UNKNOWN)), ("other", warns(UNKNOWN))]
    {
        assert_eq!(run(&host, command), expected, "{command}");
    }
    host.scene
        .update(|state| {
            let image = state.images.entry(super::harness::SYNAPSE.to_owned()).or_default();
            image.entrypoint =
                Some(["python", "-m", "synapse.app.homeserver"].map(str::to_owned).into());
        })
        .unwrap();
    assert_eq!(run(&host, "--config-path /config/homeserver.d"), refuses(PROCESS));
    // Without the start script a program runs.
    host.setup(&["docker-options:add matrix run --entrypoint env"]);
    assert_eq!(run(&host, "id"), allows());
    assert_eq!(run(&host, "/start.py"), refuses(PROCESS));
}

#[test]
fn other_apps_run_what_they_like() {
    let host = TestHost::after("matrix:create matrix --tls off --element");
    host.setup(&["apps:create other"]);
    for app in ["chat", "other"] {
        let line = format!("docker-local {app} 0 -- run");
        assert_eq!(host.trigger("scheduler-run", &line), allows(), "{app}");
        let line = format!("docker-local {app} web -- /start.py");
        assert_eq!(host.trigger("scheduler-enter", &line), allows(), "{app}");
    }
    // But not on the homeserver's data.
    let config = host.file("config").display().to_string();
    host.setup(&[&format!("storage:mount other {config}:/config:ro")]);
    let output = host.trigger("scheduler-run", "docker-local other 0 -- run");
    assert_eq!(output, refuses(&PROCESS.replace("matrix", "other")));
}

/// A process that was started in spite of that, or before the plugin was updated.
fn add_process(host: &TestHost, change: impl FnOnce(&mut Container)) {
    host.scene
        .update(|state| {
            let mut other = state.containers.last().unwrap().clone();
            other.id = "e".repeat(64);
            other.name = "matrix.run.1234".into();
            other.kind = "run".into();
            other.argv = vec!["run".into()];
            change(&mut other);
            state.containers.push(other);
        })
        .unwrap();
}

fn is_stopped(host: &TestHost) -> bool {
    let id = "e".repeat(64);
    host.state().containers.iter().all(|c| c.id != id || c.status == Status::Exited)
}

#[test]
fn stops_a_process_that_runs_beside_the_deployed_one() {
    const STOP: &str = "docker container stop matrix.run.1234";
    for kind in ["run", "cron"] {
        let host = create_host();
        add_process(&host, |container| container.kind = kind.into());
        let output = guard(&host);
        assert_eq!(output.code, Some(0), "{output:#?}");
        let expected = refuses(&format!(
            "a Synapse process ran in matrix beside the deployed one\nIt is stopped: {STOP}"
        ));
        assert_eq!(output.stderr, expected.stderr);
        assert!(is_stopped(&host));
        assert_eq!(running(&host, "matrix").len(), 1);
        let host = create_host();
        add_process(&host, |container| container.kind = kind.into());
        host.changes();
        assert!(host.dokku("matrix:deploy matrix --dry-run").stdout.contains(STOP));
        host.ok("matrix:deploy matrix");
        assert_eq!(host.changes(), ["docker container stop <id>"]);
        assert!(is_stopped(&host));
    }
}

#[test]
fn leaves_other_programs_alone() {
    for argv in [&["bash"][..], &["-m", "synapse.config"]] {
        let host = create_host();
        host.scene
            .update(|state| {
                let image = state.images.entry("local/synapse-shell:1".to_owned()).or_default();
                image.entrypoint = Some(vec!["python".into()]);
            })
            .unwrap();
        add_process(&host, |container| {
            container.image = "local/synapse-shell:1".into();
            container.argv = argv.iter().map(|&word| word.to_owned()).collect();
        });
        assert_eq!(guard(&host), allows(), "{argv:?}");
        assert!(!is_stopped(&host));
    }
}

/// What is not the app's is the administrator's to stop.
#[test]
fn refuses_a_deploy_beside_a_foreign_process() {
    for (app, kind) in [("other", "run"), ("", "run")] {
        let host = create_host();
        add_process(&host, |container| {
            container.app = app.into();
            container.kind = kind.into();
            container.name = "mine".into();
        });
        let expected = refuses(
            "the container mine runs on the data of matrix
Two Synapse processes on one database corrupt it.
docker container stop mine",
        );
        assert_eq!(guard(&host), expected);
        let output = host.dokku("matrix:deploy matrix");
        assert_eq!((output.code, output.stderr), (Some(1), expected.stderr));
        assert!(!is_stopped(&host));
    }
}
