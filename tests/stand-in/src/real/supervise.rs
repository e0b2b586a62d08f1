//! Keeps a container running: its sight of the files, its process, and what Docker's restart policy
//! does when that ends.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::container::{Folder, Life, Spec};
use super::network::{Network, short};
use super::program::as_user;
use crate::containers::now;
use crate::entry::code;
use crate::lives::pause;
use crate::state::starts_again;

/// What root in a container may do, as with Docker.
const CAPABILITIES: [&str; 6] =
    ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SETGID", "CAP_SETUID", "CAP_KILL"];
/// A life that was as long as this does not make the next pause longer.
const LONG: Duration = Duration::from_secs(10);

/// Runs the container until it has ended for good.
pub(super) fn keep(stand_in: &Path, id: &str) -> Result<()> {
    let folder = Folder::of(stand_in, id);
    let spec = folder.spec()?;
    let Some(_held) = folder.hold()? else { bail!("engine: {id} runs already") };
    let network = Network::make(&spec)?;
    let mut life = Life::default();
    // How many short ones it has had in a row.
    let mut short = 0;
    loop {
        let born = Instant::now();
        let mut child = command(&folder, &spec)?.spawn().context("bwrap: run dev/setup")?;
        life = Life {
            running: true,
            restarting: false,
            pid: inner(child.id()),
            started_at: now(),
            ..life
        };
        folder.set_life(&life)?;
        life.code = code(child.wait()?);
        (life.running, life.ended_at) = (false, now());
        let alive =
            |needed: &String| Folder::of(stand_in, needed).life().is_some_and(|life| life.running);
        let again = starts_again(&spec.restart, life.code, life.restarts) && !folder.is_stopping();
        if !again || !spec.needs.iter().all(alive) {
            drop(network);
            return folder.set_life(&life);
        }
        life.restarting = true;
        life.restarts += 1;
        folder.set_life(&life)?;
        short = if born.elapsed() >= LONG { 1 } else { short + 1 };
        let (pause, since) = (pause(short), Instant::now());
        while since.elapsed() < pause {
            if folder.is_stopping() {
                life.restarting = false;
                drop(network);
                return folder.set_life(&life);
            }
            sleep(Duration::from_millis(10));
        }
    }
}

/// The first process in the container: the only child of the one that made it.
fn inner(pid: u32) -> u32 {
    for _ in 0..200 {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let first = children.ok().and_then(|all| all.split_whitespace().next()?.parse().ok());
        if let Some(first) = first {
            return first;
        }
        sleep(Duration::from_millis(5));
    }
    pid
}

/// The whole command of a container.
pub(super) fn command(folder: &Folder, spec: &Spec) -> Result<Command> {
    let mut command = Command::new(if spec.address.is_some() { "nsenter" } else { "bwrap" });
    if spec.address.is_some() {
        command.arg(format!("--net=/run/netns/{}", short(&spec.id))).args(["--", "bwrap"]);
    } else {
        command.arg("--unshare-net");
    }
    command.args(["--die-with-parent", "--unshare-pid", "--as-pid-1", "--unshare-ipc"]);
    command.args(["--unshare-uts", "--hostname", &spec.name]);
    command.args(CAPABILITIES.iter().flat_map(|capability| ["--cap-add", capability]));
    command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run", "--dir", "/var"]);
    command.args(["--perms", "1777", "--tmpfs", "/tmp"]);
    command.args(["--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc", "--chdir", "/"]);
    for (target, link) in [
        ("usr/bin", "/bin"),
        ("usr/sbin", "/sbin"),
        ("usr/lib", "/lib"),
        ("usr/lib64", "/lib64"),
        ("../run", "/var/run"),
    ] {
        command.args(["--symlink", target, link]);
    }
    for (name, text) in [("hosts", hosts(spec)), ("passwd", PASSWD.to_owned())] {
        let file = folder.path(name);
        fs::write(&file, text)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
        command.arg("--ro-bind").arg(file).arg(format!("/etc/{name}"));
    }
    for (number, (path, user, group)) in spec.folders.iter().enumerate() {
        let own = folder.path(&format!("folder{number}"));
        fs::create_dir_all(&own)?;
        chown(&own, Some(*user), Some(*group))?;
        fs::set_permissions(&own, fs::Permissions::from_mode(0o775))?;
        command.args(parents(path)).arg("--bind").arg(own).arg(path);
    }
    for mount in &spec.mounts {
        let mut parts = mount.split(':');
        let (Some(host), Some(inside)) = (parts.next(), parts.next()) else {
            bail!("engine: {mount}: not a mount");
        };
        let how = if parts.next() == Some("ro") { "--ro-bind" } else { "--bind" };
        command.args(parents(inside)).args([how, host, inside]);
    }
    command.args(as_user(spec.user, spec.group)).args(&spec.argv);
    command.env_clear().envs(&spec.env);
    Ok(command)
}

/// The folders above a path: made by themselves, they would be open to root alone.
fn parents(path: &str) -> Vec<String> {
    let above: Vec<&Path> = Path::new(path).ancestors().skip(1).collect();
    let above = above.iter().rev().filter(|path| path.parent().is_some());
    above.flat_map(|path| ["--dir".to_owned(), path.display().to_string()]).collect()
}

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n\
    nginx:x:101:101::/nonexistent:/bin/sh\n";

fn hosts(spec: &Spec) -> String {
    let own = spec.address.iter().map(|(own, _)| (&spec.name, own));
    let all = spec.hosts.iter().map(|(name, address)| (name, address)).chain(own);
    let lines = all.map(|(name, address)| format!("{address} {name}\n"));
    "127.0.0.1 localhost\n".to_owned() + &lines.collect::<String>()
}
