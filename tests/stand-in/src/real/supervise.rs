//! The supervisor of a container: mounts its files, runs its process, and applies Docker's restart
//! policy.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::container::{ContainerDir, RunState, Spec};
use super::network::{Network, short};
use super::program::{full_path, in_container};
use crate::containers::now;
use crate::entry::code;
use crate::restarts::backoff;
use crate::state::restarts_after;

/// After a run as long as this, the restart back-off starts again from its minimum.
const LONG_RUN: Duration = Duration::from_secs(10);

/// Runs the container until it has ended for good.
pub(super) fn run(stand_in: &Path, id: &str) -> Result<()> {
    let dir = ContainerDir::of(stand_in, id);
    let spec = dir.spec()?;
    let Some(_lock) = dir.lock()? else { bail!("engine: {id} runs already") };
    let alive = |needed: &String| {
        ContainerDir::of(stand_in, needed).run_state().as_ref().is_some_and(RunState::is_up)
    };
    if !spec.needs.iter().all(alive) {
        bail!("engine: {id} is linked to a container that does not run");
    }
    let network = Network::create(&spec)?;
    let mut run = RunState { restarts: 0, ..dir.run_state().unwrap_or_default() };
    // The number of short runs in a row.
    let mut short_runs = 0;
    loop {
        let started = Instant::now();
        let mut child = command(&dir, &spec)?.spawn().context("bwrap: run dev/setup")?;
        run = RunState { running: false, restarting: false, code: 0, started_at: now(), ..run };
        if let Some(pid) = inner(&mut child)? {
            (run.running, run.pid) = (true, pid);
            dir.set_run_state(&run)?;
        }
        run.code = code(child.wait()?);
        (run.running, run.pid, run.ended_at) = (false, 0, now());
        if dir.is_stopping() || !restarts_after(&spec.restart, run.code, run.restarts) {
            break;
        }
        run.restarting = true;
        run.restarts += 1;
        dir.set_run_state(&run)?;
        short_runs = if started.elapsed() >= LONG_RUN { 1 } else { short_runs + 1 };
        if !wait_for_restart(backoff(short_runs), &dir) || !spec.needs.iter().all(alive) {
            break;
        }
    }
    drop(network);
    run.restarting = false;
    dir.set_run_state(&run)
}

/// Waits for the restart back-off; false if the container is stopped meanwhile.
fn wait_for_restart(backoff: Duration, dir: &ContainerDir) -> bool {
    let since = Instant::now();
    while since.elapsed() < backoff && !dir.is_stopping() {
        sleep(Duration::from_millis(10));
    }
    !dir.is_stopping()
}

/// The first process in the container: the only child of bwrap. `None` if that has ended.
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

/// The complete command of a container.
pub(super) fn command(dir: &ContainerDir, spec: &Spec) -> Result<Command> {
    // Full paths: the container's PATH must not affect these programs.
    let mut command = if spec.address.is_some() {
        let mut command = Command::new(full_path("nsenter"));
        command
            .arg(format!("--net=/run/netns/{}", short(&spec.id)))
            .arg("--")
            .arg(full_path("bwrap"));
        command
    } else {
        let mut command = Command::new(full_path("bwrap"));
        command.arg("--unshare-net");
        command
    };
    command.args(["--die-with-parent", "--unshare-pid", "--as-pid-1", "--unshare-ipc"]);
    command.args(["--unshare-uts", "--hostname", short(&spec.id)]);
    command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run", "--dir", "/var"]);
    command.args(["--perms", "1777", "--tmpfs", "/tmp"]);
    if spec.read_only {
        command.args(["--remount-ro", "/tmp", "--remount-ro", "/run"]);
    }
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
        let file = dir.path(name);
        fs::write(&file, text)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
        command.arg("--ro-bind").arg(file).arg(format!("/etc/{name}"));
    }
    for (number, (path, user, group)) in spec.dirs.iter().enumerate() {
        let own = dir.path(&format!("dir{number}"));
        fs::create_dir_all(&own)?;
        chown(&own, Some(*user), Some(*group))?;
        fs::set_permissions(&own, fs::Permissions::from_mode(0o775))?;
        let bind = if spec.read_only { "--ro-bind" } else { "--bind" };
        command.args(parents(path)).arg(bind).arg(own).arg(path);
    }
    for (number, (path, options)) in spec.tmpfs.iter().enumerate() {
        let own = dir.path(&format!("tmpfs{number}"));
        tmpfs(&own, path, options, spec)?;
        command.args(parents(path)).arg("--bind").arg(own).arg(path);
    }
    for mount in &spec.mounts {
        let mut parts = mount.split(':');
        let (Some(host), Some(inside)) = (parts.next(), parts.next()) else {
            bail!("engine: {mount}: not a mount");
        };
        if !Path::new(host).exists() {
            // Docker creates missing mount sources as root.
            fs::create_dir_all(host)?;
        }
        let bind = if parts.next() == Some("ro") { "--ro-bind" } else { "--bind" };
        command.args(parents(inside)).args([bind, host, inside]);
    }
    if spec.read_only {
        command.args(["--remount-ro", "/"]);
    }
    command.args(in_container(spec.user, spec.group, &spec.dropped, &spec.added)).args(&spec.argv);
    command.env_clear().envs(&spec.env);
    Ok(command)
}

/// Creates the directory in the place of a file system in memory, which is empty at each start. Like
/// runc's, it belongs to root unless an option says otherwise, with the mode of what it covers.
fn tmpfs(own: &Path, path: &str, options: &str, spec: &Spec) -> Result<()> {
    if own.exists() {
        fs::remove_dir_all(own)?;
    }
    fs::create_dir_all(own)?;
    let option = |name: &str| {
        options.split(',').find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    };
    let number = |name: &str| option(name).unwrap_or("0").parse::<u32>();
    chown(own, Some(number("uid")?), Some(number("gid")?))?;
    let covers = spec.dirs.iter().any(|(dir, ..)| dir == path);
    let mode = if covers { 0o775 } else { 0o1777 };
    Ok(fs::set_permissions(own, fs::Permissions::from_mode(mode))?)
}

/// Creates the parents of a path. bwrap would create them for root only.
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
