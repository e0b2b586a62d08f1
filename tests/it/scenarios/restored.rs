//! All is lost but the backup that the README tells to make: on a fresh host the same server comes of
//! it, with its key, its users, what they have said, and their media.

use super::parts::Parts;
use super::person::Person;
use super::{Place, Steps, fed};
use crate::readme::{blocks, readme, section};
use crate::support::tools;
use stand_in::World;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const PASSWORD: &str = "correct horse battery staple";

#[test]
fn restored() {
    let world = Arc::new(World::new(&tools()).unwrap());
    let backup = world.dir().join("backup");
    fs::create_dir(&backup).unwrap();
    let text = readme();
    let [make, restore] = &blocks(section(&text, "### Backups"), "shell")[..] else { panic!() };
    let first = Parts::within(&world, "alpha.test");
    first.ok("matrix:create matrix --email admin@alpha.test");
    first.registered("matrix", "alice", PASSWORD);
    let alice = Person::new(&first, "matrix.alpha.test", "alice", PASSWORD);
    let said = alice.says("before the fire");
    let upload = alice.uploads(2).1.unwrap();
    let keys = alice.get("/_matrix/key/v2/server")["verify_keys"].clone();
    typed(&first, make, &backup);
    drop(alice);
    drop(first);

    let second = Parts::within(&world, "alpha.test");
    second.ok("letsencrypt:set --global email admin@alpha.test");
    typed(&second, restore, &backup);
    let alice = Person::new(&second, "matrix.alpha.test", "alice", PASSWORD);
    alice.still_reads(&said);
    alice.still_has(&upload, 2);
    alice.says_in(&said.room, "and after it");
    assert_eq!(alice.get("/_matrix/key/v2/server")["verify_keys"], keys);
}

/// The README's lines, in a shell on the host, below a folder that outlives it.
fn typed(place: &Parts, lines: &[&str], folder: &Path) {
    for line in lines {
        let line = line.replace("example.org", "alpha.test");
        let line = line.replace("/var/lib/dokku", &place.lib());
        // What root does there, root does here.
        let by_root = line.strip_prefix("sudo ");
        let mut shell: Command = match by_root {
            Some(_) => place.root("bash"),
            None => place.scene.command("bash"),
        };
        shell.args(["-euc", &format!("cd {}; {}", folder.display(), by_root.unwrap_or(&line))]);
        if by_root.is_none() {
            // The backup is dokku's to write and to read.
            place.scene.give_to_dokku(folder).unwrap();
        }
        let ran = fed(shell, b"");
        place.done(&line, ran);
    }
    assert!(fs::read_dir(folder).unwrap().count() >= 2);
}
