//! Containers that are linked to a database.

use crate::{Host, IMAGE, RUNS, wait_until};

/// With a timeout: if nothing has the address, there is no answer at all.
const CONNECT: &str = "timeout 1 bash -c 'exec 3<>/dev/tcp/dokku-postgres-db/5432'";

#[test]
fn a_link_is_bound_to_one_database_container() {
    let host = Host::new();
    host.created("a", RUNS);
    host.ok("dokku postgres:create db");
    host.ok("dokku postgres:link db a --no-restart");
    host.ok(&format!("dokku git:from-image a {IMAGE}"));
    let connects = || {
        let argv = ["docker", "exec", "a.web.1", "sh", "-c", CONNECT];
        host.scene.run(&argv, None).unwrap().status.success()
    };
    let entry = host.ok("docker exec a.web.1 getent hosts dokku-postgres-db");
    let address = host.scene.state().unwrap().services["db"].ip.clone();
    assert_eq!(entry.split_whitespace().next(), Some(address.as_str()));
    assert!(connects());

    // If the same container is stopped and started, the link works again.
    host.ok("docker stop dokku.postgres.db");
    assert_eq!(host.ok("dokku postgres:info db --status"), "exited\n");
    assert!(!connects());
    let dead = "Cannot link to a non running container: /dokku.postgres.db AS /a.web.1";
    assert!(host.exits_with("docker restart a.web.1", 1).contains(dead));
    assert!(!host.is_up("a"));
    // The deploy succeeds, because the app has no checks.
    let output = host.ok("dokku ps:restart a");
    assert!(output.contains(&format!("{dead}.upcoming-")), "{output}");
    assert!(output.contains("\nError: failed to start containers: "), "{output}");
    assert!(host.scene.state().unwrap().running("a").next().is_none());
    let id = host.scene.state().unwrap().services["db"].container.clone().unwrap();
    let stopped = format!("Error response from daemon: Container {id} is not running\n");
    for line in ["docker exec dokku.postgres.db true", "dokku postgres:connect db"] {
        assert_eq!(host.exits_with(line, 1), stopped, "{line}");
    }
    host.ok("docker start dokku.postgres.db");
    assert_eq!(host.ok("dokku postgres:info db --status"), "running\n");
    host.ok("dokku ps:restart a");
    assert!(connects());
    host.ok("docker stop dokku.postgres.db");
    let output = host.ok("dokku postgres:start db");
    assert_eq!(output, "=====> Starting container\n=====> Container started\n");
    host.ok("docker restart a.web.1");
    assert!(connects());

    // A new database container has the old name, but the link works only after the app's container
    // is recreated.
    host.ok("dokku postgres:stop db");
    host.ok("dokku postgres:start db");
    assert!(host.exits_with("docker restart a.web.1", 1).contains(dead));
    assert!(!host.is_up("a"));
    host.ok("dokku ps:restart a");
    assert!(connects());
}

/// Docker gives up after one attempt.
#[test]
fn a_dead_link_prevents_a_restart() {
    let host = Host::new();
    host.created("a", RUNS);
    host.ok("dokku postgres:create db");
    host.ok("dokku postgres:link db a --no-restart");
    host.ok("dokku ps:set a restart-policy always");
    host.ok(&format!("dokku git:from-image a {IMAGE}"));
    host.ok("docker stop dokku.postgres.db");
    let pid = host.inspect("a", ".State.Pid");
    let kill = host.scene.root_command("kill").unwrap().args(["-KILL", &pid]).status();
    assert!(kill.unwrap().success());
    wait_until("it is restarted", || !host.is_up("a"));
    assert_eq!(host.inspect("a", ".State.Status"), "exited");
}
