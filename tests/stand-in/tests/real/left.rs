//! What is left when a host is gone.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Host, STAYS};

#[test]
fn nothing_is_left() {
    let host = Host::new();
    host.deployed("a", STAYS);
    host.ok("dokku postgres:create db");
    let spaces = [
        space(host.world.command("readlink"), "self"),
        space(host.scene.root_command("readlink").unwrap(), "self"),
        space(host.scene.root_command("readlink").unwrap(), &host.inspected("a", ".State.Pid")),
    ];
    let inhabited = || {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let links =
            processes.filter_map(|process| fs::read_link(process.path().join("ns/pid")).ok());
        links.filter(|link| spaces.iter().any(|space| Path::new(space) == link)).count()
    };
    // The databases's own space is not among them: it ends with the host's, as the app's does.
    assert!(inhabited() > 3);
    let folders = [host.scene.path().to_owned(), host.world.trusted()];
    assert!(folders.iter().all(|folder| folder.exists()));
    drop(host);
    assert_eq!(inhabited(), 0);
    for folder in folders {
        assert!(!folder.exists(), "{}", folder.display());
    }
}

/// The namespace of processes that a process is in, as seen from there.
fn space(mut readlink: Command, process: &str) -> String {
    let output = readlink.arg(format!("/proc/{process}/ns/pid")).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
