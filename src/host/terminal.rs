//! Standard input and the terminal: how a password is read. Must not show it.

use super::secret::Secret;
use crate::error::{Doing, Error, Result};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use std::io::{BufRead, IsTerminal, Read, Stdin, Write};

/// The most bytes that are read: more than Synapse's longest password, 512 characters of 4 bytes.
const MAX_BYTES: u64 = 4096;

/// Whether standard input is a terminal.
pub fn is_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// Prompts on the terminal and reads a line without echo.
///
/// # Streams
/// The prompt goes to standard error, like Dokku's own.
pub fn ask(prompt: &str) -> Result<Secret> {
    let stdin = std::io::stdin();
    let mut stderr = std::io::stderr();
    // Before the prompt, so that what is typed right after it is neither shown nor lost.
    let quiet = Quiet::new(&stdin)?;
    write!(stderr, "{prompt}")
        .and_then(|()| stderr.flush())
        .doing(|| "cannot prompt for the password".to_owned())?;
    let mut line = String::new();
    let got = stdin.lock().take(MAX_BYTES + 1).read_line(&mut line);
    drop(quiet);
    writeln!(stderr).ok();
    if got.doing(|| "cannot read the password".to_owned())? as u64 > MAX_BYTES {
        return Err(too_long());
    }
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

/// Reads standard input to its end: one line, without its line end.
///
/// # Errors
/// More than one line, a NUL, or text that is not UTF-8.
pub fn one_line() -> Result<Secret> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .doing(|| "cannot read standard input".to_owned())?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_long());
    }
    let text = String::from_utf8(bytes).map_err(|_| Error::usage("standard input is not UTF-8"))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains('\n') {
        return Err(Error::usage("standard input must be a single line, the password"));
    }
    if line.contains('\0') {
        return Err(Error::usage("standard input contains a NUL"));
    }
    Ok(Secret::new(line))
}

fn too_long() -> Error {
    // More bytes than MAX_BYTES are more than 512 characters, whatever they are.
    Error::usage("the password cannot be used: it is longer than 512 characters")
}

/// Turns echo off until it is dropped.
struct Quiet<'a> {
    stdin: &'a Stdin,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn new(stdin: &'a Stdin) -> Result<Self> {
        let before = tcgetattr(stdin).doing(|| "cannot read the terminal's mode".to_owned())?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        silent.local_flags.remove(LocalFlags::ECHONL);
        tcsetattr(stdin, SetArg::TCSAFLUSH, &silent)
            .doing(|| "cannot turn the terminal's echo off".to_owned())?;
        Ok(Self { stdin, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        tcsetattr(self.stdin, SetArg::TCSAFLUSH, &self.before).ok();
    }
}
