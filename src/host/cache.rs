//! A cache of read-only Dokku commands.
//!
//! Several steps run the same command, and each takes Dokku 50 to 100 ms. Every change empties the
//! cache. Must not run anything itself.

use super::cmd::{Cmd, Output};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Dokku commands whose output changes without a change by Dokku.
const VOLATILE: [&str; 3] = ["logs", "network:report", "postgres:info"];

/// The output of commands that this process has run since its last change.
#[derive(Debug, Default)]
pub(super) struct ReadCache(Mutex<Inner>, Condvar);

#[derive(Debug, Default)]
struct Inner {
    outputs: BTreeMap<String, Output>,
    /// The commands that are running now.
    running: BTreeSet<String>,
    /// How many changes there were.
    changes: u64,
}

/// A command that the caller has to run. Until this is dropped, other callers of the same command
/// wait for its output.
#[derive(Debug)]
pub(super) struct PendingRead<'a> {
    cache: &'a ReadCache,
    key: Option<String>,
    changes: u64,
}

impl ReadCache {
    /// The output of a command, if it ran since the last change; else the duty to run it.
    pub(super) fn get(&self, cmd: &Cmd) -> Result<Output, PendingRead<'_>> {
        let key = key(cmd);
        let mut inner = self.lock();
        if let Some(key) = &key {
            loop {
                if let Some(output) = inner.outputs.get(key) {
                    return Ok(output.clone());
                }
                if inner.running.insert(key.clone()) {
                    break;
                }
                inner = self.1.wait(inner).unwrap_or_else(PoisonError::into_inner);
            }
        }
        Err(PendingRead { cache: self, key, changes: inner.changes })
    }

    /// Empties the cache, after a change.
    pub(super) fn clear(&self) {
        let mut inner = self.lock();
        inner.outputs.clear();
        inner.changes += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingRead<'_> {
    /// Caches the output, unless there was a change meanwhile. Empty output is not cached: the
    /// caller may be waiting for more.
    pub(super) fn store(&self, output: &Output) {
        let mut inner = self.cache.lock();
        if let Some(key) = &self.key
            && !output.lines.is_empty()
            && inner.changes == self.changes
        {
            inner.outputs.insert(key.clone(), output.clone());
        }
    }
}

impl Drop for PendingRead<'_> {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.cache.lock().running.remove(key);
            self.cache.1.notify_all();
        }
    }
}

/// The key of a command; `None` if its output must not be cached. Only Dokku changes its own
/// settings. Containers, addresses, files, and logs change at any time.
fn key(cmd: &Cmd) -> Option<String> {
    let cacheable = cmd.program == "dokku"
        && cmd.stdin.is_none()
        && cmd.args.first().is_some_and(|first| !VOLATILE.contains(&first.as_str()));
    cacheable.then(|| cmd.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_output_until_a_change() {
        let cache = ReadCache::default();
        let cmd = Cmd::reads("dokku").args(["config:export", "matrix"]);
        let output = Output { code: 0, stdout: "A=1\n".into(), lines: vec!["A=1".into()] };
        let cached = || cache.get(&cmd).ok().map(|output| output.stdout);
        cache.get(&cmd).unwrap_err().store(&output);
        assert_eq!(cached().as_deref(), Some("A=1\n"));
        cache.clear();
        // A change in another lane while the command runs.
        let pending = cache.get(&cmd).unwrap_err();
        cache.clear();
        pending.store(&output);
        drop(pending);
        assert_eq!(cached(), None);
    }

    #[test]
    fn runs_a_command_once_at_a_time() {
        let cache = ReadCache::default();
        let cmd = Cmd::reads("dokku").args(["config:export", "matrix"]);
        let output = Output { code: 0, stdout: "A=1\n".into(), lines: vec!["A=1".into()] };
        let pending = cache.get(&cmd).unwrap_err();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| cache.get(&cmd).map(|output| output.stdout).ok());
            pending.store(&output);
            drop(pending);
            assert_eq!(other.join().unwrap().as_deref(), Some("A=1\n"));
        });
        // Without output the next caller runs it.
        cache.clear();
        drop(cache.get(&cmd).unwrap_err());
        assert!(cache.get(&cmd).is_err());
    }
}
