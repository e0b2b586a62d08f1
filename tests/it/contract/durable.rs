//! A file that the plugin has written survives a power cut: its text is on the disk before the file
//! gets its name, and the name before the plugin goes on.

use super::harness::TestHost;
use std::{collections::BTreeSet, fs, process::Command};

/// The system calls that a durable file needs, in their order.
const CALLS: &str = "trace=fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat";

/// What a line of `strace -y` tells.
#[derive(Debug, PartialEq)]
enum Event {
    /// The content of a file, or the names in a directory, are on the disk.
    Synced(String),
    /// A file got this name; the first path is its old one.
    Named(String, String),
    /// A name was removed.
    Removed(String),
}

/// `fsync(3</a/b>) = 0`, `rename("/a/b", "/a/c") = 0`; calls that failed are left out.
fn event(line: &str) -> Option<Event> {
    let (call, result) = line.rsplit_once(" = ")?;
    if result != "0" {
        return None;
    }
    let (name, _) = call.split_once('(')?;
    if name.ends_with("sync") {
        let (_, path) = call.split_once('<')?;
        return Some(Event::Synced(path.rsplit_once('>')?.0.to_owned()));
    }
    let mut quoted = call.split('"').skip(1).step_by(2).map(str::to_owned);
    let first = quoted.next()?;
    Some(if name.starts_with("unlink") {
        Event::Removed(first)
    } else {
        Event::Named(first, quoted.next()?)
    })
}

fn parent(path: &str) -> String {
    path.rsplit_once('/').unwrap().0.to_owned()
}

#[test]
fn written_files_are_on_the_disk() {
    let host = TestHost::after("matrix:create matrix --tls off");
    // The first is written again, the second is created, and the status is changed.
    let written =
        ["config/homeserver.d/20-database.yaml", "config/secrets/form_secret", "status.json"];
    for name in &written[..2] {
        fs::remove_file(host.file(name)).unwrap();
    }
    let trigger = host.trigger_command("scheduler-deploy", "docker-local matrix latest");
    let log = host.lib("strace.log");
    let mut command = Command::new("strace");
    command.args(["-qq", "-y", "-s", "4096", "-e", CALLS, "-e", "signal=none", "-o"]).arg(&log);
    command.arg(trigger.get_program()).args(trigger.get_args()).env_clear();
    command.envs(trigger.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = host.run(command, b"");
    assert_eq!(output.code, Some(0), "{output:#?}; without strace: run dev/setup");
    let log = fs::read_to_string(log).unwrap();
    let events: Vec<Event> = log.lines().filter_map(event).collect();
    let mut named = BTreeSet::new();
    for (at, one) in events.iter().enumerate() {
        let directory = match one {
            Event::Synced(_) => continue,
            Event::Named(draft, path) => {
                let is_synced = events[..at].contains(&Event::Synced(draft.clone()));
                assert!(is_synced, "{path} got its name before its text was on the disk:\n{log}");
                named.insert(path.as_str());
                parent(path)
            }
            Event::Removed(path) => parent(path),
        };
        let is_synced = events[at..].contains(&Event::Synced(directory));
        assert!(is_synced, "a name is not on the disk: {one:?}:\n{log}");
    }
    for name in written {
        let path = host.file(name);
        assert!(named.contains(path.to_str().unwrap()), "{name} was not written:\n{log}");
    }
}
