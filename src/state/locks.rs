//! Who is at work: which lock a command takes, and for what.
//!
//! Triggers never take or wait for a homeserver's locks: the commands' own calls of Dokku fire
//! triggers. [`host`] and [`writing`] are held for moments and may be waited for.

use super::{data_root, marker, paths::host_root, version1};
use crate::{
    error::Result,
    host::{
        Host, files,
        lock::{self, Lock},
    },
    names::{AppName, ServerName},
};
use camino::Utf8PathBuf;

/// How the names of the lock files end.
const SERVER: &str = ".server";
const DATA: &str = ".data";
const APP: &str = ".app";

fn path(host: &Host, name: &str) -> Result<Utf8PathBuf> {
    for directory in [data_root(host.env()), host_root(host.env()), directory(host)] {
        if files::stat(&directory)?.is_none() {
            files::make_directory(host, &directory, 0o755)?;
        }
    }
    Ok(directory(host).join(name))
}

fn directory(host: &Host) -> Utf8PathBuf {
    host_root(host.env()).join("locks")
}

/// The lock of the commands that change a homeserver.
///
/// # Errors
/// Busy: another command, or a program that an interrupted one left behind, holds it.
pub fn server(host: &Host, name: &ServerName, command: &str) -> Result<Lock> {
    let path = path(host, &format!("{}{SERVER}", name.directory()))?;
    let lock = lock::exclusive(host, &path, command)?;
    version1::retire_lock(host, &name.directory(), command)?;
    version1::retire_lock(host, "host", command)?;
    version1::move_markers(host)?;
    remove_unused(host)?;
    Ok(lock)
}

/// The lock of a command that makes an app the app of a homeserver: two commands cannot make it the
/// app of two. It is taken before [`server`].
///
/// # Errors
/// Busy, as [`server`].
pub fn app(host: &Host, app: &AppName, command: &str) -> Result<Lock> {
    lock::exclusive(host, &path(host, &format!("{app}{APP}"))?, command)
}

/// Removes the lock files of homeservers that have no directory any more, and of apps that are not
/// ours. One that somebody holds stays.
fn remove_unused(host: &Host) -> Result<()> {
    let root = data_root(host.env());
    let directory = directory(host);
    for name in files::list(&directory)? {
        let is_used = if let Some(app) = name.strip_suffix(APP) {
            marker::read(host.env(), app)?.is_some()
        } else if let Some(server) = [SERVER, DATA].iter().find_map(|end| name.strip_suffix(end)) {
            files::stat(&root.join(server))?.is_some()
        } else {
            true
        };
        if !is_used {
            lock::remove_unused(host, &directory.join(name))?;
        }
    }
    version1::remove_unused_locks(host)
}

/// What a command does with a homeserver's database and media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// It reads them as a whole (an export, a backup), beside others that do.
    Read,
    /// It replaces them, or changes their form (a restore, a new image).
    Replace,
}

/// The lock of the commands that need a homeserver's data to stay as it is. Commands that change
/// other things run beside them.
///
/// # Errors
/// Busy, as [`server`].
pub fn data(host: &Host, name: &ServerName, what: Data, command: &str) -> Result<Lock> {
    let path = path(host, &format!("{}{DATA}", name.directory()))?;
    match what {
        Data::Read => lock::shared(&path),
        Data::Replace => lock::exclusive(host, &path, command),
    }
}

/// The lock of what all homeservers of the host share: [`super::HostStatus`], the firewall, the
/// crontab. It is waited for.
pub fn host(host: &Host) -> Result<Lock> {
    lock::wait(&path(host, "host")?)
}

/// The lock around a change of a status file. It is waited for.
pub(super) fn writing(host: &Host) -> Result<Lock> {
    lock::wait(&path(host, "writing")?)
}
