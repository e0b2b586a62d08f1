//! `docker exec`: programs in a running container.

use crate::{Host, RUNS};

/// A program and its exit code.
const PROGRAMS: [(&[&str], i32); 5] = [
    (&["true"], 0),
    (&["sh", "-c", "exit 7"], 7),
    (&["sh", "-c", "kill -KILL $$"], 137),
    (&["nosuch"], 127),
    (&["/etc/hosts"], 126),
];

#[test]
fn returns_the_exit_code() {
    let host = Host::new();
    host.deployed("a", RUNS);
    for (program, code) in PROGRAMS {
        let argv = [&["docker", "exec", "a.web.1"], program].concat();
        assert_eq!(host.scene.run(&argv, None).unwrap().status.code(), Some(code), "{program:?}");
    }
    host.ok("docker stop a.web.1");
    let id = host.inspect("a", ".Id");
    assert_eq!(
        host.exits_with("docker exec a.web.1 true", 1),
        format!("Error response from daemon: Container {id} is not running\n")
    );
    let missing = host.exits_with("docker exec b.web.1 true", 1);
    assert!(missing.contains("No such container: b.web.1"), "{missing}");
}

/// Docker's default capabilities, for the first process and for `docker exec`.
#[test]
fn root_has_docker_default_capabilities() {
    let host = Host::new();
    let status =
        "CapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n";
    let look = "grep -E ^Cap(Prm|Eff|Bnd) /proc/self/status";
    host.deployed(
        "a",
        &format!("{}>/data/caps; {RUNS}", look.replace('^', "'^").replace(") ", ")' ")),
    );
    assert_eq!(host.ok(&format!("docker exec a.web.1 {look}")), status);
    assert_eq!(std::fs::read_to_string(host.data("a").join("caps")).unwrap(), status);
}

/// Without `-i` the program reads an empty input.
#[test]
fn reads_standard_input_only_with_interactive() {
    let host = Host::new();
    host.deployed("a", RUNS);
    for (argv, expected) in [
        (&["docker", "exec", "-i", "a.web.1", "cat"][..], "fed"),
        (&["docker", "exec", "a.web.1", "cat"], ""),
        (&["dokku", "enter", "a", "web", "cat"], "fed"),
    ] {
        let output = host.scene.run(argv, Some("fed")).unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{argv:?}");
    }
}
