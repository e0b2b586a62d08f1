//! The engine: a set-uid program that does for dokku what needs root. It starts, stops and enters
//! containers, as Docker's daemon does, and calls nginx, as sudo and systemd do.
//!
//! It knows nothing of Dokku or of the state of the host.

use std::env;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

use super::container::{ContainerDir, RunState};
use super::network::Network;
use super::program;
use super::supervise::{self, command};
use crate::entry::code;

/// The path of the engine on a host. It is a file of its own, because it is set-uid.
pub(crate) const PATH: &str = "/run/engine";

/// Calls the engine with the caller's output streams and, if `stdin` is set, its standard input.
/// Returns the exit code.
pub(crate) fn call(args: &[String], stdin: bool) -> Result<i32> {
    let stdin = if stdin { Stdio::inherit() } else { Stdio::null() };
    Ok(code(Command::new(PATH).args(args).stdin(stdin).status()?))
}

/// Calls the engine; fails if the call fails.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    program::run(Command::new(PATH).args(args))
}

/// The main function of the engine.
pub(crate) fn main(args: &[String]) -> ExitCode {
    let rc = serve(args).unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "engine: {error:#}");
        125
    });
    u8::try_from(rc).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Runs one command and returns the exit code.
fn serve(args: &[String]) -> Result<i32> {
    setgroups(&[])?;
    setgid(Gid::from_raw(0))?;
    setuid(Uid::from_raw(0))?;
    let stand_in = PathBuf::from(env::var_os("STAND_IN").context("stand-in: no host")?);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["start", id] => start(&stand_in, id),
        ["supervise", id] => supervise::run(&stand_in, id).map(|()| 0),
        ["run", id] => run_in_foreground(&stand_in, id),
        ["stop", id, seconds] => stop(&stand_in, id, Duration::from_secs(seconds.parse()?)),
        ["exec", id, user, command @ ..] => exec(&stand_in, id, user, command),
        ["nginx", args @ ..] => {
            Ok(code(program::system("nginx").args(args).status().context("nginx: run dev/setup")?))
        }
        _ => bail!("engine: {} is not supported", args.join(" ")),
    }
}

/// Starts a container in the background and waits until its process runs.
fn start(stand_in: &Path, id: &str) -> Result<i32> {
    let dir = ContainerDir::of(stand_in, id);
    dir.set_stopping(false)?;
    let before = dir.run_state().map_or(0, |run| run.started_at);
    let log = std::fs::File::options().append(true).create(true).open(dir.path("log"))?;
    let mut supervisor = Command::new(PATH);
    supervisor.arg0("engine").args(["supervise", id]).process_group(0).stdin(Stdio::null());
    let mut supervisor = supervisor.stdout(log.try_clone()?).stderr(log).spawn()?;
    loop {
        // Check for the end first: a supervisor writes the run state before it ends.
        let ended = supervisor.try_wait()?.is_some();
        if dir.run_state().is_some_and(|run| run.started_at != before) {
            return Ok(0);
        }
        if ended {
            bail!("engine: {id} does not start: see {}", dir.path("log").display());
        }
        sleep(Duration::from_millis(5));
    }
}

/// Runs a container in the foreground, with the caller's standard streams.
fn run_in_foreground(stand_in: &Path, id: &str) -> Result<i32> {
    let dir = ContainerDir::of(stand_in, id);
    let spec = dir.spec()?;
    let network = Network::create(&spec)?;
    let ran = code(command(&dir, &spec)?.status()?);
    drop(network);
    std::fs::remove_dir_all(dir.path(""))?;
    Ok(ran)
}

fn kill(run: &RunState, signal: &str) -> Result<()> {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(run.pid)?);
    let signal: nix::sys::signal::Signal = format!("SIG{signal}").parse()?;
    match nix::sys::signal::kill(pid, signal) {
        // The process has ended in the meantime.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Sends the stop signal, and kills the container after the timeout.
fn stop(stand_in: &Path, id: &str, timeout: Duration) -> Result<i32> {
    let dir = ContainerDir::of(stand_in, id);
    dir.set_stopping(true)?;
    let spec = dir.spec()?;
    let signal = if spec.stop.is_empty() { "TERM" } else { &spec.stop };
    let (asked, mut signalled) = (Instant::now(), 0);
    // Wait for the supervisor to release its lock: during a restart back-off there is no process to
    // wait for.
    let _lock = loop {
        if let Some(lock) = dir.lock()? {
            break lock;
        }
        if let Some(run) = dir.run_state().filter(|run| run.running) {
            if run.pid != signalled {
                kill(&run, signal)?;
                signalled = run.pid;
            }
            if asked.elapsed() > timeout {
                kill(&run, "KILL")?;
            }
        }
        sleep(Duration::from_millis(10));
    };
    // The supervisor records the end, unless it was killed.
    if let Some(run) = dir.run_state().filter(RunState::is_up) {
        dir.set_run_state(&run.killed())?;
    }
    Ok(0)
}

/// Runs a program in a container, as the container's user or as the given one.
fn exec(stand_in: &Path, id: &str, user: &str, program: &[&str]) -> Result<i32> {
    let dir = ContainerDir::of(stand_in, id);
    let run = dir.run_state().unwrap_or_default();
    if !run.running {
        let why = if run.restarting {
            "is restarting, wait until the container is running"
        } else {
            "is not running"
        };
        writeln!(std::io::stderr(), "Error response from daemon: Container {id} {why}")?;
        return Ok(1);
    }
    let spec = dir.spec()?;
    let (user, group) = match user.split_once(':') {
        Some((user, group)) => (user.parse()?, group.parse()?),
        None => (spec.user, spec.group),
    };
    let mut command = Command::new(program::full_path("nsenter"));
    command.args(["--mount", "--net", "--pid", "--ipc", "--target", &run.pid.to_string(), "--"]);
    command.args(program::in_container(user, group, &spec.dropped, &spec.added)).args(program);
    command.env_clear().envs(&spec.env);
    Ok(code(command.status()?))
}
