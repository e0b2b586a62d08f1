//! Containers that are linked to a database.

use crate::{Host, IMAGE, STAYS, until};

/// Nobody may be there to say no.
const KNOCK: &str = "timeout 1 bash -c 'exec 3<>/dev/tcp/dokku-postgres-db/5432'";

#[test]
fn a_link_leads_to_one_container_of_its_database() {
    let host = Host::new();
    host.created("a", STAYS);
    host.ok("dokku postgres:create db");
    host.ok("dokku postgres:link db a --no-restart");
    host.ok(&format!("dokku git:from-image a {IMAGE}"));
    let knocks = || {
        let argv = ["docker", "exec", "a.web.1", "sh", "-c", KNOCK];
        host.scene.run(&argv, None).unwrap().status.success()
    };
    let found = host.ok("docker exec a.web.1 getent hosts dokku-postgres-db");
    let address = host.scene.state().unwrap().services["db"].ip.clone();
    assert_eq!(found.split_whitespace().next(), Some(address.as_str()));
    assert!(knocks());

    // The same container goes and comes: the link leads to it again.
    host.ok("docker stop dokku.postgres.db");
    assert_eq!(host.ok("dokku postgres:info db --status"), "exited\n");
    assert!(!knocks());
    let dead = "Cannot link to a non running container: /dokku.postgres.db AS /a.web.1";
    assert!(host.ends("docker restart a.web.1", 1).contains(dead));
    assert!(!host.runs("a"));
    // Nobody looks at it, for it is not checked.
    let said = host.ok("dokku ps:restart a");
    assert!(said.contains(&format!("{dead}.upcoming-")), "{said}");
    assert!(said.contains("\nError: failed to start containers: "), "{said}");
    assert!(host.scene.state().unwrap().running("a").next().is_none());
    let id = host.scene.state().unwrap().services["db"].container.clone().unwrap();
    let stopped = format!("Error response from daemon: Container {id} is not running\n");
    for line in ["docker exec dokku.postgres.db true", "dokku postgres:connect db"] {
        assert_eq!(host.ends(line, 1), stopped, "{line}");
    }
    host.ok("docker start dokku.postgres.db");
    assert_eq!(host.ok("dokku postgres:info db --status"), "running\n");
    host.ok("dokku ps:restart a");
    assert!(knocks());
    host.ok("docker stop dokku.postgres.db");
    let said = host.ok("dokku postgres:start db");
    assert_eq!(said, "=====> Starting container\n=====> Container started\n");
    host.ok("docker restart a.web.1");
    assert!(knocks());

    // Another one has its name: to that it leads only after the app's is made anew.
    host.ok("dokku postgres:stop db");
    host.ok("dokku postgres:start db");
    assert!(host.ends("docker restart a.web.1", 1).contains(dead));
    assert!(!host.runs("a"));
    host.ok("dokku ps:restart a");
    assert!(knocks());
}

/// Docker tries once, and leaves it.
#[test]
fn with_a_dead_link_it_is_not_started_again() {
    let host = Host::new();
    host.created("a", STAYS);
    host.ok("dokku postgres:create db");
    host.ok("dokku postgres:link db a --no-restart");
    host.ok("dokku ps:set a restart-policy always");
    host.ok(&format!("dokku git:from-image a {IMAGE}"));
    host.ok("docker stop dokku.postgres.db");
    let pid = host.inspected("a", ".State.Pid");
    let kill = host.scene.root_command("kill").unwrap().args(["-KILL", &pid]).status();
    assert!(kill.unwrap().success());
    until("it is started again", || !host.runs("a"));
    assert_eq!(host.inspected("a", ".State.Status"), "exited");
}
