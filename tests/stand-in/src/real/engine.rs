//! The one program that root runs for dokku (it is set-uid): it starts, stops, and enters containers,
//! as Docker's daemon does, and calls nginx, as sudo and systemd do.
//!
//! It knows nothing of Dokku and of the host's state.

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

use super::container::{Folder, Life};
use super::network::Network;
use super::program;
use super::supervise::{self, command};
use crate::entry::code;

/// Where a host has it: in a place of its own, for it is set-uid.
pub(crate) const PATH: &str = "/run/engine";

/// Has the engine of the host do something; standard streams are the call's, the input if it is to be.
pub(crate) fn call(args: &[String], stdin: bool) -> Result<i32> {
    let stdin = if stdin { Stdio::inherit() } else { Stdio::null() };
    Ok(code(Command::new(PATH).args(args).stdin(stdin).status()?))
}

/// Has it do something that has to succeed, without a word.
pub(crate) fn must(args: &[&str]) -> Result<()> {
    program::run(Command::new(PATH).args(args))
}

/// The whole program.
pub(crate) fn main(args: &[String]) -> ExitCode {
    let rc = serve(args).unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "engine: {error:#}");
        125
    });
    u8::try_from(rc).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Gives the exit code.
fn serve(args: &[String]) -> Result<i32> {
    setgroups(&[])?;
    setgid(Gid::from_raw(0))?;
    setuid(Uid::from_raw(0))?;
    let stand_in = PathBuf::from(env::var_os("STAND_IN").context("stand-in: no host")?);
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["start", id] => start(&stand_in, id),
        ["supervise", id] => supervise::keep(&stand_in, id).map(|()| 0),
        ["run", id] => run(&stand_in, id),
        ["stop", id, seconds] => stop(&stand_in, id, Duration::from_secs(seconds.parse()?)),
        ["exec", id, user, command @ ..] => exec(&stand_in, id, user, command),
        ["nginx", args @ ..] => {
            Ok(code(program::system("nginx").args(args).status().context("nginx: run dev/setup")?))
        }
        _ => bail!("engine: {} is not known", args.join(" ")),
    }
}

/// Starts a container in the background, and waits until its process is there.
fn start(stand_in: &Path, id: &str) -> Result<i32> {
    let folder = Folder::of(stand_in, id);
    folder.set_stopping(false)?;
    let before = folder.life().map_or(0, |life| life.started_at);
    let log = std::fs::File::options().append(true).create(true).open(folder.path("log"))?;
    let mut keeper = Command::new(PATH);
    keeper.arg0("engine").args(["supervise", id]).process_group(0).stdin(Stdio::null());
    let mut keeper = keeper.stdout(log.try_clone()?).stderr(log).spawn()?;
    loop {
        // In this order: one that ends at once has said so before.
        let ended = keeper.try_wait()?.is_some();
        if folder.life().is_some_and(|life| life.started_at != before) {
            return Ok(0);
        }
        if ended {
            bail!("engine: {id} does not start: see {}", folder.path("log").display());
        }
        sleep(Duration::from_millis(5));
    }
}

/// Runs a container in the foreground; standard streams are the caller's.
fn run(stand_in: &Path, id: &str) -> Result<i32> {
    let folder = Folder::of(stand_in, id);
    let spec = folder.spec()?;
    let network = Network::make(&spec)?;
    let ran = code(command(&folder, &spec)?.status()?);
    drop(network);
    std::fs::remove_dir_all(folder.path(""))?;
    Ok(ran)
}

fn kill(life: &Life, signal: &str) -> Result<()> {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(life.pid)?);
    let signal: nix::sys::signal::Signal = format!("SIG{signal}").parse()?;
    match nix::sys::signal::kill(pid, signal) {
        // It has ended since we looked.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Asks it to end, and kills it if it does not.
fn stop(stand_in: &Path, id: &str, grace: Duration) -> Result<i32> {
    let folder = Folder::of(stand_in, id);
    folder.set_stopping(true)?;
    let spec = folder.spec()?;
    let signal = if spec.stop.is_empty() { "TERM" } else { &spec.stop };
    let (asked, mut told) = (Instant::now(), 0);
    // Until nobody keeps it any more: in the pause before a restart nothing runs, either.
    let _held = loop {
        if let Some(held) = folder.hold()? {
            break held;
        }
        if let Some(life) = folder.life().filter(|life| life.running) {
            if life.pid != told {
                kill(&life, signal)?;
                told = life.pid;
            }
            if asked.elapsed() > grace {
                kill(&life, "KILL")?;
            }
        }
        sleep(Duration::from_millis(10));
    };
    // Unless the keeper was killed, it has said what became of it.
    if let Some(life) = folder.life().filter(Life::is_kept) {
        folder.set_life(&life.cut_off())?;
    }
    Ok(0)
}

/// Runs a program inside, as the container's user or the one that is named.
fn exec(stand_in: &Path, id: &str, user: &str, program: &[&str]) -> Result<i32> {
    let folder = Folder::of(stand_in, id);
    let life = folder.life().unwrap_or_default();
    if !life.running {
        let why = if life.restarting {
            "is restarting, wait until the container is running"
        } else {
            "is not running"
        };
        writeln!(std::io::stderr(), "Error response from daemon: Container {id} {why}")?;
        return Ok(1);
    }
    let spec = folder.spec()?;
    let (user, group) = match user.split_once(':') {
        Some((user, group)) => (user.parse()?, group.parse()?),
        None => (spec.user, spec.group),
    };
    let mut command = Command::new(program::place("nsenter"));
    command.args(["--mount", "--net", "--pid", "--ipc", "--target", &life.pid.to_string(), "--"]);
    command.args(program::in_container(user, group)).args(program);
    command.env_clear().envs(&spec.env);
    Ok(code(command.status()?))
}
