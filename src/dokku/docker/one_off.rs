//! A program in a container that is removed when it has ended.
//!
//! The end of `docker run` does not end its container, so a run that is killed, or takes too long,
//! would leave it behind, at work. Each container has a label with the process that it belongs to:
//! that process removes it, or else the next one that runs such a program. Decides nothing.

use super::{docker, parse};
use crate::{
    error::Result,
    host::{Host, cmd::Output, process, random},
    names::ImageRef,
};
use std::time::Duration;

/// The label with the process that a container belongs to.
const LABEL: &str = "com.dokku-matrix.process";

/// Python may start slowly on a busy host.
const TIMEOUT: Duration = Duration::from_secs(300);

/// A program to run in a container that is removed when it has ended.
#[derive(Debug)]
pub struct OneOff<'a> {
    /// The image.
    pub image: &'a ImageRef,
    /// The user and group in the container, `uid:gid`.
    pub user: String,
    /// More flags of `docker run`, each with its value.
    pub flags: &'a [&'a str],
    /// The flags that lead to other containers; without any it has no network.
    pub links: &'a [String],
    /// The mounts, as `docker run -v` takes them.
    pub mounts: Vec<String>,
    /// The program.
    pub program: &'a str,
    /// Its arguments.
    pub args: &'a [&'a str],
    /// What it reads from standard input.
    pub stdin: Option<&'a str>,
}

/// Runs a program in a container. The caller looks at its exit code.
///
/// # Errors
/// It cannot be run, or does not end in time: then its container is removed.
pub fn run_one_off(host: &Host, run: &OneOff<'_>) -> Result<Output> {
    run_within(host, run, TIMEOUT)
}

fn run_within(host: &Host, run: &OneOff<'_>, timeout: Duration) -> Result<Output> {
    remove_left_behind(host)?;
    let name = format!("dokku-matrix.{}", random::hex(&random::bytes::<8>()?));
    let label = format!("--label={LABEL}={}", process::own());
    let mut cmd = docker(host).timeout(timeout).args([
        "run",
        "--rm",
        "--name",
        &name,
        "--label=dokku",
        "--label=com.dokku.plugin=matrix",
        &label,
        "--no-healthcheck",
        "--interactive",
        "--user",
        &run.user,
        "--entrypoint",
        run.program,
    ]);
    if run.links.is_empty() {
        cmd = cmd.arg("--network=none");
    }
    let flags = run.flags.iter().copied().chain(run.links.iter().map(String::as_str));
    cmd = cmd.args(flags.flat_map(|flag| flag.split(' ')));
    for mount in &run.mounts {
        cmd = cmd.args(["-v", mount]);
    }
    if let Some(text) = run.stdin {
        cmd = cmd.stdin(text);
    }
    match host.run(&cmd.arg(run.image.as_str()).args(run.args)) {
        Ok(output) => Ok(output),
        // What could not be removed is removed by the next run.
        Err(error) => Err(match remove(host, &name) {
            Ok(()) => error,
            Err(_) => error.hint(format!("docker container rm --force {name}")),
        }),
    }
}

/// Removes the containers whose processes have ended.
fn remove_left_behind(host: &Host) -> Result<()> {
    let label = format!("label={LABEL}");
    let format = format!("table {{{{.ID}}}}\\t{{{{.Label \"{LABEL}\"}}}}");
    let list = docker(host).args(["ps", "--all", "--no-trunc"]);
    let cmd = list.args(["--filter", &label, "--format", &format]);
    let output = host.must(&cmd)?;
    for [id, process] in parse::table::<2>(&cmd, &output.stdout)? {
        if !process::runs(&process) {
            remove(host, &id)?;
        }
    }
    Ok(())
}

/// Removes a container, whether it runs or not. It may be gone, or be about to go.
fn remove(host: &Host, name: &str) -> Result<()> {
    // It is no change of the host that a dry run must not make: it was made by a read.
    let cmd = docker(host).args(["container", "rm", "--force", name]);
    let output = host.run(&cmd)?;
    let is_gone = ["No such container", "is already in progress"];
    if output.code == 0 || is_gone.iter().any(|text| output.says(text)) {
        Ok(())
    } else {
        Err(host.failure(&cmd, &output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{env::Env, files, run::Nowhere};
    use std::{os::unix::fs::PermissionsExt, sync::Arc};

    /// A program in the place of Docker: `run` takes this long, and all leave their arguments.
    fn calls_of_a_run_of(seconds: &str) -> (bool, Vec<String>) {
        let (_guard, directory) = files::scratch().unwrap();
        let program = directory.join("docker");
        let script = format!(
            "#!/bin/sh\necho \"$*\" >> {directory}/calls\n\
             case $1 in run) sleep {seconds};; ps) printf 'CONTAINER ID   PROCESS\\n';; esac\n"
        );
        files::write_scratch(&program, &script).unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        let host = Host::new(Env::of(&[("DOCKER_BIN", program.as_str())]), Arc::new(Nowhere), true);
        let image = "a:1".parse().unwrap();
        let user = "1:1".to_owned();
        let run = OneOff {
            image: &image,
            user,
            flags: &[],
            links: &[],
            mounts: vec![],
            program: "p",
            args: &[],
            stdin: None,
        };
        let ended = run_within(&host, &run, Duration::from_secs(3)).is_ok();
        let calls = files::read(&directory.join("calls")).unwrap().unwrap();
        (ended, calls.lines().map(str::to_owned).collect())
    }

    #[test]
    fn removes_the_container_of_a_run_that_takes_too_long() {
        let (ended, calls) = calls_of_a_run_of("0");
        assert!(ended);
        assert_eq!(calls.len(), 2, "{calls:?}");
        assert!(calls[1].contains(" --network=none "), "{}", calls[1]);
        assert!(calls[1].contains(" --user 1:1 "), "{}", calls[1]);
        let (ended, calls) = calls_of_a_run_of("60");
        assert!(!ended);
        let name = calls[1].strip_prefix("run --rm --name ").unwrap().split(' ').next().unwrap();
        assert_eq!(calls[2], format!("container rm --force {name}"));
    }
}
