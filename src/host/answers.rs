//! Answers of Dokku that still hold: several steps ask the same, and each question costs 50 to
//! 100 ms. Whatever we change makes all of them void.

use super::cmd::{Cmd, Output};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Dokku's commands that tell of what changes without it.
const BY_THEMSELVES: [&str; 3] = ["logs", "network:report", "postgres:info"];

/// The answers of this process's time.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Inner>, Condvar);

#[derive(Debug, Default)]
struct Inner {
    known: BTreeMap<String, Output>,
    /// What is being asked at this moment.
    asked: BTreeSet<String>,
    /// How often something was changed.
    changes: u64,
}

/// A question that is to be asked now; others who have the same wait for its answer until it is
/// dropped.
#[derive(Debug)]
pub(super) struct Question<'a> {
    answers: &'a Answers,
    key: Option<String>,
    changes: u64,
}

impl Answers {
    /// The answer to a call, if it was given and nothing was changed since; else the question.
    pub(super) fn known(&self, cmd: &Cmd) -> Result<Output, Question<'_>> {
        let key = key(cmd);
        let mut held = self.held();
        if let Some(key) = &key {
            loop {
                if let Some(known) = held.known.get(key) {
                    return Ok(known.clone());
                }
                if held.asked.insert(key.clone()) {
                    break;
                }
                held = self.1.wait(held).unwrap_or_else(PoisonError::into_inner);
            }
        }
        Err(Question { answers: self, key, changes: held.changes })
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

impl Question<'_> {
    /// Remembers its answer, unless something was changed since. One that is empty is no answer
    /// yet: it may be waited for.
    pub(super) fn remember(&self, ran: &Output) {
        let mut held = self.answers.held();
        if let Some(key) = &self.key
            && !ran.lines.is_empty()
            && held.changes == self.changes
        {
            held.known.insert(key.clone(), ran.clone());
        }
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.answers.held().asked.remove(key);
            self.answers.1.notify_all();
        }
    }
}

/// Dokku's settings change by Dokku's commands alone. Containers and their addresses, files, and
/// logs change by themselves, so what else is asked is asked anew.
fn key(cmd: &Cmd) -> Option<String> {
    let lasting = cmd.program == "dokku"
        && cmd.stdin.is_none()
        && cmd.args.first().is_some_and(|first| !BY_THEMSELVES.contains(&first.as_str()));
    lasting.then(|| cmd.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_until_something_is_changed() {
        let answers = Answers::default();
        let cmd = Cmd::reads("dokku").args(["config:export", "matrix"]);
        let ran = Output { code: 0, stdout: "A=1\n".into(), lines: vec!["A=1".into()] };
        let known = || answers.known(&cmd).ok().map(|ran| ran.stdout);
        answers.known(&cmd).unwrap_err().remember(&ran);
        assert_eq!(known().as_deref(), Some("A=1\n"));
        // Another lane changes something while this one is still being answered.
        answers.forget();
        let question = answers.known(&cmd).unwrap_err();
        answers.forget();
        question.remember(&ran);
        drop(question);
        assert_eq!(known(), None);
    }

    #[test]
    fn a_question_is_asked_once_at_a_time() {
        let answers = Answers::default();
        let cmd = Cmd::reads("dokku").args(["config:export", "matrix"]);
        let ran = Output { code: 0, stdout: "A=1\n".into(), lines: vec!["A=1".into()] };
        let question = answers.known(&cmd).unwrap_err();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| answers.known(&cmd).map(|ran| ran.stdout).ok());
            question.remember(&ran);
            drop(question);
            assert_eq!(other.join().unwrap().as_deref(), Some("A=1\n"));
        });
        // Without an answer the next one asks.
        answers.forget();
        drop(answers.known(&cmd).unwrap_err());
        assert!(answers.known(&cmd).is_err());
    }
}
