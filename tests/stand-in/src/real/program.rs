//! Runs programs of the machine, not the stand-in programs of the same name, as root or as another
//! user.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

const PATH: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// Docker's default capabilities for root in a container.
const CAPABILITIES: &str = "chown,+dac_override,+fsetid,+fowner,+mknod,+net_raw,+setgid,+setuid,\
    +setfcap,+setpcap,+net_bind_service,+sys_chroot,+kill,+audit_write";

/// A program of the machine, not the stand-in of the same name.
pub(crate) fn system(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", PATH.join(":"));
    command
}

/// The full path of a program, for commands that run with a foreign PATH.
pub(super) fn full_path(program: &str) -> String {
    let candidates = PATH.map(|dir| format!("{dir}/{program}"));
    let path = candidates.iter().find(|path| Path::new(path).exists());
    path.map_or_else(|| program.to_owned(), String::clone)
}

/// The prefix of a command that runs as the given user instead of root.
pub(super) fn as_user(user: u32, group: u32) -> [String; 5] {
    let (user, group) = (format!("--reuid={user}"), format!("--regid={group}"));
    [full_path("setpriv"), user, group, "--clear-groups".to_owned(), "--".to_owned()]
}

/// The same inside a container, with Docker's capabilities, less those that are dropped, and those
/// that are added. Docker drops all before it adds some.
pub(super) fn in_container(
    user: u32,
    group: u32,
    dropped: &[String],
    added: &[String],
) -> Vec<String> {
    let [setpriv, user, group, groups, end] = as_user(user, group);
    let mut set = "--bounding-set=-all".to_owned();
    let is_in = |list: &[String], name: &str| {
        let name = format!("CAP_{}", name.to_ascii_uppercase());
        list.iter().any(|one| one == "ALL" || *one == name)
    };
    for name in CAPABILITIES.split(",+").filter(|name| !is_in(dropped, name)) {
        set += &format!(",+{name}");
    }
    for name in added.iter().filter_map(|name| name.strip_prefix("CAP_")) {
        set += &format!(",+{}", name.to_ascii_lowercase());
    }
    let capabilities = set;
    vec![setpriv, user, group, groups, capabilities, "--inh-caps=-all".to_owned(), end]
}

/// Runs a program; fails with its standard error if it fails.
pub(super) fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{command:?}: run dev/setup"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}
