//! Folders that go with the test that makes them, and with the next one if that was killed.

use std::env::temp_dir;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Result};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{Mode, umask};
use nix::unistd::Uid;
use tempfile::{Builder, TempDir};

const PREFIX: &str = "stand-in.";
const RANDOM: usize = 6;
/// What nobody else's folder ends with. In the name, it is there as soon as the folder is, and the
/// folder is empty all the same.
const MARK: &str = "dokkumatrix";

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
            let mut builder = Builder::new();
            builder.prefix(PREFIX).rand_bytes(RANDOM).suffix(MARK);
            let folder = builder.tempdir_in(parent)?;
            // Before it is held, another process may have swept it away.
            if let Some(lock) = hold(folder.path())?
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

/// None if somebody else holds it, or it is gone.
fn hold(folder: &Path) -> Result<Option<File>> {
    let file = match File::open(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn is_ours(name: &str) -> bool {
    let random = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(MARK));
    random.is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// What is left of others, as far as we may remove it.
fn sweep(parent: &Path) {
    let user = Uid::effective();
    for entry in parent.read_dir().into_iter().flatten().flatten() {
        let named = entry.file_name().to_str().is_some_and(is_ours);
        let Some(data) = entry.metadata().ok().filter(|data| named && data.is_dir()) else {
            continue;
        };
        if (user.is_root() || data.uid() == user.as_raw())
            && let Ok(Some(_lock)) = hold(&entry.path())
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn one_that_is_held_stays_and_the_others_go() {
        let parent = Scratch::new().unwrap();
        let at = |name: &str| parent.path().join(name);
        let dead = at("stand-in.Dead42dokkumatrix");
        let others = [
            "somebody-else",
            "stand-in.",
            "stand-in.Dead42",
            "stand-in.Dead4dokkumatrix",
            "stand-in.Dead-2dokkumatrix",
            "stand-in.Dead42dokkumatrix.old",
        ]
        .map(at);
        for folder in others.iter().chain([&dead]) {
            fs::create_dir_all(folder.join("deep/inside")).unwrap();
        }
        let file = at("stand-in.File42dokkumatrix");
        fs::write(&file, "").unwrap();
        let first = Scratch::below(parent.path()).unwrap();
        let second = Scratch::below(parent.path()).unwrap();
        let there = || -> BTreeSet<_> {
            fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
        };
        let mut left = BTreeSet::from(others);
        left.insert(file);
        let held = [first.path().to_owned(), second.path().to_owned()];
        assert_eq!(there(), left.iter().cloned().chain(held).collect());
        drop((first, second));
        assert_eq!(there(), left);
    }

    /// Who makes one tries again only if that may help.
    #[test]
    fn what_cannot_be_held_is_told() {
        let parent = Scratch::new().unwrap();
        let file = parent.path().join("file");
        assert!(hold(parent.path()).unwrap().is_none());
        assert!(hold(&file).unwrap().is_none());
        fs::write(&file, "").unwrap();
        assert!(hold(&file).unwrap().is_some());
        assert_eq!(hold(&file.join("in")).unwrap_err().kind(), ErrorKind::NotADirectory);
    }
}
