//! Temporary directories that are removed with the test that created them or, if that was killed,
//! by the next one.

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
/// A suffix that no other program uses. A marker file would come too late: the directory must be
/// recognizable, and empty, from its creation on.
const SUFFIX: &str = "dokkumatrix";

/// A temporary directory, removed when the value is dropped.
#[derive(Debug)]
pub struct Scratch {
    dir: TempDir,
    /// Locked as long as the directory is in use. The kernel releases the lock if the process is
    /// killed.
    _lock: File,
}

impl Scratch {
    /// Creates one in the machine's directory for temporary files.
    pub fn new() -> Result<Self> {
        Self::below(&temp_dir())
    }

    /// Removes abandoned directories below `parent` and creates a new one.
    pub fn below(parent: &Path) -> Result<Self> {
        // The usual umask of a host, where other users read the files, whatever it is on this
        // machine.
        umask(Mode::from_bits_truncate(0o022));
        remove_abandoned(parent);
        loop {
            let mut builder = Builder::new();
            builder.prefix(PREFIX).rand_bytes(RANDOM).suffix(SUFFIX);
            let dir = builder.tempdir_in(parent)?;
            // Before it is locked, another process may have removed it.
            if let Some(lock) = lock_dir(dir.path())?
                && dir.path().exists()
            {
                return Ok(Self { dir, _lock: lock });
            }
        }
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Removes the directory and returns an error if that fails.
    pub fn close(self) -> Result<()> {
        self.dir.close()
    }
}

/// `None` if another process holds the lock, or the directory is gone.
fn lock_dir(dir: &Path) -> Result<Option<File>> {
    let file = match File::open(dir) {
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
    let random = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    random.is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Removes the abandoned directories that this user may remove.
fn remove_abandoned(parent: &Path) {
    let user = Uid::effective();
    for entry in parent.read_dir().into_iter().flatten().flatten() {
        let is_scratch = entry.file_name().to_str().is_some_and(is_ours);
        let Some(data) = entry.metadata().ok().filter(|data| is_scratch && data.is_dir()) else {
            continue;
        };
        if (user.is_root() || data.uid() == user.as_raw())
            && let Ok(Some(_lock)) = lock_dir(&entry.path())
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
    fn removes_only_abandoned_directories() {
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
        for dir in others.iter().chain([&dead]) {
            fs::create_dir_all(dir.join("deep/inside")).unwrap();
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
        let in_use = [first.path().to_owned(), second.path().to_owned()];
        assert_eq!(there(), left.iter().cloned().chain(in_use).collect());
        drop((first, second));
        assert_eq!(there(), left);
    }

    /// `below` retries only if a retry can help.
    #[test]
    fn reports_why_a_directory_cannot_be_locked() {
        let parent = Scratch::new().unwrap();
        let file = parent.path().join("file");
        assert!(lock_dir(parent.path()).unwrap().is_none());
        assert!(lock_dir(&file).unwrap().is_none());
        fs::write(&file, "").unwrap();
        assert!(lock_dir(&file).unwrap().is_some());
        assert_eq!(lock_dir(&file.join("in")).unwrap_err().kind(), ErrorKind::NotADirectory);
    }
}
