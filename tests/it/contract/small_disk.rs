//! A small file system, mounted over a directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// One with this many blocks of 4 KiB; `None` where tests may not mount anything.
    #[expect(clippy::print_stderr, reason = "shows that a test is skipped")]
    pub(crate) fn at(directory: &Path, blocks: u32) -> Option<Self> {
        fs::create_dir_all(directory).unwrap();
        let options = format!("size={}k,mode=755", blocks * 4);
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(directory);
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("skipped: a full disk, for this account may not mount a file system");
        }
        mounted.then(|| Self(directory.to_owned()))
    }

    /// Fills it up to the last byte.
    pub(crate) fn fill(&self) {
        fs::write(self.0.join("fill"), vec![0; 1 << 20]).unwrap_err();
    }

    pub(crate) fn grow(&self) {
        let mut mount = Command::new("mount");
        mount.args(["-o", "remount,size=4m"]).arg(&self.0);
        assert!(mount.status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.0).status().ok();
    }
}
