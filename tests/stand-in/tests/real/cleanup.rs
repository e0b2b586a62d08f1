//! What remains of a host after it was dropped.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Host, RUNS};

#[test]
fn dropping_a_host_leaves_nothing() {
    let host = Host::new();
    host.deployed("a", RUNS);
    host.ok("dokku postgres:create db");
    let pid_namespaces = [
        pid_namespace(host.world.command("readlink"), "self"),
        pid_namespace(host.scene.root_command("readlink").unwrap(), "self"),
        pid_namespace(
            host.scene.root_command("readlink").unwrap(),
            &host.inspect("a", ".State.Pid"),
        ),
    ];
    let inhabited = || {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let links =
            processes.filter_map(|process| fs::read_link(process.path().join("ns/pid")).ok());
        links
            .filter(|link| {
                pid_namespaces.iter().any(|pid_namespace| Path::new(pid_namespace) == link)
            })
            .count()
    };
    // The database is not included: its namespace ends in the same way as the app's.
    assert!(inhabited() > 3);
    let dirs = [host.scene.path().to_owned(), host.world.trusted()];
    assert!(dirs.iter().all(|dir| dir.exists()));
    drop(host);
    assert_eq!(inhabited(), 0);
    for dir in dirs {
        assert!(!dir.exists(), "{}", dir.display());
    }
}

/// The PID namespace of a process.
fn pid_namespace(mut readlink: Command, process: &str) -> String {
    let output = readlink.arg(format!("/proc/{process}/ns/pid")).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
