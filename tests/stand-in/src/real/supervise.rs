//! Keeps a container running: its sight of the files, its process, and what Docker's restart policy
//! does when that ends.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::container::{Folder, Life, Spec};
use super::network::{Network, short};
use super::program::{in_container, place};
use crate::containers::now;
use crate::entry::code;
use crate::lives::pause;
use crate::state::starts_again;

/// A life that was as long as this does not make the next pause longer.
const LONG: Duration = Duration::from_secs(10);

/// Runs the container until it has ended for good.
pub(super) fn keep(stand_in: &Path, id: &str) -> Result<()> {
    let folder = Folder::of(stand_in, id);
    let spec = folder.spec()?;
    let Some(_held) = folder.hold()? else { bail!("engine: {id} runs already") };
    let alive =
        |needed: &String| Folder::of(stand_in, needed).life().as_ref().is_some_and(Life::is_kept);
    if !spec.needs.iter().all(alive) {
        bail!("engine: {id} is linked to a container that does not run");
    }
    let network = Network::make(&spec)?;
    let mut life = Life { restarts: 0, ..folder.life().unwrap_or_default() };
    // How many short ones it has had in a row.
    let mut row = 0;
    loop {
        let born = Instant::now();
        let mut child = command(&folder, &spec)?.spawn().context("bwrap: run dev/setup")?;
        life = Life { running: false, restarting: false, code: 0, started_at: now(), ..life };
        if let Some(pid) = inner(&mut child)? {
            (life.running, life.pid) = (true, pid);
            folder.set_life(&life)?;
        }
        life.code = code(child.wait()?);
        (life.running, life.pid, life.ended_at) = (false, 0, now());
        if folder.is_stopping() || !starts_again(&spec.restart, life.code, life.restarts) {
            break;
        }
        life.restarting = true;
        life.restarts += 1;
        folder.set_life(&life)?;
        row = if born.elapsed() >= LONG { 1 } else { row + 1 };
        if !passes(pause(row), &folder) || !spec.needs.iter().all(alive) {
            break;
        }
    }
    drop(network);
    life.restarting = false;
    folder.set_life(&life)
}

/// Waits out a pause; false if the container is stopped meanwhile.
fn passes(pause: Duration, folder: &Folder) -> bool {
    let since = Instant::now();
    while since.elapsed() < pause && !folder.is_stopping() {
        sleep(Duration::from_millis(10));
    }
    !folder.is_stopping()
}

/// The first process in the container: the only child of the one that made it; none if that has ended.
fn inner(child: &mut Child) -> Result<Option<u32>> {
    let file = format!("/proc/{0}/task/{0}/children", child.id());
    while child.try_wait()?.is_none() {
        let children = fs::read_to_string(&file).unwrap_or_default();
        if let Some(first) = children.split_whitespace().next() {
            return Ok(Some(first.parse()?));
        }
        sleep(Duration::from_millis(5));
    }
    Ok(None)
}

/// The whole command of a container.
pub(super) fn command(folder: &Folder, spec: &Spec) -> Result<Command> {
    // Where they are is not for the container's PATH to say.
    let mut command = if spec.address.is_some() {
        let mut command = Command::new(place("nsenter"));
        command.arg(format!("--net=/run/netns/{}", short(&spec.id))).arg("--").arg(place("bwrap"));
        command
    } else {
        let mut command = Command::new(place("bwrap"));
        command.arg("--unshare-net");
        command
    };
    command.args(["--die-with-parent", "--unshare-pid", "--as-pid-1", "--unshare-ipc"]);
    command.args(["--unshare-uts", "--hostname", short(&spec.id)]);
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
        if !Path::new(host).exists() {
            // As root: as Docker does it.
            fs::create_dir_all(host)?;
        }
        let how = if parts.next() == Some("ro") { "--ro-bind" } else { "--bind" };
        command.args(parents(inside)).args([how, host, inside]);
    }
    command.args(in_container(spec.user, spec.group)).args(&spec.argv);
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
    let own = spec.address.iter().map(|(own, _)| (short(&spec.id), own));
    let all = spec.hosts.iter().map(|(name, address)| (name.as_str(), address)).chain(own);
    let lines = all.map(|(name, address)| format!("{address} {name}\n"));
    "127.0.0.1 localhost\n".to_owned() + &lines.collect::<String>()
}
