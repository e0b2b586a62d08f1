//! A set of namespaces: started, entered, and gone with its first process.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

/// The namespaces. All that runs in them is killed with the value, however this program ends: their
/// first process waits for the end of its standard input.
#[derive(Debug)]
pub(crate) struct Space {
    first: u32,
    outside: Child,
    stdin: Option<ChildStdin>,
    /// Programs that run inside until the end.
    left: Mutex<Vec<Child>>,
}

impl Space {
    /// Runs a command whose last program is the first process of new namespaces, and says `ready`.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut outside = command.spawn().with_context(|| format!("{command:?}"))?;
        let mut line = String::new();
        if let Some(stdout) = outside.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if line.trim() != "ready" {
            let mut why = String::new();
            if let Some(mut stderr) = outside.stderr.take() {
                stderr.read_to_string(&mut why)?;
            }
            bail!("stand-in: no namespaces: {why}");
        }
        let first = first_process(outside.id())?;
        let stdin = outside.stdin.take();
        Ok(Self { first, outside, stdin, left: Mutex::default() })
    }

    /// A program that is run inside, by root.
    pub(crate) fn enter(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--pid", "--mount", "--ipc", "--uts", "--target"]);
        command.arg(self.first.to_string()).arg("--").arg(program);
        command
    }

    /// Starts a program that runs until the namespaces go.
    pub(crate) fn leave(&self, mut command: Command, log: &Path) -> Result<()> {
        let log = File::create(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        self.left.lock().unwrap_or_else(PoisonError::into_inner).push(child);
        Ok(())
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.outside.wait();
        let left = self.left.get_mut().unwrap_or_else(PoisonError::into_inner);
        left.iter_mut().for_each(|child| drop(child.wait()));
    }
}

/// The first process of the namespaces, as the machine counts: programs that only start another one
/// stand before it.
fn first_process(mut pid: u32) -> Result<u32> {
    loop {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let inside = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        if inside.and_then(|pids| pids.split_whitespace().next_back()) == Some("1") {
            return Ok(pid);
        }
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let child = children.split_whitespace().next().context("stand-in: no namespaces")?;
        pid = child.parse()?;
    }
}
