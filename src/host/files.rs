//! Files: whole or not at all, with their mode from the first byte on.
//!
//! Must not know what is in them. "Not there" is an answer, every other trouble an error.

use super::Host;
use crate::error::{Doing, Error, Result};
use camino::{Utf8Path, Utf8PathBuf};
use std::{
    fs::{self, File, Permissions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
};

/// A file that may hold secrets: its owner reads it and nobody else.
pub const PRIVATE: u32 = 0o600;
/// A file for everybody to read.
pub const PUBLIC: u32 = 0o644;
/// How the name of a file that is being written begins; the number of its process follows.
const STAGED: &str = ".new-";

/// What is known of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The permission bits.
    pub mode: u32,
    /// The number of the user who owns it.
    pub uid: u32,
    /// Whether it is a folder.
    pub folder: bool,
    /// When its content changed last, in milliseconds since 1970.
    pub changed: i64,
}

/// The file as text; `None` if there is none.
pub fn read(path: &Utf8Path) -> Result<Option<String>> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if absent(&error) => Ok(None),
        Err(error) => {
            let denied = error.kind() == ErrorKind::PermissionDenied;
            let error = Error::new(format!("cannot read {path}: {error}"));
            // An editor that root ran leaves a file of root's.
            let hint = format!("If it is to be dokku's: sudo chown dokku:dokku {path}");
            Err(if denied { error.hint(hint) } else { error })
        }
    }
}

/// Mode, owner, and time of a file or folder; `None` if there is none.
pub fn stat(path: &Utf8Path) -> Result<Option<Stat>> {
    match fs::metadata(path) {
        Ok(data) => Ok(Some(Stat {
            mode: data.mode() & 0o7777,
            uid: data.uid(),
            folder: data.is_dir(),
            changed: data.mtime() * 1000 + data.mtime_nsec() / 1_000_000,
        })),
        Err(error) if absent(&error) => Ok(None),
        Err(error) => Err(Error::new(format!("cannot look at {path}: {error}"))),
    }
}

/// The names in a folder, sorted; none if there is no such folder.
pub fn list(path: &Utf8Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if absent(&error) => return Ok(vec![]),
        Err(error) => return Err(Error::new(format!("cannot read {path}: {error}"))),
    };
    let mut names = vec![];
    for entry in entries {
        let entry = entry.doing(|| format!("cannot read {path}"))?;
        names.extend(entry.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

/// Writes a file atomically and durably: a reader sees the old one or the new one.
pub fn write(host: &Host, path: &Utf8Path, text: &str, mode: u32) -> Result<()> {
    let temp = staged(host, path, text, mode)?;
    temp.persist(path).map_err(|e| e.error).doing(|| format!("cannot write {path}"))?;
    sync_folder(path)
}

/// Writes a file that must not be there yet: what is there is never overwritten.
///
/// # Errors
/// The file exists.
pub fn write_new(host: &Host, path: &Utf8Path, text: &str, mode: u32) -> Result<()> {
    let temp = staged(host, path, text, mode)?;
    temp.persist_noclobber(path).map_err(|e| e.error).doing(|| format!("cannot write {path}"))?;
    sync_folder(path)
}

fn staged(host: &Host, path: &Utf8Path, text: &str, mode: u32) -> Result<tempfile::NamedTempFile> {
    host.may_change(path.as_str())?;
    let doing = || format!("cannot write {path}");
    sweep(folder(path))?;
    let mut temp = tempfile::Builder::new()
        .prefix(&format!("{STAGED}{}-", std::process::id()))
        .permissions(Permissions::from_mode(PRIVATE))
        .tempfile_in(folder(path))
        .doing(doing)?;
    temp.write_all(text.as_bytes()).doing(doing)?;
    temp.as_file().set_permissions(Permissions::from_mode(mode)).doing(doing)?;
    temp.as_file().sync_all().doing(doing)?;
    Ok(temp)
}

/// Takes away what a process that was killed has left: it may be half a secret.
fn sweep(folder: &Utf8Path) -> Result<()> {
    for name in list(folder)? {
        let pid = name.strip_prefix(STAGED).and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Utf8Path::new("/proc").join(pid).exists()) {
            fs::remove_file(folder.join(&name)).ok();
        }
    }
    Ok(())
}

/// Makes a folder, its parents included; the mode is that of the last one.
pub fn make_folder(host: &Host, path: &Utf8Path, mode: u32) -> Result<()> {
    host.may_change(path.as_str())?;
    let doing = || format!("cannot make the folder {path}");
    fs::create_dir_all(folder(path)).doing(doing)?;
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error).doing(doing),
        _ => set_mode(host, path, mode),
    }
}

/// Sets the permission bits.
pub fn set_mode(host: &Host, path: &Utf8Path, mode: u32) -> Result<()> {
    host.may_change(path.as_str())?;
    fs::set_permissions(path, Permissions::from_mode(mode))
        .doing(|| format!("cannot set the mode of {path}"))
}

/// Takes a file away; that it is not there is fine.
pub fn remove(host: &Host, path: &Utf8Path) -> Result<()> {
    host.may_change(path.as_str())?;
    match fs::remove_file(path) {
        Err(error) if !absent(&error) => Err(error).doing(|| format!("cannot remove {path}")),
        _ => sync_folder(path),
    }
}

/// A folder for scratch files that goes away with the value.
pub fn scratch() -> Result<(tempfile::TempDir, Utf8PathBuf)> {
    let folder = tempfile::tempdir().doing(|| "cannot make a scratch folder".to_owned())?;
    let path = Utf8PathBuf::from_path_buf(folder.path().to_owned())
        .map_err(|path| Error::new(format!("{} is not UTF-8", path.display())))?;
    Ok((folder, path))
}

/// Writes a file in such a folder, which changes nothing on the host.
pub fn write_scratch(path: &Utf8Path, text: &str) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fs::write(path, text).doing(|| format!("cannot write {path}"))
}

/// Bytes that are free for us on the file system of a path.
pub fn free_space(path: &Utf8Path) -> Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path.as_std_path())
        .doing(|| format!("cannot look at the file system of {path}"))?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

fn absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn folder(path: &Utf8Path) -> &Utf8Path {
    path.parent().unwrap_or_else(|| Utf8Path::new("/"))
}

fn sync_folder(path: &Utf8Path) -> Result<()> {
    match File::open(folder(path)) {
        Ok(folder) => folder.sync_all().doing(|| format!("cannot write {path}")),
        // Nothing to make durable where the folder itself is gone.
        Err(error) if absent(&error) => Ok(()),
        Err(error) => Err(error).doing(|| format!("cannot open the folder of {path}")),
    }
}
