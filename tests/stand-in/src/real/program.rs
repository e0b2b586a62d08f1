//! Programs of the machine, which others stand in for, run by root or as somebody else.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

const PATH: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// What root in a container may do: Docker's own list.
const CAPABILITIES: &str = "chown,+dac_override,+fsetid,+fowner,+mknod,+net_raw,+setgid,+setuid,\
    +setfcap,+setpcap,+net_bind_service,+sys_chroot,+kill,+audit_write";

/// A program of the machine, and not the one that stands in for it.
pub(crate) fn system(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", PATH.join(":"));
    command
}

/// Where the machine has a program, for those who are run with an environment that is not theirs.
pub(super) fn place(program: &str) -> String {
    let places = PATH.map(|folder| format!("{folder}/{program}"));
    let found = places.iter().find(|place| Path::new(place).exists());
    found.map_or_else(|| program.to_owned(), String::clone)
}

/// The beginning of a command that is run as that user instead of root.
pub(super) fn as_user(user: u32, group: u32) -> [String; 5] {
    let (user, group) = (format!("--reuid={user}"), format!("--regid={group}"));
    [place("setpriv"), user, group, "--clear-groups".to_owned(), "--".to_owned()]
}

/// The same in a container, where nobody may do more than Docker lets them.
pub(super) fn in_container(user: u32, group: u32) -> Vec<String> {
    let [setpriv, user, group, groups, end] = as_user(user, group);
    let capabilities = format!("--bounding-set=-all,+{CAPABILITIES}");
    vec![setpriv, user, group, groups, capabilities, "--inh-caps=-all".to_owned(), end]
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
