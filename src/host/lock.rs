//! Locks: one for each server, one for what the host shares.
//!
//! A lock file holds who has it and which children of ours change something right now, for
//! a killed run leaves its Dokku child behind: while that lives, the lock counts as busy.

use super::Host;
use crate::error::{Doing, Error, Exit, Result};
use camino::Utf8Path;
use nix::fcntl::{Flock, FlockArg};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: Flock<File>,
    /// Whether the file's text is ours to take away.
    ours: bool,
}

/// The children of this process that change something, as the lock file names them.
#[derive(Debug, Default)]
pub struct Children(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    file: Option<File>,
    holder: String,
    pids: Vec<u32>,
}

impl Children {
    pub(super) fn began(&self, pid: u32) -> Result<()> {
        self.change(|pids| pids.push(pid))
    }

    pub(super) fn ended(&self, pid: u32) -> Result<()> {
        self.change(|pids| pids.retain(|other| *other != pid))
    }

    fn change(&self, act: impl FnOnce(&mut Vec<u32>)) -> Result<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut inner.pids);
        let line = |pid: &u32| Some(format!("child {pid} {}\n", started(*pid)?));
        let children: String = inner.pids.iter().filter_map(line).collect();
        let text = format!("{}{children}", inner.holder);
        match &mut inner.file {
            Some(file) => rewrite(file, &text).doing(|| "cannot write the lock file".to_owned()),
            None => Ok(()),
        }
    }
}

/// Takes the lock of one server for the command that is named, or says who has it.
///
/// # Errors
/// [`Exit::Busy`] when another run, or a program that a killed run left behind, has it.
pub fn server(host: &Host, path: &Utf8Path, command: &str) -> Result<Lock> {
    let (mut lock, before) = take(path)?.ok_or_else(|| busy(path))?;
    for line in before.lines() {
        if let Some((pid, start)) =
            line.strip_prefix("child ").and_then(|rest| rest.split_once(' '))
            && let Ok(number) = pid.parse()
            && started(number).as_deref() == Some(start)
        {
            return Err(Error::new(format!(
                "a run that was interrupted left a dokku command at work (process {pid})"
            ))
            .hint("wait until it has ended, then type the same command again")
            .exit(Exit::Busy));
        }
    }
    let mut inner = host.children().0.lock().unwrap_or_else(PoisonError::into_inner);
    inner.holder = format!("holder {} {command}\n", std::process::id());
    let mut file = lock.file.try_clone().doing(|| format!("cannot open {path}"))?;
    rewrite(&mut file, &inner.holder).doing(|| format!("cannot write {path}"))?;
    inner.file = Some(file);
    lock.ours = true;
    Ok(lock)
}

/// Takes the host's lock; waits a little, for it is held for moments only.
pub fn shared(path: &Utf8Path) -> Result<Lock> {
    let took =
        super::clock::poll(Duration::from_secs(60), Duration::from_millis(100), || take(path))?;
    took.map(|(lock, _)| lock).ok_or_else(|| busy(path))
}

fn take(path: &Utf8Path) -> Result<Option<(Lock, String)>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .doing(|| format!("cannot open {path}"))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut file) => {
            let mut text = String::new();
            file.read_to_string(&mut text).doing(|| format!("cannot read {path}"))?;
            Ok(Some((Lock { file, ours: false }, text)))
        }
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(Error::new(format!("cannot lock {path}: {error}"))),
    }
}

fn busy(path: &Utf8Path) -> Error {
    #[expect(
        clippy::disallowed_methods,
        reason = "a courtesy, and an error must not hide the first"
    )]
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let holder = text.lines().find_map(|line| line.strip_prefix("holder "));
    let who = match holder.and_then(|holder| holder.split_once(' ')) {
        Some((pid, command)) => format!("`{command}` is at work (process {pid})"),
        None => "another command is at work".to_owned(),
    };
    Error::new(who)
        .hint("wait until it has ended, then type the same command again")
        .exit(Exit::Busy)
}

fn rewrite(file: &mut File, text: &str) -> std::io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.ours {
            rewrite(&mut self.file, "").ok();
        }
    }
}

/// When a process started, in the kernel's ticks since boot: with its number, its identity.
fn started(pid: u32) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a process that is gone is no error")]
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    // A zombie has ended; only its parent has not noticed.
    if state == "Z" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{cmd::Cmd, env::Env, files, run::Nowhere};
    use std::sync::Arc;

    /// The disk is full: the command is told to have failed, but only when it has ended.
    #[test]
    fn a_child_that_cannot_be_noted_is_waited_for() {
        let host = Host::new(Env::read(), Arc::new(Nowhere), false);
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        host.children().0.lock().unwrap().file = Some(full);
        let (_guard, folder) = files::scratch().unwrap();
        let script = format!("sleep 0.3; echo > {folder}/ended");
        let cmd = Cmd::changes("sh").args(["-c", &script]);
        let error = host.run(&cmd).unwrap_err();
        assert!(error.message().starts_with("cannot write the lock file"), "{error}");
        assert!(files::stat(&folder.join("ended")).unwrap().is_some());
        assert!(host.children().0.lock().unwrap().pids.is_empty());
    }
}
