//! A homeserver is restored on a fresh host from the backup that the README describes, with its key,
//! users, messages and media.

use super::stand_in_host::StandInHost;
use super::user::User;
use super::{Host, HostExt, run_command};
use crate::readme::{blocks, readme, section};
use crate::support::tools;
use stand_in::World;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const PASSWORD: &str = "correct horse battery staple";

#[test]
fn restore() {
    let world = Arc::new(World::new(&tools()).unwrap());
    let backup = world.dir().join("backup");
    fs::create_dir(&backup).unwrap();
    let text = readme();
    let [backup_commands, restore_commands] = &blocks(section(&text, "### Backups"), "shell")[..]
    else {
        panic!()
    };
    let first = StandInHost::in_world(&world, "alpha.test");
    first.ok("matrix:create matrix --email admin@alpha.test");
    first.register("matrix", "alice", PASSWORD);
    let alice = User::new(&first, "matrix.alpha.test", "alice", PASSWORD);
    let message = alice.send_in_new_room("before the backup");
    let upload = alice.upload(2).1.unwrap();
    let keys = alice.get("/_matrix/key/v2/server")["verify_keys"].clone();
    run_lines(&first, backup_commands, &backup);
    drop(alice);
    drop(first);

    let second = StandInHost::in_world(&world, "alpha.test");
    second.ok("letsencrypt:set --global email admin@alpha.test");
    run_lines(&second, restore_commands, &backup);
    let alice = User::new(&second, "matrix.alpha.test", "alice", PASSWORD);
    alice.assert_has_message(&message);
    alice.assert_has_upload(&upload, 2);
    alice.send(&message.room, "after the restore");
    assert_eq!(alice.get("/_matrix/key/v2/server")["verify_keys"], keys);
}

/// Runs lines of the README in a shell on the host, in a directory that outlives the host.
fn run_lines(host: &StandInHost, lines: &[&str], directory: &Path) {
    for line in lines {
        let line = line.replace("example.org", "alpha.test");
        let line = line.replace("/var/lib/dokku", &host.lib());
        // There is no `sudo` for other programs on the stand-in host.
        let by_root = line.strip_prefix("sudo ");
        let mut shell: Command = match by_root {
            Some(_) => host.root("bash"),
            None => host.scene.command("bash"),
        };
        shell.args(["-euc", &format!("cd {}; {}", directory.display(), by_root.unwrap_or(&line))]);
        if by_root.is_none() {
            // dokku's user writes and reads the backup.
            host.scene.give_to_dokku(directory).unwrap();
        }
        let output = run_command(shell, b"");
        host.assert_success(&line, output);
    }
    assert!(fs::read_dir(directory).unwrap().count() >= 2);
}
