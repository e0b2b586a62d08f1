//! Files: written atomically, and never with a wider mode than requested.
//!
//! Must not know their content. A missing file is `None`; any other failure is an error.

use super::Host;
use crate::error::{Doing, Error, Result};
use camino::{Utf8Path, Utf8PathBuf};
use std::{
    fs::{self, File, Permissions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
};

/// The mode of a file that may hold secrets: only its owner may read it.
pub const PRIVATE: u32 = 0o600;
/// The mode of a file that everybody may read.
pub const PUBLIC: u32 = 0o644;
/// The start of a temporary file's name; the process id follows.
const TEMPORARY: &str = ".new-";

/// The metadata of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The permission bits.
    pub mode: u32,
    /// The user id of its owner.
    pub uid: u32,
    /// Whether it is a directory.
    pub directory: bool,
    /// When its content was last modified, in milliseconds since 1970.
    pub changed: i64,
}

/// The content of a file, as text; `None` if it does not exist.
pub fn read(path: &Utf8Path) -> Result<Option<String>> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if absent(&error) => Ok(None),
        Err(error) => Err(cannot_read(path, &error)),
    }
}

pub(super) fn cannot_read(path: &Utf8Path, error: &std::io::Error) -> Error {
    let denied = error.kind() == ErrorKind::PermissionDenied;
    let error = Error::new(format!("cannot read {path}: {error}"));
    // A file that root edited may belong to root.
    let hint = format!("Make dokku its owner: sudo chown dokku:dokku {path}");
    if denied { error.hint(hint) } else { error }
}

/// The metadata of a file or directory; `None` if it does not exist.
pub fn stat(path: &Utf8Path) -> Result<Option<Stat>> {
    match fs::metadata(path) {
        Ok(data) => Ok(Some(Stat {
            mode: data.mode() & 0o7777,
            uid: data.uid(),
            directory: data.is_dir(),
            changed: data.mtime() * 1000 + data.mtime_nsec() / 1_000_000,
        })),
        Err(error) if absent(&error) => Ok(None),
        Err(error) => Err(Error::new(format!("cannot read the metadata of {path}: {error}"))),
    }
}

/// The names in a directory, sorted; an empty list if the directory does not exist.
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

/// Writes a file atomically and durably: a reader sees either the old content or the new one.
pub fn write(host: &Host, path: &Utf8Path, text: &str, mode: u32) -> Result<()> {
    let temp = temporary(host, path, text, mode)?;
    temp.persist(path).map_err(|e| e.error).doing(|| format!("cannot write {path}"))?;
    sync_parent(path)
}

/// Writes a file that must not exist yet; an existing file is never overwritten.
///
/// # Errors
/// The file exists.
pub fn write_new(host: &Host, path: &Utf8Path, text: &str, mode: u32) -> Result<()> {
    let temp = temporary(host, path, text, mode)?;
    temp.persist_noclobber(path).map_err(|e| e.error).doing(|| format!("cannot write {path}"))?;
    sync_parent(path)
}

fn temporary(
    host: &Host,
    path: &Utf8Path,
    text: &str,
    mode: u32,
) -> Result<tempfile::NamedTempFile> {
    host.may_change(path.as_str())?;
    let doing = || format!("cannot write {path}");
    remove_stale(parent(path))?;
    let mut temp = draft(parent(path)).doing(doing)?;
    temp.write_all(text.as_bytes()).doing(doing)?;
    temp.as_file().set_permissions(Permissions::from_mode(mode)).doing(doing)?;
    temp.as_file().sync_all().doing(doing)?;
    Ok(temp)
}

/// An empty temporary file. It is private until all of the text is in it.
fn draft(directory: &Utf8Path) -> std::io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(&format!("{TEMPORARY}{}-", std::process::id()))
        .permissions(Permissions::from_mode(PRIVATE))
        .tempfile_in(directory)
}

/// Removes the temporary files of killed processes: they may hold a part of a secret.
fn remove_stale(directory: &Utf8Path) -> Result<()> {
    for name in list(directory)? {
        let pid = name.strip_prefix(TEMPORARY).and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Utf8Path::new("/proc").join(pid).exists()) {
            fs::remove_file(directory.join(&name)).ok();
        }
    }
    Ok(())
}

/// Creates a directory and its parents; the mode is for the last one.
pub fn make_directory(host: &Host, path: &Utf8Path, mode: u32) -> Result<()> {
    host.may_change(path.as_str())?;
    let doing = || format!("cannot create the directory {path}");
    fs::create_dir_all(parent(path)).doing(doing)?;
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error).doing(doing),
        _ => set_mode(host, path, mode),
    }
}

/// Moves a file or directory on its file system, at once.
pub fn rename(host: &Host, from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    host.may_change(to.as_str())?;
    fs::rename(from, to).doing(|| format!("cannot rename {from} to {to}"))?;
    sync_parent(to)
}

/// Creates a symbolic link at `path`.
pub fn link(host: &Host, target: &Utf8Path, path: &Utf8Path) -> Result<()> {
    host.may_change(path.as_str())?;
    std::os::unix::fs::symlink(target, path).doing(|| format!("cannot create {path}"))?;
    sync_parent(path)
}

/// Sets the permission bits.
pub fn set_mode(host: &Host, path: &Utf8Path, mode: u32) -> Result<()> {
    host.may_change(path.as_str())?;
    fs::set_permissions(path, Permissions::from_mode(mode))
        .doing(|| format!("cannot set the mode of {path}"))
}

/// Removes a file if it exists.
pub fn remove(host: &Host, path: &Utf8Path) -> Result<()> {
    host.may_change(path.as_str())?;
    match fs::remove_file(path) {
        Err(error) if !absent(&error) => Err(error).doing(|| format!("cannot remove {path}")),
        _ => sync_parent(path),
    }
}

/// A temporary directory, removed when the first value is dropped.
pub fn scratch() -> Result<(tempfile::TempDir, Utf8PathBuf)> {
    let directory =
        tempfile::tempdir().doing(|| "cannot create a temporary directory".to_owned())?;
    let path = Utf8PathBuf::from_path_buf(directory.path().to_owned())
        .map_err(|path| Error::new(format!("{} is not UTF-8", path.display())))?;
    Ok((directory, path))
}

/// Writes a file into such a directory. That is not a change of the host.
pub fn write_scratch(path: &Utf8Path, text: &str) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fs::write(path, text).doing(|| format!("cannot write {path}"))
}

/// The free space on the file system of a path, in bytes.
pub fn free_space(path: &Utf8Path) -> Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path.as_std_path())
        .doing(|| format!("cannot read the free space at {path}"))?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

pub(super) fn absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn parent(path: &Utf8Path) -> &Utf8Path {
    path.parent().unwrap_or_else(|| Utf8Path::new("/"))
}

fn sync_parent(path: &Utf8Path) -> Result<()> {
    match File::open(parent(path)) {
        Ok(directory) => directory.sync_all().doing(|| format!("cannot write {path}")),
        // Without the directory there is nothing to make durable.
        Err(error) if absent(&error) => Ok(()),
        Err(error) => Err(error).doing(|| format!("cannot open the directory of {path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{env::Env, run::Nowhere};
    use std::sync::Arc;

    fn host(reads_only: bool) -> Host {
        Host::new(Env::of(&[]), Arc::new(Nowhere), reads_only)
    }

    #[test]
    fn drafts_are_private_from_the_start() {
        let (_guard, directory) = scratch().unwrap();
        let draft = draft(&directory).unwrap();
        assert_eq!(draft.as_file().metadata().unwrap().mode() & 0o7777, PRIVATE);
        for mode in [PRIVATE, PUBLIC] {
            let path = directory.join("file");
            write(&host(false), &path, "text", mode).unwrap();
            assert_eq!(stat(&path).unwrap().unwrap().mode, mode);
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_absent() {
        let (_guard, directory) = scratch().unwrap();
        let (missing, circle) = (directory.join("missing"), directory.join("circle"));
        std::os::unix::fs::symlink(&circle, &circle).unwrap();
        write_scratch(&directory.join("file"), "").unwrap();
        for path in [&missing, &directory.join("file/below")] {
            assert_eq!(read(path).unwrap(), None);
            assert_eq!(stat(path).unwrap(), None);
            assert_eq!(list(path).unwrap(), [""; 0]);
            remove(&host(false), path).unwrap();
        }
        // Not even root can read these.
        for error in [
            read(&circle).unwrap_err(),
            read(&directory).unwrap_err(),
            list(&circle).unwrap_err(),
            stat(&circle).unwrap_err(),
        ] {
            assert!(error.message().starts_with("cannot read "), "{error}");
        }
        let error = remove(&host(false), &directory).unwrap_err();
        assert!(error.message().starts_with("cannot remove "), "{error}");
    }

    #[test]
    fn a_new_file_replaces_none() {
        let (_guard, directory) = scratch().unwrap();
        let path = directory.join("key");
        write_new(&host(false), &path, "first", PRIVATE).unwrap();
        write_new(&host(false), &path, "second", PRIVATE).unwrap_err();
        assert_eq!(read(&path).unwrap().as_deref(), Some("first"));
        assert_eq!(list(&directory).unwrap(), ["key"]);
    }

    #[test]
    fn removes_drafts_of_dead_processes_only() {
        let (_guard, directory) = scratch().unwrap();
        // No process has this number: it is above the kernel's limit.
        let dead = format!("{TEMPORARY}4194305-x");
        let alive = format!("{TEMPORARY}{}-x", std::process::id());
        for name in [&dead, &alive, "other"] {
            write_scratch(&directory.join(name), "secret").unwrap();
        }
        write(&host(false), &directory.join("file"), "text", PUBLIC).unwrap();
        assert_eq!(list(&directory).unwrap(), [&alive, "file", "other"]);
    }

    #[test]
    fn a_dry_run_changes_no_file() {
        let (_guard, directory) = scratch().unwrap();
        let (old, new) = (directory.join("old"), directory.join("new"));
        write_scratch(&old, "old").unwrap();
        set_mode(&host(false), &old, PUBLIC).unwrap();
        let before = stat(&old).unwrap();
        let host = host(true);
        for result in [
            write(&host, &old, "new", PUBLIC),
            write_new(&host, &new, "new", PUBLIC),
            make_directory(&host, &new, 0o755),
            rename(&host, &old, &new),
            link(&host, &old, &new),
            set_mode(&host, &old, PRIVATE),
            remove(&host, &old),
        ] {
            let error = result.unwrap_err();
            assert!(error.message().starts_with("a dry run tried to change"), "{error}");
        }
        assert_eq!(list(&directory).unwrap(), ["old"]);
        assert_eq!((read(&old).unwrap().as_deref(), stat(&old).unwrap()), (Some("old"), before));
    }

    #[test]
    fn gives_an_existing_directory_its_mode() {
        let (_guard, directory) = scratch().unwrap();
        let path = directory.join("a/b");
        for mode in [0o755, 0o700] {
            make_directory(&host(false), &path, mode).unwrap();
            assert_eq!(stat(&path).unwrap().map(|stat| stat.mode), Some(mode));
        }
    }
}
