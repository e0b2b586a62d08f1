//! A command, and its output.
//!
//! Owns how a command is shown: without secrets. Must not run anything.

use super::secret::Secret;
use std::{fmt, time::Duration};

/// Whether a command changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It only reads.
    Reads,
    /// It changes the host.
    Changes,
}

/// A command: a program and its arguments. No argument may be a secret, because other users can
/// list arguments: secrets go to standard input or into a file.
#[derive(Clone, Debug)]
pub struct Cmd {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) stdin: Option<Secret>,
    pub(crate) env: Vec<(&'static str, &'static str)>,
    pub(crate) effect: Effect,
    pub(crate) timeout: Duration,
}

impl Cmd {
    fn new(program: &str, effect: Effect, timeout: u64) -> Self {
        Self {
            program: program.to_owned(),
            args: vec![],
            stdin: None,
            env: vec![],
            effect,
            timeout: Duration::from_secs(timeout),
        }
    }

    /// A command that only reads; its timeout is 120 s.
    pub fn reads(program: &str) -> Self {
        Self::new(program, Effect::Reads, 120)
    }

    /// A command that changes something; its timeout is 30 min.
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

    /// Sets standard input, which is never shown.
    #[must_use]
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(Secret::new(text));
        self
    }

    /// Sets an environment variable. It is a constant, because secrets must not be passed this way.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    /// Sets the timeout.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

/// An argument, quoted for a shell where necessary.
pub fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        arg.to_owned()
    } else {
        format!("'{}'", arg.replace('\'', r"'\''"))
    }
}

/// The exit code and output of a program that has ended.
#[derive(Clone)]
pub struct Output {
    /// Its exit code; 128 plus the signal's number if a signal ended it.
    pub code: i32,
    /// All of standard output. May hold secrets: never print it.
    pub stdout: String,
    /// The lines of both streams, in the order in which they were printed. May hold secrets.
    pub lines: Vec<String>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, lines) = (self.code, self.lines.len());
        write!(f, "Output {{ code: {code}, {lines} lines }}")
    }
}

impl Output {
    /// Standard output without the whitespace around it.
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
    fn quotes_arguments_and_hides_stdin() {
        let cmd = Cmd::reads("dokku").args(["a", "b c", "it's", "", "--x=1"]).stdin("hidden");
        assert_eq!(cmd.to_string(), r"dokku a 'b c' 'it'\''s' '' --x=1");
        assert!(!format!("{cmd:?}").contains("hidden"));
    }

    #[test]
    fn hides_output() {
        let lines = vec!["hidden".to_owned()];
        let output = Output { code: 1, stdout: "hidden\n".to_owned(), lines };
        assert_eq!(format!("{output:?}"), "Output { code: 1, 1 lines }");
    }
}
