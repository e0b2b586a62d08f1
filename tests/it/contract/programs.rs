//! What the programs that the plugin runs get from it: their arguments and their environment.

use super::harness::TestHost;
use std::fs;

/// All that the container may do which validates the configuration: it cannot write the
/// configuration, has no network and no privileges, and is not root.
const CHECK: &str = "docker run --rm --name --label=dokku --label=com.dokku.plugin=matrix \
    --no-healthcheck --interactive --user <user> --entrypoint python --network=none --cap-drop ALL \
    --security-opt no-new-privileges --read-only --tmpfs /tmp --pids-limit 1024 \
    -v <host>/lib/data/matrix/matrix.site.test/config:/config:ro \
    -v <host>/lib/data/matrix/matrix.site.test/data:/data \
    matrixdotorg/synapse:v1.163.2 - check /config/homeserver.d";

/// The same of the container that asks the database right before a deploy: it has the app's links.
const PROBE: &str = "docker run --rm --name --label=dokku --label=com.dokku.plugin=matrix \
    --no-healthcheck --interactive --user <user> --entrypoint python --cap-drop ALL \
    --security-opt no-new-privileges --read-only --tmpfs /tmp --pids-limit 1024 \
    --link dokku.postgres.matrix-db:dokku-postgres-matrix-db \
    -v <host>/lib/data/matrix/matrix.site.test/config:/config:ro \
    -v <host>/lib/data/matrix/matrix.site.test/data:/data \
    dokku/matrix:latest - probe /config/homeserver.d";

#[test]
fn one_off_containers_can_change_nothing_but_the_data() {
    let host = TestHost::new();
    host.ok("matrix:create matrix --tls off");
    let calls = host.calls();
    let runs = calls.iter().filter(|call| call.argv.first().is_some_and(|verb| verb == "run"));
    let lines: Vec<String> = runs.map(|call| host.normalize(&call.line())).collect();
    // Each run has another name, and belongs to another process.
    let words = lines.iter().flat_map(|line| line.split(' ')).filter(|word| {
        !word.starts_with("dokku-matrix.") && !word.starts_with("--label=com.dokku-matrix.process=")
    });
    assert_eq!(words.collect::<Vec<_>>().join(" "), format!("{CHECK} {PROBE}"));
}

/// Dokku passes these on to a trigger or a subcommand, and each changes what a call of Dokku does.
#[test]
fn programs_inherit_no_variable_that_changes_dokku() {
    const NAMES: [&str; 8] = [
        "DOKKU_APP_NAME",
        "DOKKU_APPS_FORCE_DELETE",
        "DOKKU_BUILD_ID",
        "DOKKU_GLOBAL_FLAGS",
        "DOKKU_PID",
        "DOKKU_QUIET_OUTPUT",
        "DOKKU_REDIRECT_OUTPUT",
        "DOKKU_TRACE",
    ];
    let host = TestHost::after("matrix:create matrix --tls off");
    let log = host.lib("inherited");
    for program in ["dokku", "docker", "sudo"] {
        let dump = format!("echo {program} >> {0}; env >> {0}; ", log.display());
        host.override_program(program, &format!("{dump} false"), ":");
    }
    let mut command = host.trigger_command("scheduler-deploy", "docker-local matrix latest");
    command.envs(NAMES.map(|name| (name, "inherited")));
    fs::remove_file(host.file("config/homeserver.d/20-database.yaml")).unwrap();
    let output = host.run(command, b"");
    assert_eq!(output.code, Some(0), "{output:#?}");
    let inherited = fs::read_to_string(log).unwrap();
    for program in ["dokku", "docker"] {
        assert!(inherited.lines().any(|line| line == program), "{program} was not called");
    }
    let found: Vec<&str> = inherited.lines().filter(|line| line.ends_with("=inherited")).collect();
    assert_eq!(found, [""; 0]);
}
