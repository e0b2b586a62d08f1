//! What a failure is: the sentence for the user, the command that mends it, and the exit code.
//!
//! Owns the exit codes. Prints nothing: only `main` does.

use std::fmt;

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The exit codes of the plugin; part of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Something failed; the same command again goes on from there.
    Failed = 1,
    /// The command line is wrong; nothing was touched.
    Usage = 2,
    /// Done, but something needs the administrator's attention.
    Attention = 3,
    /// Another run holds the lock.
    Busy = 4,
    /// Dokku's own "not implemented": only the file `commands` says so.
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

/// A failure as the user is told of it.
#[derive(Debug)]
pub struct Error {
    exit: Exit,
    message: String,
    shown: Vec<String>,
    hints: Vec<String>,
}

impl Error {
    /// A failure with exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into(), shown: vec![], hints: vec![] }
    }

    /// A command line that cannot be obeyed (exit code 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(message).exit(Exit::Usage)
    }

    /// The same failure with another exit code.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Adds a line that says how to mend it, as a rule a command to type.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds what a program printed, already scrubbed; shown below the message.
    #[must_use]
    pub fn shown(mut self, lines: Vec<String>) -> Self {
        self.shown = lines;
        self
    }

    /// Puts what was being done in front of the message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// The code that the process ends with.
    pub fn code(&self) -> Exit {
        self.exit
    }

    /// What went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The lines to print: message, output, hints; each without Dokku's prefix.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.message.lines().map(str::to_owned).collect();
        lines.extend(self.shown.iter().map(|line| format!("  | {line}")));
        lines.extend(self.hints.iter().cloned());
        lines
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Adds what was being done to an error of the standard library or of a crate.
pub trait Doing<T> {
    /// Turns the error into ours, saying what was being done.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::new(format!("{}: {error}", what())))
    }
}
