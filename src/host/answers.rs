//! Answers of Dokku that still hold: several steps ask the same, and each question costs 50 to
//! 100 ms. Whatever we change makes all of them void.

use super::cmd::{Cmd, Ran};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The answers of this process's time.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<BTreeMap<String, Ran>>);

impl Answers {
    /// The answer to a call, if it was given and nothing was changed since.
    pub(super) fn known(&self, cmd: &Cmd) -> Option<Ran> {
        self.held().get(&key(cmd)?).cloned()
    }

    /// Remembers an answer. One that is empty is no answer yet: it may be waited for.
    pub(super) fn remember(&self, cmd: &Cmd, ran: &Ran) {
        if let Some(key) = key(cmd).filter(|_| !ran.lines.is_empty()) {
            self.held().insert(key, ran.clone());
        }
    }

    /// Forgets everything.
    pub(super) fn forget(&self) {
        self.held().clear();
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Ran>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dokku's settings change by Dokku's commands alone. Containers, files, and logs change by
/// themselves, so what else is asked is asked anew.
fn key(cmd: &Cmd) -> Option<String> {
    let lasting = cmd.program == "dokku"
        && cmd.stdin.is_none()
        && cmd.args.first().is_some_and(|first| first != "logs" && first != "postgres:info");
    lasting.then(|| cmd.to_string())
}
