//! Standard input and the terminal: how a password is read. Must not show it, and must leave the
//! terminal as it was, also when a signal ends or stops this process.

use super::secret::Secret;
use crate::error::{Doing, Error, Result};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal, raise},
        signalfd::{SfdFlags, SignalFd},
        termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr},
    },
    unistd::read,
};
use std::{
    io::{IsTerminal, Read, Stdin, Write},
    os::fd::AsFd,
};

/// The most bytes that are read: more than Synapse's longest password, 512 characters of 4 bytes.
const MAX_BYTES: usize = 4096;

/// The signals that end or stop a process that reads from a terminal.
const SIGNALS: [Signal; 5] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGTSTP];

/// Whether standard input is a terminal.
pub fn is_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// Prompts on the terminal and reads a line without echo. A signal ends or stops this process as
/// usual, but only after the echo is on again.
///
/// # Streams
/// The prompt goes to standard error, like Dokku's own.
pub fn ask(prompt: &str) -> Result<Secret> {
    let stdin = std::io::stdin();
    let signals = Blocked::new()?;
    let mut line = vec![];
    loop {
        // Before the prompt, so that what is typed right after it is neither shown nor lost.
        let quiet = Quiet::new(&stdin)?;
        print(prompt).doing(|| "cannot prompt for the password".to_owned())?;
        let got = signals.read_line(&stdin, &mut line);
        drop(quiet);
        print("\n").ok();
        match got.doing(|| "cannot read the password".to_owned())? {
            None => break,
            // Stopped and continued: it is asked for again.
            Some(signal) => Blocked::deliver(signal)?,
        }
    }
    if line.len() > MAX_BYTES {
        return Err(too_long());
    }
    let line = String::from_utf8(line).map_err(|_| Error::usage("the password is not UTF-8"))?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

fn print(text: &str) -> std::io::Result<()> {
    let mut stderr = std::io::stderr();
    stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush())
}

/// Reads standard input to its end: one line, without its line end.
///
/// # Errors
/// More than one line, a NUL, or text that is not UTF-8.
pub fn one_line() -> Result<Secret> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .doing(|| "cannot read standard input".to_owned())?;
    if bytes.len() > MAX_BYTES {
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

/// Keeps the signals back until they are delivered, or until it is dropped.
struct Blocked {
    before: SigSet,
    pending: SignalFd,
}

impl Blocked {
    fn new() -> Result<Self> {
        let doing = || "cannot prepare the terminal".to_owned();
        let before = SigSet::thread_get_mask().doing(doing)?;
        let mut all = SigSet::empty();
        // One that the caller has blocked stays so.
        SIGNALS.into_iter().filter(|one| !before.contains(*one)).for_each(|one| all.add(one));
        let pending = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC).doing(doing)?;
        all.thread_block().doing(doing)?;
        Ok(Self { before, pending })
    }

    /// Reads a line, or a signal, whichever comes first. What was read of a line before a signal is
    /// lost, as the terminal loses it.
    fn read_line(&self, stdin: &Stdin, line: &mut Vec<u8>) -> nix::Result<Option<Signal>> {
        line.clear();
        loop {
            let mut both = [
                PollFd::new(self.pending.as_fd(), PollFlags::POLLIN),
                PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut both, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                result => drop(result?),
            }
            if both[0].any() == Some(true)
                && let Some(info) = self.pending.read_signal()?
            {
                let signal = i32::try_from(info.ssi_signo).map_err(|_| Errno::EINVAL)?;
                return Signal::try_from(signal).map(Some);
            }
            // Byte by byte, so that nothing is read that is not this line's.
            let mut byte = [0];
            match read(stdin, &mut byte) {
                Err(Errno::EINTR) => {}
                result if result? == 0 => return Ok(None),
                _ => line.push(byte[0]),
            }
            if byte == *b"\n" || line.len() > MAX_BYTES {
                return Ok(None);
            }
        }
    }

    /// Lets a signal do what it does: end this process, or stop it until it is continued.
    fn deliver(signal: Signal) -> Result<()> {
        let doing = || "cannot handle a signal".to_owned();
        let mut one = SigSet::empty();
        one.add(signal);
        raise(signal).doing(doing)?;
        one.thread_unblock().doing(doing)?;
        one.thread_block().doing(doing)
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        self.before.thread_set_mask().ok();
    }
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
