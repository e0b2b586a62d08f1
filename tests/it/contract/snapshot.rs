//! Snapshots of a host before each call that a command makes, and hosts restored from them. They
//! show what a run that is killed at that moment leaves behind, without a separate run for each.

use super::harness::TestHost;
use stand_in::Scratch;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

const PROGRAMS: [&str; 4] = ["dokku", "docker", "sudo", "sigil"];

pub(crate) struct Snapshots {
    directory: Scratch,
    /// The root of the recorded host, which its files mention.
    original_root: String,
}

impl Snapshots {
    /// From now on a snapshot of the host is taken before each call of a program.
    pub(crate) fn record(host: &TestHost) -> Self {
        let directory = Scratch::new().unwrap();
        let root = host.scene.path().to_str().unwrap().to_owned();
        for program in PROGRAMS {
            let link = host.scene.bin().join(program);
            let binary = fs::read_link(&link).unwrap();
            let script = format!(
                "#!/bin/bash\n\
                 snapshot={}/$(printf %04d $(($(ls {0} | wc -l) + 1)))\n\
                 mkdir -p $snapshot/lib && cp -a {root}/home {root}/state $snapshot\n\
                 for part in {root}/lib/*; do\n\
                 [[ $part == */plugins || $part == */core-plugins ]] || cp -a $part $snapshot/lib\n\
                 done\n\
                 echo \"${{STAND_IN_TRIGGER:+in a trigger: }}{program} $*\" > $snapshot/call\n\
                 exec -a {program} {} \"$@\"\n",
                directory.path().display(),
                binary.display(),
            );
            fs::remove_file(&link).unwrap();
            fs::write(&link, script).unwrap();
            fs::set_permissions(&link, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { directory, original_root: root }
    }

    /// All snapshots, in the order in which they were taken.
    pub(crate) fn all(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut snapshots: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        snapshots.sort();
        snapshots
    }

    /// The call before which the snapshot was taken.
    pub(crate) fn call(snapshot: &Path) -> String {
        fs::read_to_string(snapshot.join("call")).unwrap().trim_end().to_owned()
    }

    /// Creates a host in the state of the snapshot.
    pub(crate) fn restore(&self, snapshot: &Path) -> TestHost {
        restore(snapshot, &self.original_root)
    }
}

/// A host on which a command has run, to be copied as often as needed.
pub(crate) struct PreparedHost(TestHost);

impl PreparedHost {
    pub(crate) fn after(line: &str) -> Self {
        let host = TestHost::new();
        host.ok(line);
        Self(host)
    }

    pub(crate) fn from_host(host: TestHost) -> Self {
        Self(host)
    }

    pub(crate) fn copy(&self) -> TestHost {
        let root = self.0.scene.path();
        restore(root, root.to_str().unwrap())
    }
}

static PREPARED: Mutex<BTreeMap<String, Weak<PreparedHost>>> = Mutex::new(BTreeMap::new());

impl TestHost {
    /// A host on which this command has run. Tests that run at the same time share the run.
    pub(crate) fn after(line: &str) -> Self {
        let mut all = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = all.get(line).and_then(Weak::upgrade).unwrap_or_else(|| {
            let prepared = Arc::new(PreparedHost::after(line));
            all.insert(line.to_owned(), Arc::downgrade(&prepared));
            prepared
        });
        drop(all);
        let mut host = prepared.copy();
        host.origin = Some(prepared);
        host
    }
}

/// Creates a host from the files of another one, whose root they mention.
fn restore(snapshot: &Path, original_root: &str) -> TestHost {
    let host = TestHost::new();
    let root = host.scene.path();
    let listeners = host.state().listeners;
    for directory in ["home", "lib/config", "lib/data", "lib/services", "state"] {
        let (from, to) = (snapshot.join(directory), root.join(directory));
        copy(&from, &to, original_root, root.to_str().unwrap());
    }
    host.scene.update(|state| state.listeners = listeners).unwrap();
    host.scene.forget_calls().unwrap();
    host
}

/// Replaces the root in every file.
fn copy(from: &Path, to: &Path, original_root: &str, root: &str) {
    let Ok(data) = fs::symlink_metadata(from) else { return };
    if data.is_symlink() {
        symlink(fs::read_link(from).unwrap(), to).unwrap();
        return;
    }
    if data.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()), original_root, root);
        }
    } else {
        let text = fs::read_to_string(from).unwrap().replace(original_root, root);
        let mut file = fs::File::create(to).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        // The plugin compares the time of a certificate with that of nginx's configuration.
        file.set_modified(data.modified().unwrap()).unwrap();
    }
    fs::set_permissions(to, data.permissions()).unwrap();
}
