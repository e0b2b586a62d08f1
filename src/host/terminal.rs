//! Standard input and the terminal.

use super::secret::Secret;
use crate::error::{Doing, Error, Result};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use std::io::{BufRead, IsTerminal, Read, Stdin, Write};

/// More than any password that Synapse takes (512 characters of 4 bytes), and bounded.
const MOST: u64 = 4096;

/// Whether somebody can be asked.
pub fn is_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks on the terminal without echo.
///
/// # Streams
/// The question goes to standard error, as Dokku's own prompts do.
pub fn ask(question: &str) -> Result<Secret> {
    let stdin = std::io::stdin();
    let mut stderr = std::io::stderr();
    // First of all: what is typed as soon as the question is there is neither shown nor lost.
    let quiet = Quiet::new(&stdin)?;
    write!(stderr, "{question}").and_then(|()| stderr.flush()).doing(|| "cannot ask".to_owned())?;
    let mut line = String::new();
    let got = stdin.lock().take(MOST + 1).read_line(&mut line);
    drop(quiet);
    writeln!(stderr).ok();
    if got.doing(|| "cannot read the answer".to_owned())? as u64 > MOST {
        return Err(too_long());
    }
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

/// Reads standard input to its end: one line, its line end stripped.
///
/// # Errors
/// More than one line, a NUL, or text that is not UTF-8.
pub fn one_line() -> Result<Secret> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(MOST + 1)
        .read_to_end(&mut bytes)
        .doing(|| "cannot read standard input".to_owned())?;
    if bytes.len() as u64 > MOST {
        return Err(too_long());
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::usage("what came on standard input is not UTF-8"))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains('\n') {
        return Err(Error::usage("standard input must be one line, the password"));
    }
    if line.contains('\0') {
        return Err(Error::usage("what came on standard input has a NUL in it"));
    }
    Ok(Secret::new(line))
}

fn too_long() -> Error {
    // So many bytes are more characters than that, whatever they are.
    Error::usage("the password cannot be used: it is longer than 512 characters")
}

/// Switches echo off, and on again when it is dropped.
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
            .doing(|| "cannot switch the terminal's echo off".to_owned())?;
        Ok(Self { stdin, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        tcsetattr(self.stdin, SetArg::TCSAFLUSH, &self.before).ok();
    }
}
