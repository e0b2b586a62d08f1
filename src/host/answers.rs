//! Answers of Dokku that still hold: several steps ask the same, and each question costs 50 to
//! 100 ms. Whatever we change makes all of them void.

use super::cmd::{Cmd, Ran};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The answers of this process's time.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    known: BTreeMap<String, Ran>,
    /// How often something was changed.
    changes: u64,
}

/// The moment at which a question is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked(u64);

impl Answers {
    /// The answer to a call, if it was given and nothing was changed since.
    pub(super) fn known(&self, cmd: &Cmd) -> Option<Ran> {
        self.held().known.get(&key(cmd)?).cloned()
    }

    /// Now, just before a question is asked.
    pub(super) fn now(&self) -> Asked {
        Asked(self.held().changes)
    }

    /// Remembers an answer, unless something was changed since the question. One that is empty is
    /// no answer yet: it may be waited for.
    pub(super) fn remember(&self, cmd: &Cmd, ran: &Ran, asked: Asked) {
        let mut held = self.held();
        if let Some(key) = key(cmd).filter(|_| !ran.lines.is_empty() && held.changes == asked.0) {
            held.known.insert(key, ran.clone());
        }
    }

    /// Forgets everything, for something was changed.
    pub(super) fn forget(&self) {
        let mut held = self.held();
        held.known.clear();
        held.changes += 1;
    }

    fn held(&self) -> MutexGuard<'_, Inner> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_until_something_is_changed() {
        let answers = Answers::default();
        let cmd = Cmd::reads("dokku").args(["config:export", "matrix"]);
        let ran = Ran { code: 0, stdout: "A=1\n".into(), lines: vec!["A=1".into()] };
        let known = || answers.known(&cmd).map(|ran| ran.stdout);
        answers.remember(&cmd, &ran, answers.now());
        assert_eq!(known().as_deref(), Some("A=1\n"));
        // Another lane changes something while this one is still being answered.
        let asked = answers.now();
        answers.forget();
        answers.remember(&cmd, &ran, asked);
        assert_eq!(known(), None);
    }
}
