//! Runs other programs.
//!
//! Owns streaming, time limits, and what the child inherits. Must not know any program.

use super::{
    Host,
    cmd::{Cmd, Effect, Ran},
};
use crate::error::{Doing, Error, Result};
use std::{
    fmt::Debug,
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
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

/// What a call of ours must not hand on: each would change what `dokku` does.
const NOT_INHERITED: [&str; 7] = [
    "DOKKU_APP_NAME",
    "DOKKU_APPS_FORCE_DELETE",
    "DOKKU_BUILD_ID",
    "DOKKU_GLOBAL_FLAGS",
    "DOKKU_PID",
    "DOKKU_QUIET_OUTPUT",
    "DOKKU_REDIRECT_OUTPUT",
];

/// How long to wait for the streams to close after the program has ended: something that it
/// left in the background may hold them for ever.
const LINGER: Duration = Duration::from_millis(500);

enum Event {
    Line { out: bool, line: String },
    Closed,
}

pub(super) fn run(cmd: &Cmd, host: &Host) -> Result<Ran> {
    let mut child = spawn(cmd)?;
    let changes = cmd.effect == Effect::Changes;
    if changes {
        host.children().began(child.id())?;
    }
    let ran = attend(cmd, host, &mut child);
    if changes {
        host.children().ended(child.id())?;
    }
    ran
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn spawn(cmd: &Cmd) -> Result<Child> {
    let mut command = Command::new(&cmd.program);
    command.args(&cmd.args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(if cmd.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(cmd.env.iter().copied());
    // A group of its own: an interrupt from the terminal ends us between two calls, never
    // Dokku in the middle of one.
    command.process_group(0);
    command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::new(format!("the program {} is not on this host", cmd.program))
        }
        _ => Error::new(format!("cannot start {}: {error}", cmd.program)),
    })
}

fn attend(cmd: &Cmd, host: &Host, child: &mut Child) -> Result<Ran> {
    let (sender, events) = channel();
    let mut streams = 0;
    if let Some(stdout) = child.stdout.take() {
        listen(stdout, true, sender.clone());
        streams += 1;
    }
    if let Some(stderr) = child.stderr.take() {
        listen(stderr, false, sender);
        streams += 1;
    }
    if let (Some(text), Some(mut stdin)) = (cmd.stdin.clone(), child.stdin.take()) {
        // In a thread, for a program may print much before it reads; if it ends without
        // reading, that is its business.
        std::thread::spawn(move || stdin.write_all(text.expose().as_bytes()).ok());
    }
    let mut ran = Ran { code: 0, stdout: String::new(), lines: vec![] };
    let status = follow(cmd, host, child, &events, streams, &mut ran)?;
    ran.code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(ran)
}

fn listen(stream: impl Read + Send + 'static, out: bool, events: Sender<Event>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let line = String::from_utf8_lossy(&bytes).into_owned();
            bytes.clear();
            if events.send(Event::Line { out, line }).is_err() {
                return;
            }
        }
        events.send(Event::Closed).ok();
    });
}

fn follow(
    cmd: &Cmd,
    host: &Host,
    child: &mut Child,
    events: &Receiver<Event>,
    mut open: usize,
    ran: &mut Ran,
) -> Result<ExitStatus> {
    let start = Instant::now();
    let mut ended: Option<(ExitStatus, Instant)> = None;
    // Polled more slowly the longer it takes: a quick answer is not waited for.
    let mut pause = Duration::from_millis(1);
    loop {
        match events.recv_timeout(pause) {
            Ok(Event::Line { out, line }) => {
                if out {
                    ran.stdout.push_str(&line);
                }
                let text = line.trim_end_matches(['\r', '\n']);
                host.sink().line(&host.scrubber().scrub(text));
                ran.lines.push(text.to_owned());
                continue;
            }
            Ok(Event::Closed) => open -= 1,
            Err(RecvTimeoutError::Timeout) => pause = (pause * 2).min(Duration::from_millis(50)),
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(Duration::from_millis(1)),
        }
        let closed = open == 0;
        if ended.is_none() {
            let status = child.try_wait().doing(|| format!("cannot wait for {}", cmd.program))?;
            ended = status.map(|status| (status, Instant::now()));
        }
        if let Some((status, at)) = ended
            && (closed || at.elapsed() > LINGER)
        {
            return Ok(status);
        }
        if start.elapsed() > cmd.limit {
            stop(child);
            let limit = cmd.limit.as_secs();
            return Err(Error::new(format!("`{cmd}` did not end within {limit} seconds")));
        }
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
