//! A call of another program, and what came of it.
//!
//! Owns how a call is written for people: secrets never appear. Must not run anything.

use super::secret::Secret;
use std::{fmt, time::Duration};

/// Whether a program may leave anything different behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It answers a question.
    Reads,
    /// It changes the host.
    Changes,
}

/// A call of another program. No argument may be a secret: other users can list arguments,
/// so secrets go to standard input or into a file.
#[derive(Clone, Debug)]
pub struct Cmd {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) stdin: Option<Secret>,
    pub(crate) env: Vec<(&'static str, &'static str)>,
    pub(crate) effect: Effect,
    pub(crate) limit: Duration,
}

impl Cmd {
    fn new(program: &str, effect: Effect, limit: u64) -> Self {
        Self {
            program: program.to_owned(),
            args: vec![],
            stdin: None,
            env: vec![],
            effect,
            limit: Duration::from_secs(limit),
        }
    }

    /// A call that only reads; at most 120 s.
    pub fn reads(program: &str) -> Self {
        Self::new(program, Effect::Reads, 120)
    }

    /// A call that changes something; at most 30 min.
    pub fn changes(program: &str) -> Self {
        Self::new(program, Effect::Changes, 1800)
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<T: AsRef<str>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Gives the program something on standard input; never shown.
    #[must_use]
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(Secret::new(text));
        self
    }

    /// Sets an environment variable; a constant, for secrets must not travel this way.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    /// Sets how long it may take.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

/// An argument as one would type it into a shell.
pub fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        arg.to_owned()
    } else {
        format!("'{}'", arg.replace('\'', r"'\''"))
    }
}

/// What a program that ran to its end left.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its exit code; 128 and the signal's number if a signal ended it.
    pub code: i32,
    /// All of standard output. May hold secrets: never print it.
    pub stdout: String,
    /// Both streams, line by line, in the order in which they came. May hold secrets.
    pub lines: Vec<String>,
}

impl Output {
    /// Standard output without the white space around it.
    pub fn answer(&self) -> &str {
        self.stdout.trim()
    }

    /// Whether a line of either stream contains the text.
    pub fn says(&self, text: &str) -> bool {
        self.lines.iter().any(|line| line.contains(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_written_as_typed() {
        let cmd = Cmd::reads("dokku").args(["a", "b c", "it's", "", "--x=1"]).stdin("hidden");
        assert_eq!(cmd.to_string(), r"dokku a 'b c' 'it'\''s' '' --x=1");
        assert!(!format!("{cmd:?}").contains("hidden"));
    }
}
