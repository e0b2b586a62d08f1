//! A set of Linux namespaces, which end with their first process.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

/// A set of namespaces. Dropping the value kills all processes in it. So does the end of this
/// program, however it ends: the first process waits for the end of its standard input.
#[derive(Debug)]
pub(crate) struct Namespaces {
    first: u32,
    outside: Child,
    stdin: Option<ChildStdin>,
    /// Programs that run in the namespaces until these end.
    children: Mutex<Vec<Child>>,
}

impl Namespaces {
    /// Runs a command whose last program becomes the first process of new namespaces and prints
    /// `ready`.
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
        let first = find_first_process(outside.id())?;
        let stdin = outside.stdin.take();
        Ok(Self { first, outside, stdin, children: Mutex::default() })
    }

    /// A command that runs in the namespaces as root.
    pub(crate) fn enter(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--pid", "--mount", "--ipc", "--uts", "--target"]);
        command.arg(self.first.to_string()).arg("--").arg(program);
        command
    }

    /// Starts a program that runs until the namespaces end.
    pub(crate) fn spawn(&self, mut command: Command, log: &Path) -> Result<()> {
        let log = File::create(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        self.children.lock().unwrap_or_else(PoisonError::into_inner).push(child);
        Ok(())
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.outside.wait();
        let children = self.children.get_mut().unwrap_or_else(PoisonError::into_inner);
        children.iter_mut().for_each(|child| drop(child.wait()));
    }
}

/// The host's process id of the first process in the namespaces. Its ancestors are programs that
/// only start another one.
fn find_first_process(mut pid: u32) -> Result<u32> {
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
