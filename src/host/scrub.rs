//! Removes secrets from text before it is shown.
//!
//! By value, for secrets that were read or generated; and by pattern, because Dokku prints passwords
//! that this process has not read yet. Must not print anything.

use super::secret::Secret;
use std::sync::{Mutex, PoisonError};

const MASK: &str = "***";

/// The secrets that this process has seen.
#[derive(Debug, Default)]
pub struct Scrubber {
    known: Mutex<Vec<Secret>>,
}

impl Scrubber {
    /// Adds a secret. One shorter than 6 bytes is ignored, because it would mask other text.
    pub fn learn(&self, secret: &Secret) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if secret.expose().len() >= 6 && !known.contains(secret) {
            known.push(secret.clone());
        }
    }

    /// The line with its secrets masked.
    pub fn scrub(&self, line: &str) -> String {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let line =
            known.iter().fold(line.to_owned(), |line, secret| line.replace(secret.expose(), MASK));
        by_pattern(&line)
    }
}

/// Masks passwords in URLs, and the values of names such as `password`.
fn by_pattern(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end =
            after.find(|c: char| c.is_whitespace() || "/\"'".contains(c)).unwrap_or(after.len());
        let authority = &after[..end];
        match authority.rfind('@') {
            Some(sign) => {
                let user = authority[..sign].split(':').next().unwrap_or_default();
                out.push_str(user);
                out.push(':');
                out.push_str(MASK);
                out.push_str(&authority[sign..]);
            }
            None => out.push_str(authority),
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    mask_values(&out)
}

/// Names that end like this have their value masked: `smtp_pass: x`, `TOKEN=x`.
const SECRET_NAMES: [&str; 8] =
    ["password", "passwd", "pass", "secret", "token", "api_key", "secret_key", "private_key"];

fn mask_values(line: &str) -> String {
    let Some((name, value)) = line.split_once(['=', ':']) else { return line.to_owned() };
    let last = name.trim_matches(|c: char| c.is_whitespace() || "\"'".contains(c));
    let last = last.rsplit(char::is_whitespace).next().unwrap_or(last).to_ascii_lowercase();
    let secret = SECRET_NAMES.iter().any(|end| last.ends_with(end));
    if secret && !value.trim().is_empty() && !value.starts_with("//") {
        let gap = &value[..value.len() - value.trim_start().len()];
        return format!("{name}{}{gap}{MASK}", &line[name.len()..=name.len()]);
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_secrets() {
        let scrubber = Scrubber::default();
        scrubber.learn(&Secret::new("hunter22"));
        scrubber.learn(&Secret::new("ab"));
        for (line, want) in [
            ("the hunter22 word", "the *** word"),
            ("ab stays", "ab stays"),
            (
                "DATABASE_URL:  postgres://postgres:0123@dokku-postgres-x:5432/x",
                "DATABASE_URL:  postgres://postgres:***@dokku-postgres-x:5432/x",
            ),
            ("https://example.org/a@b", "https://example.org/a@b"),
            (
                "see https://a:b@c/d and postgres://u:p@h/",
                "see https://a:***@c/d and postgres://u:***@h/",
            ),
            (
                "a password with an @: postgres://u:p@ss@h/x",
                "a password with an @: postgres://u:***@h/x",
            ),
            ("  smtp_pass: abc", "  smtp_pass: ***"),
            ("POSTGRES_PASSWORD=abc def", "POSTGRES_PASSWORD=***"),
            ("-----> Done: all good", "-----> Done: all good"),
            ("", ""),
        ] {
            assert_eq!(scrubber.scrub(line), want);
        }
    }
}
