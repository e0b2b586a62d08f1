//! Errors: a message, what a program printed, hints, and an exit code.
//!
//! Owns the exit codes. Prints nothing: only `main` does.

mod typed;

pub use typed::Create;

use std::fmt;
use typed::Hint;

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The exit codes of the plugin; part of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Something failed; the same command resumes from there.
    Failed = 1,
    /// The command line is wrong; nothing was changed.
    Usage = 2,
    /// Done, but something needs the administrator's attention.
    Attention = 3,
    /// Another command holds the lock.
    Busy = 4,
    /// Dokku's "not implemented": only the file `commands` uses it.
    NotImplemented = 10,
    /// There is no such app.
    NoApp = 20,
}

impl Exit {
    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// An error, as the user sees it.
#[derive(Debug)]
pub struct Error {
    exit: Exit,
    message: String,
    shown: Vec<String>,
    hints: Vec<Hint>,
}

impl Error {
    /// An error with exit code 1. The message names the thing and what is wrong with it.
    pub fn new(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into(), shown: vec![], hints: vec![] }
    }

    /// A command line that is wrong (exit code 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(message).exit(Exit::Usage)
    }

    /// The same error with another exit code.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Adds a line that says how to fix it, usually a command to run.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(Hint::Line(hint.into()));
        self
    }

    /// Adds a line with a `matrix:create` to type, and what stands before it: see [`Error::like`].
    #[must_use]
    pub fn hint_create(mut self, before: &str, create: Create) -> Self {
        self.hints.push(Hint::Create(before.to_owned(), create));
        self
    }

    /// The same error for somebody who typed this: each `matrix:create` in its hints is what was
    /// typed, with what has to change.
    #[must_use]
    pub fn like(mut self, typed: &Create) -> Self {
        self.hints = self.hints.into_iter().map(|hint| hint.like(typed)).collect();
        self
    }

    /// Adds what a program printed, already scrubbed; shown below the message.
    #[must_use]
    pub fn shown(mut self, lines: Vec<String>) -> Self {
        self.shown = lines;
        self
    }

    /// Puts a prefix in front of the message: what failed, or which file it is about.
    #[must_use]
    pub fn context(mut self, prefix: impl fmt::Display) -> Self {
        self.message = format!("{prefix}: {}", self.message);
        self
    }

    /// The code that the process ends with.
    pub fn code(&self) -> Exit {
        self.exit
    }

    /// The message, without output and hints.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The lines to print: message, output, hints; without Dokku's prefix.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.message.lines().map(str::to_owned).collect();
        lines.extend(self.shown.iter().map(|line| format!("  | {line}")));
        lines.extend(self.hints.iter().map(ToString::to_string));
        lines
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Converts errors of the standard library and of crates.
pub trait Doing<T> {
    /// Converts the error, with a prefix that says what failed: `cannot write /a/b`.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::new(format!("{}: {error}", what())))
    }
}
