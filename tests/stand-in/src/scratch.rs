//! Folders that go with the test that makes them, and with the next one if that was killed.

use std::env::temp_dir;
use std::fs::{self, File};
use std::io::Result;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{Mode, umask};
use nix::unistd::Uid;
use tempfile::{Builder, TempDir};

const PREFIX: &str = "stand-in.";

/// A folder of our own until the value is dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    /// Held as long as the folder is there, and let go by the kernel if we are killed.
    _lock: File,
}

impl Scratch {
    /// Where the machine has such folders.
    pub fn new() -> Result<Self> {
        Self::below(&temp_dir())
    }

    /// Removes what nobody holds any more, and makes a new one.
    pub fn below(parent: &Path) -> Result<Self> {
        // That of a host, where many users read the same files, whatever it is here.
        umask(Mode::from_bits_truncate(0o022));
        sweep(parent);
        loop {
            let folder = Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            // Before it is held, another process may have swept it away.
            if let Some(lock) = hold(folder.path())
                && folder.path().exists()
            {
                return Ok(Self { folder, _lock: lock });
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Removes it, and tells of what cannot be removed.
    pub fn close(self) -> Result<()> {
        self.folder.close()
    }
}

fn hold(folder: &Path) -> Option<File> {
    let file = File::open(folder).ok()?;
    file.try_lock().ok()?;
    Some(file)
}

/// What is left of others, as far as we may remove it.
fn sweep(parent: &Path) {
    let user = Uid::effective();
    for entry in parent.read_dir().into_iter().flatten().flatten() {
        let named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let Some(data) = entry.metadata().ok().filter(|data| named && data.is_dir()) else {
            continue;
        };
        if (user.is_root() || data.uid() == user.as_raw())
            && let Some(_lock) = hold(&entry.path())
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_held_stays_and_the_others_go() {
        let parent = Scratch::new().unwrap();
        let at = |name: &str| parent.path().join(name);
        for name in ["stand-in.dead", "somebody-else"] {
            fs::create_dir_all(at(name).join("deep/inside")).unwrap();
        }
        fs::write(at("stand-in.file"), "").unwrap();
        let first = Scratch::below(parent.path()).unwrap();
        let second = Scratch::below(parent.path()).unwrap();
        let there = || {
            let mut names: Vec<_> =
                fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
            names.sort();
            names
        };
        let mut left = vec![
            at("somebody-else"),
            at("stand-in.file"),
            first.path().to_owned(),
            second.path().to_owned(),
        ];
        left.sort();
        assert_eq!(there(), left);
        drop((first, second));
        assert_eq!(there(), [at("somebody-else"), at("stand-in.file")]);
    }
}
