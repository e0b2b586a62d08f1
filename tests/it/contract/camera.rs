//! Pictures of a host before each call of one run, and hosts made from them: what a run that was
//! killed at that moment leaves, without a run for each.

use super::rig::Rig;
use stand_in::Scratch;
use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

const PROGRAMS: [&str; 4] = ["dokku", "docker", "sudo", "sigil"];

pub(crate) struct Camera {
    shots: Scratch,
    /// The folder of the host in the pictures, which its files name.
    from: String,
}

impl Camera {
    /// From now on each call of a program is preceded by a picture of the host.
    pub(crate) fn new(rig: &Rig) -> Self {
        let shots = Scratch::new().unwrap();
        let from = rig.scene.path().to_str().unwrap().to_owned();
        for program in PROGRAMS {
            let link = rig.scene.bin().join(program);
            let binary = fs::read_link(&link).unwrap();
            let script = format!(
                "#!/bin/bash\n\
                 shot={}/$(printf %04d $(($(ls {0} | wc -l) + 1)))\n\
                 mkdir -p $shot/lib && cp -a {from}/home {from}/state $shot\n\
                 for part in {from}/lib/*; do\n\
                 [[ $part == */plugins || $part == */core-plugins ]] || cp -a $part $shot/lib\n\
                 done\n\
                 echo \"${{STAND_IN_TRIGGER:+in a trigger: }}{program} $*\" > $shot/call\n\
                 exec -a {program} {} \"$@\"\n",
                shots.path().display(),
                binary.display(),
            );
            fs::remove_file(&link).unwrap();
            fs::write(&link, script).unwrap();
            fs::set_permissions(&link, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { shots, from }
    }

    /// The pictures in their order.
    pub(crate) fn shots(&self) -> Vec<PathBuf> {
        let mut shots: Vec<_> =
            fs::read_dir(self.shots.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        shots.sort();
        shots
    }

    /// The call before which the picture was taken.
    pub(crate) fn call(shot: &Path) -> String {
        fs::read_to_string(shot.join("call")).unwrap().trim_end().to_owned()
    }

    /// A host as it is in the picture.
    pub(crate) fn host(&self, shot: &Path) -> Rig {
        develop(shot, &self.from)
    }
}

/// A host that a command has run on, to be had again and again.
pub(crate) struct Ready(Rig);

impl Ready {
    pub(crate) fn after(line: &str) -> Self {
        let rig = Rig::new();
        rig.ok(line);
        Self(rig)
    }

    pub(crate) fn of(rig: Rig) -> Self {
        Self(rig)
    }

    pub(crate) fn host(&self) -> Rig {
        let from = self.0.scene.path();
        develop(from, from.to_str().unwrap())
    }
}

static MADE: Mutex<BTreeMap<String, Weak<Ready>>> = Mutex::new(BTreeMap::new());

impl Rig {
    /// A host on which a command has run, made once for the tests that want it at a time.
    pub(crate) fn after(line: &str) -> Self {
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = made.get(line).and_then(Weak::upgrade).unwrap_or_else(|| {
            let ready = Arc::new(Ready::after(line));
            made.insert(line.to_owned(), Arc::downgrade(&ready));
            ready
        });
        drop(made);
        let mut rig = ready.host();
        rig.origin = Some(ready);
        rig
    }
}

/// A host with the files of another one, whose folder they name.
fn develop(shot: &Path, from: &str) -> Rig {
    let rig = Rig::new();
    let to = rig.scene.path();
    let listeners = rig.state().listeners;
    for folder in ["home", "lib/config", "lib/data", "lib/services", "state"] {
        copy(&shot.join(folder), &to.join(folder), from, to.to_str().unwrap());
    }
    rig.scene.update(|state| state.listeners = listeners).unwrap();
    rig.scene.forget_calls().unwrap();
    rig
}

/// With its own folder's name in every file, and the times as they were: the plugin looks at them.
fn copy(shot: &Path, to: &Path, old: &str, new: &str) {
    let Ok(data) = fs::symlink_metadata(shot) else { return };
    if data.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(shot).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()), old, new);
        }
    } else {
        fs::write(to, fs::read_to_string(shot).unwrap().replace(old, new)).unwrap();
    }
    fs::set_permissions(to, data.permissions()).unwrap();
    let times = FileTimes::new().set_modified(data.modified().unwrap());
    File::open(to).unwrap().set_times(times).unwrap();
}
