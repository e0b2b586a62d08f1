//! A command of this plugin in a hint: what was typed, with what has to change.

use std::fmt;

/// `matrix:create` with some of its flags, in the order in which they are shown. It has no secret:
/// that command has no flag for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    app: String,
    flags: Vec<(String, Option<String>)>,
}

impl Create {
    /// The command for an app, or for a placeholder like `<app>`.
    pub fn app(app: impl fmt::Display) -> Self {
        Self { app: app.to_string(), flags: vec![] }
    }

    /// Adds a flag and its value, as they are shown: `--service`, `<name>`.
    #[must_use]
    pub fn with(mut self, flag: &str, value: impl fmt::Display) -> Self {
        self.flags.push((flag.to_owned(), Some(value.to_string())));
        self
    }

    /// Adds a flag that was typed; a value that a shell would read otherwise is quoted.
    #[must_use]
    pub fn typed(mut self, flag: &str, value: Option<&str>) -> Self {
        self.flags.push((flag.to_owned(), value.map(quoted)));
        self
    }

    /// This command with all that was typed but what it changes. `--email` changes `--no-email`, too.
    #[must_use]
    fn like(&self, typed: &Self) -> Self {
        let name = |flag: &str| flag.trim_start_matches("--").trim_start_matches("no-").to_owned();
        let is_kept = |flag: &&(String, Option<String>)| {
            self.flags.iter().all(|(changed, _)| name(changed) != name(&flag.0))
        };
        let kept = typed.flags.iter().filter(is_kept).cloned();
        Self { app: self.app.clone(), flags: kept.chain(self.flags.iter().cloned()).collect() }
    }
}

fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

impl fmt::Display for Create {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dokku matrix:create {}", self.app)?;
        for (flag, value) in &self.flags {
            write!(f, " {flag}")?;
            if let Some(value) = value {
                write!(f, " {value}")?;
            }
        }
        Ok(())
    }
}

/// A line of an error that says how to fix it.
#[derive(Clone, Debug)]
pub(super) enum Hint {
    /// As it is.
    Line(String),
    /// What stands before a command, and the command.
    Create(String, Create),
}

impl Hint {
    /// The same hint for somebody who typed this.
    pub(super) fn like(self, typed: &Create) -> Self {
        match self {
            Self::Create(before, create) => Self::Create(before, create.like(typed)),
            line @ Self::Line(_) => line,
        }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => f.write_str(line),
            Self::Create(before, create) => write!(f, "{before}{create}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_what_was_typed() {
        const PAGE: &str = "--support-page 'https://example.org/?a=b&c'";
        let typed = Create::app("matrix")
            .typed("--tls", Some("off"))
            .typed("--no-email", None)
            .typed("--service", Some("a"))
            .typed("--support-page", Some("https://example.org/?a=b&c"))
            .typed("--no-8448", None);
        for (hint, wanted) in [
            (
                Create::app("matrix").with("--service", "<name>"),
                format!("matrix --tls off --no-email {PAGE} --no-8448 --service <name>"),
            ),
            (
                Create::app("matrix").with("--email", "you@example.org"),
                format!("matrix --tls off --service a {PAGE} --no-8448 --email you@example.org"),
            ),
            (
                Create::app("<app>"),
                format!("<app> --tls off --no-email --service a {PAGE} --no-8448"),
            ),
        ] {
            assert_eq!(hint.like(&typed).to_string(), format!("dokku matrix:create {wanted}"));
            assert_eq!(hint.like(&hint), hint);
        }
    }
}
