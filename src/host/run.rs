//! Runs other programs.
//!
//! Owns streaming, time limits, and what the child inherits. Must not know any program.

use super::{
    Host,
    cmd::{Cmd, Effect, Output},
};
use crate::error::{Doing, Error, Result};
use std::{
    fmt::Debug,
    fs::File,
    io::Write,
    os::unix::{
        fs::FileExt,
        process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// Where a program is; also one for administrators, whose folders are not in dokku's own path.
pub fn find(name: &str) -> Option<String> {
    let found = which::which(name)
        .or_else(|_| which::which_in(name, Some("/usr/local/sbin:/usr/sbin:/sbin"), "/"));
    found.ok()?.into_os_string().into_string().ok()
}

/// Takes what programs print, line by line, scrubbed; one for each lane.
pub trait Sink: Debug + Send + Sync {
    /// A line without its line end.
    fn line(&self, line: &str);
}

/// A sink that drops everything.
#[derive(Debug)]
pub struct Nowhere;

impl Sink for Nowhere {
    fn line(&self, _line: &str) {}
}

/// What a call of ours must not hand on: each would change what `dokku` does or prints.
const NOT_INHERITED: [&str; 8] = [
    "DOKKU_APP_NAME",
    "DOKKU_APPS_FORCE_DELETE",
    "DOKKU_BUILD_ID",
    "DOKKU_GLOBAL_FLAGS",
    "DOKKU_PID",
    "DOKKU_QUIET_OUTPUT",
    "DOKKU_REDIRECT_OUTPUT",
    "DOKKU_TRACE",
];

pub(super) fn run(cmd: &Cmd, host: &Host) -> Result<Output> {
    let (mut out, mut err) = (Tail::new()?, Tail::new()?);
    let mut child = spawn(cmd, &out, &err)?;
    let changes = cmd.effect == Effect::Changes;
    let noted = if changes { host.children().began(child.id()) } else { Ok(()) };
    // It is at work already, and is waited for all the same.
    let ran = follow(cmd, host, &mut child, &mut out, &mut err);
    if changes {
        // One that has ended holds no lock, though the file may go on naming it.
        host.children().ended(child.id()).ok();
    }
    noted?;
    ran
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn spawn(cmd: &Cmd, out: &Tail, err: &Tail) -> Result<Child> {
    let mut command = Command::new(&cmd.program);
    command.args(&cmd.args).stdout(out.writer()?).stderr(err.writer()?);
    command.stdin(if cmd.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(cmd.env.iter().copied());
    // A group of its own: an interrupt from the terminal ends us, never Dokku in the middle of
    // a deploy. The lock tells of a child that was left at work.
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::new(format!("the program {} is not on this host", cmd.program))
        }
        _ => Error::new(format!("cannot start {}: {error}", cmd.program)),
    })?;
    if let (Some(text), Some(mut stdin)) = (cmd.stdin.clone(), child.stdin.take()) {
        // In a thread, for a program may do much before it reads; if it ends without reading,
        // that is its business.
        std::thread::spawn(move || stdin.write_all(text.expose().as_bytes()).ok());
    }
    Ok(child)
}

fn follow(
    cmd: &Cmd,
    host: &Host,
    child: &mut Child,
    out: &mut Tail,
    err: &mut Tail,
) -> Result<Output> {
    let start = Instant::now();
    let mut ran = Output { code: 0, stdout: String::new(), lines: vec![] };
    // Polled more slowly the longer it takes: a quick answer is not waited for.
    let mut pause = Duration::from_millis(1);
    loop {
        let status = child.try_wait().doing(|| format!("cannot wait for {}", cmd.program))?;
        for (tail, is_out) in [(&mut *out, true), (&mut *err, false)] {
            for line in tail.lines(status.is_some())? {
                if is_out {
                    ran.stdout.push_str(&line);
                }
                let text = plain(&line);
                // What answers a question is no news, and may hold secrets that nobody knows yet.
                if cmd.effect == Effect::Changes {
                    host.sink().line(&host.scrubber().scrub(&text));
                }
                ran.lines.push(text);
            }
        }
        if let Some(status) = status {
            ran.code = code(status);
            return Ok(ran);
        }
        if start.elapsed() > cmd.limit {
            stop(child);
            let limit = cmd.limit.as_secs();
            return Err(Error::new(format!("`{cmd}` did not end within {limit} seconds")));
        }
        std::thread::sleep(pause);
        let longest = if start.elapsed().as_secs() < 1 { 4 } else { 50 };
        pause = (pause * 2).min(Duration::from_millis(longest));
    }
}

/// A line as it stays on a screen: without colours, and what was written over.
pub fn plain(line: &str) -> String {
    let text = anstream::adapter::strip_str(line.trim_end_matches(['\r', '\n'])).to_string();
    text.rsplit('\r').next().unwrap_or_default().to_owned()
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// A file without a name that a child writes to, read while it grows.
///
/// Not a pipe: with us its reader would be gone, and the next line that Dokku prints would end it
/// in the middle of a deploy. Nor does anything that the child leaves in the background hold us.
struct Tail {
    file: File,
    read: u64,
    rest: Vec<u8>,
}

impl Tail {
    fn new() -> Result<Self> {
        let file = tempfile::tempfile().doing(|| "cannot make a scratch file".to_owned())?;
        Ok(Self { file, read: 0, rest: vec![] })
    }

    fn writer(&self) -> Result<File> {
        self.file.try_clone().doing(|| "cannot make a scratch file".to_owned())
    }

    /// The lines that have come since the last time, with their line ends; at the end also one
    /// that has none.
    fn lines(&mut self, ended: bool) -> Result<Vec<String>> {
        let mut buffer = [0; 8192];
        loop {
            // Not with the file's own position, which is the child's.
            let got = self.file.read_at(&mut buffer, self.read);
            let got = got.doing(|| "cannot read what a program prints".to_owned())?;
            if got == 0 {
                break;
            }
            self.read += got as u64;
            self.rest.extend_from_slice(&buffer[..got]);
        }
        let whole = match self.rest.iter().rposition(|byte| *byte == b'\n') {
            _ if ended => self.rest.len(),
            Some(end) => end + 1,
            None => 0,
        };
        let bytes: Vec<u8> = self.rest.drain(..whole).collect();
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.split_inclusive('\n').map(str::to_owned).collect())
    }
}

/// Ends the child's whole group: Dokku is many processes.
fn stop(child: &mut Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        let group = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).ok();
    }
    child.wait().ok();
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_line_is_what_stays_on_the_screen() {
        for (line, want) in [
            ("-----> Deploying\n", "-----> Deploying"),
            ("\u{1b}[1G-----> \u{1b}[31mred\u{1b}[0m\r\n", "-----> red"),
            ("10%\r50%\r100%\n", "100%"),
            ("", ""),
        ] {
            assert_eq!(plain(line), want);
        }
    }
}
