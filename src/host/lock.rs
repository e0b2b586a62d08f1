//! Lock files: who holds one, and which of its programs are still at work.
//!
//! An exclusive lock file names its holder and the holder's children that change something right
//! now: an interrupted run leaves its Dokku command behind, and while that lives the lock counts as
//! busy. Must not know what a lock is for.

use super::{Host, clock, process::start_of};
use crate::error::{Doing, Error, Exit, Result};
use camino::Utf8Path;
use nix::fcntl::{Flock, FlockArg};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How long a lock is waited for that is held for moments only.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: Flock<File>,
    /// Whether the file names this process as its holder.
    named: bool,
}

/// The children of this process that change something, as its lock files name them.
#[derive(Debug, Default)]
pub struct Children(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The lock files, each with the line that names this process as its holder.
    files: Vec<(File, String)>,
    pids: Vec<u32>,
}

impl Children {
    pub(super) fn started(&self, pid: u32) -> Result<()> {
        self.change(|pids| pids.push(pid))
    }

    pub(super) fn ended(&self, pid: u32) -> Result<()> {
        self.change(|pids| pids.retain(|other| *other != pid))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<u32>)) -> Result<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        change(&mut inner.pids);
        let line = |pid: &u32| Some(format!("child {pid} {}\n", start_of(*pid)?));
        let children: String = inner.pids.iter().filter_map(line).collect();
        for (file, holder) in &mut inner.files {
            rewrite(file, &format!("{holder}{children}"))
                .doing(|| "cannot write the lock file".to_owned())?;
        }
        Ok(())
    }
}

/// Takes a lock for the command that is named: nobody else holds it.
///
/// # Errors
/// [`Exit::Busy`] when another command, or a program that an interrupted one left behind, holds it.
pub fn exclusive(host: &Host, path: &Utf8Path, command: &str) -> Result<Lock> {
    let (mut lock, before) =
        take(path, FlockArg::LockExclusiveNonblock)?.ok_or_else(|| busy(path))?;
    refuse_while_children_live(&before)?;
    let mut inner = host.children().0.lock().unwrap_or_else(PoisonError::into_inner);
    let holder = format!("holder {} {command}\n", std::process::id());
    let mut file = lock.file.try_clone().doing(|| format!("cannot open {path}"))?;
    rewrite(&mut file, &holder).doing(|| format!("cannot write {path}"))?;
    inner.files.push((file, holder));
    lock.named = true;
    Ok(lock)
}

/// Takes a lock together with others who only read.
///
/// # Errors
/// [`Exit::Busy`] as [`exclusive`].
pub fn shared(path: &Utf8Path) -> Result<Lock> {
    let (lock, before) = take(path, FlockArg::LockSharedNonblock)?.ok_or_else(|| busy(path))?;
    refuse_while_children_live(&before)?;
    Ok(lock)
}

/// Takes a lock that is held for moments only: waits for it.
pub fn wait(path: &Utf8Path) -> Result<Lock> {
    let take = || take(path, FlockArg::LockExclusiveNonblock);
    let taken = clock::poll(LONGEST_WAIT, Duration::from_millis(20), take)?;
    taken.map(|(lock, _)| lock).ok_or_else(|| busy(path))
}

fn take(path: &Utf8Path, how: FlockArg) -> Result<Option<(Lock, String)>> {
    // Between the opening and the locking, the file may have been removed by who held it.
    loop {
        match take_file(path, how)? {
            Some((lock, text)) if lock.is_at(path)? => return Ok(Some((lock, text))),
            Some(_) => {}
            None => return Ok(None),
        }
    }
}

fn take_file(path: &Utf8Path, how: FlockArg) -> Result<Option<(Lock, String)>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .doing(|| format!("cannot open {path}"))?;
    match Flock::lock(file, how) {
        Ok(mut file) => {
            let mut text = String::new();
            file.read_to_string(&mut text).doing(|| format!("cannot read {path}"))?;
            Ok(Some((Lock { file, named: false }, text)))
        }
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(Error::new(format!("cannot lock {path}: {error}"))),
    }
}

impl Lock {
    /// Whether its file is still the one at this path: a lock on a removed file keeps nobody out.
    fn is_at(&self, path: &Utf8Path) -> Result<bool> {
        let doing = || format!("cannot read the metadata of {path}");
        let own = self.file.metadata().doing(doing)?;
        match std::fs::metadata(path) {
            Ok(now) => Ok((now.dev(), now.ino()) == (own.dev(), own.ino())),
            Err(error) if super::files::absent(&error) => Ok(false),
            Err(error) => Err(error).doing(doing),
        }
    }
}

/// Removes a lock file that nobody holds, and whose holder has left no program behind. Whoever has
/// opened it meanwhile notices.
pub fn remove_unused(host: &Host, path: &Utf8Path) -> Result<()> {
    if super::files::stat(path)?.is_none() {
        return Ok(());
    }
    let Some((_lock, text)) = take(path, FlockArg::LockExclusiveNonblock)? else { return Ok(()) };
    match refuse_while_children_live(&text) {
        Ok(()) => super::files::remove(host, path),
        Err(_) => Ok(()),
    }
}

/// The text of a lock file that is free names the children of a run that was interrupted.
fn refuse_while_children_live(text: &str) -> Result<()> {
    for line in text.lines() {
        if let Some((pid, start)) =
            line.strip_prefix("child ").and_then(|rest| rest.split_once(' '))
            && let Ok(number) = pid.parse()
            && start_of(number).as_deref() == Some(start)
        {
            return Err(Error::new(format!(
                "an interrupted run left a dokku command at work (process {pid})"
            ))
            .hint("Wait until it has ended, then run the same command again.")
            .exit(Exit::Busy));
        }
    }
    Ok(())
}

fn busy(path: &Utf8Path) -> Error {
    #[expect(
        clippy::disallowed_methods,
        reason = "the holder's name is a courtesy: that it cannot be read must not hide who waits"
    )]
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let holder = text.lines().find_map(|line| line.strip_prefix("holder "));
    let who = match holder.and_then(|holder| holder.split_once(' ')) {
        Some((pid, command)) => format!("`{command}` is at work (process {pid})"),
        None => "another command is at work".to_owned(),
    };
    Error::new(who)
        .hint("Wait until it has ended, then run the same command again.")
        .exit(Exit::Busy)
}

fn rewrite(file: &mut File, text: &str) -> std::io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.named {
            rewrite(&mut self.file, "").ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{cmd::Cmd, env::Env, files, run::Nowhere};
    use std::sync::Arc;

    /// The disk is full: the command fails, but only once the child has ended.
    #[test]
    fn waits_for_a_child_that_cannot_be_recorded() {
        let host = Host::new(Env::read(), Arc::new(Nowhere), false);
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        host.children().0.lock().unwrap().files.push((full, String::new()));
        let (_guard, directory) = files::scratch().unwrap();
        let script = format!("sleep 0.3; echo > {directory}/ended");
        let cmd = Cmd::changes("sh").args(["-c", &script]);
        let error = host.run(&cmd).unwrap_err();
        assert!(error.message().starts_with("cannot write the lock file"), "{error}");
        assert!(files::stat(&directory.join("ended")).unwrap().is_some());
        assert!(host.children().0.lock().unwrap().pids.is_empty());
    }

    #[test]
    fn readers_share_a_lock_and_a_writer_does_not() {
        let (_guard, directory) = files::scratch().unwrap();
        let path = directory.join("lock");
        let host = Host::new(Env::read(), Arc::new(Nowhere), false);
        let reader = shared(&path).unwrap();
        let other = shared(&path).unwrap();
        assert_eq!(exclusive(&host, &path, "dokku x").unwrap_err().code(), Exit::Busy);
        drop((reader, other));
        let writer = exclusive(&host, &path, "dokku x").unwrap();
        let error = shared(&path).unwrap_err();
        assert_eq!(error.code(), Exit::Busy);
        assert!(error.message().starts_with("`dokku x` is at work"), "{error}");
        drop(writer);
        shared(&path).unwrap();
    }

    /// An interrupted run left a child behind: every lock that the run held counts as busy.
    #[test]
    fn each_lock_file_names_the_children() {
        let (_guard, directory) = files::scratch().unwrap();
        let host = Host::new(Env::read(), Arc::new(Nowhere), false);
        let paths = [directory.join("server"), directory.join("data")];
        let locks = paths.clone().map(|path| exclusive(&host, &path, "dokku x").unwrap());
        host.children().started(std::process::id()).unwrap();
        let texts = paths.clone().map(|path| files::read(&path).unwrap().unwrap());
        drop(locks);
        for (path, text) in paths.iter().zip(texts) {
            assert!(text.contains("child "), "{text}");
            files::write_scratch(path, &text).unwrap();
            for error in [exclusive(&host, path, "dokku y").unwrap_err(), shared(path).unwrap_err()]
            {
                assert_eq!(error.code(), Exit::Busy);
            }
        }
    }

    /// The number of a child that has ended may be another process's by now.
    #[test]
    fn a_child_is_known_by_its_start() {
        let (_guard, directory) = files::scratch().unwrap();
        let path = directory.join("lock");
        let host = Host::new(Env::read(), Arc::new(Nowhere), false);
        for (child, is_busy) in [(own_child(), true), (format!("{}0", own_child()), false)] {
            files::write_scratch(&path, &format!("holder 1 dokku x\nchild {child}\n")).unwrap();
            assert_eq!(shared(&path).is_err(), is_busy, "{child}");
            assert_eq!(exclusive(&host, &path, "dokku y").is_err(), is_busy, "{child}");
        }
        assert_eq!(files::read(&path).unwrap().as_deref(), Some(""), "nobody holds it any more");
    }

    #[test]
    fn waits_for_a_lock_that_is_held_for_moments() {
        let (_guard, directory) = files::scratch().unwrap();
        let path = directory.join("lock");
        let held = wait(&path).unwrap();
        assert_eq!(files::stat(&path).unwrap().map(|stat| stat.mode), Some(files::PRIVATE));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| wait(&path).map(drop));
            std::thread::sleep(Duration::from_millis(200));
            assert!(!waiting.is_finished(), "it does not wait");
            drop(held);
            waiting.join().unwrap().unwrap();
        });
    }

    /// Who has opened the file before it is removed must not hold a lock that keeps nobody out.
    #[test]
    fn a_removed_file_locks_nobody() {
        let (_guard, directory) = files::scratch().unwrap();
        let path = directory.join("lock");
        let host = Host::new(Env::read(), Arc::new(Nowhere), false);
        let (held, _) = take_file(&path, FlockArg::LockExclusiveNonblock).unwrap().unwrap();
        assert!(held.is_at(&path).unwrap());
        remove_unused(&host, &path).unwrap();
        assert!(files::stat(&path).unwrap().is_some(), "somebody holds it");
        std::fs::remove_file(&path).unwrap();
        assert!(!held.is_at(&path).unwrap());
        let other = exclusive(&host, &path, "dokku x").unwrap();
        assert!(!held.is_at(&path).unwrap(), "another file");
        drop(other);
        files::write_scratch(&path, &format!("child {}\n", own_child())).unwrap();
        remove_unused(&host, &path).unwrap();
        assert!(files::stat(&path).unwrap().is_some(), "a child is at work");
        files::write_scratch(&path, "").unwrap();
        remove_unused(&host, &path).unwrap();
        assert!(files::stat(&path).unwrap().is_none());
        remove_unused(&host, &path).unwrap();
    }

    fn own_child() -> String {
        let pid = std::process::id();
        format!("{pid} {}", start_of(pid).unwrap())
    }

    /// Many take the lock and remove its file at the same time: never two hold it.
    #[test]
    fn removals_let_nobody_in() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let (_guard, directory) = files::scratch().unwrap();
        let path = directory.join("lock");
        let host = Host::new(Env::read(), Arc::new(Nowhere), false);
        let (inside, taken) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while taken.load(Ordering::SeqCst) < 400 {
                        remove_unused(&host, &path).unwrap();
                        let Some(_lock) = take(&path, FlockArg::LockExclusiveNonblock).unwrap()
                        else {
                            continue;
                        };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        taken.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
