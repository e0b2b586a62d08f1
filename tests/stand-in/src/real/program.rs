//! Programs of the machine, which others stand in for, run by root or as somebody else.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A program of the machine, and not the one that stands in for it.
pub(crate) fn system(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

/// The beginning of a command that is run as that user instead of root.
pub(super) fn as_user(user: u32, group: u32) -> [String; 5] {
    let (user, group) = (format!("--reuid={user}"), format!("--regid={group}"));
    ["setpriv".to_owned(), user, group, "--clear-groups".to_owned(), "--".to_owned()]
}

/// Runs a program that has to succeed, and says nothing if it does.
pub(super) fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{command:?}: run dev/setup"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}
