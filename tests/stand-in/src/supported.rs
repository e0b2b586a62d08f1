//! The list of supported calls. Any other call is refused with an error, so that no test mistakes a
//! missing implementation for an answer.
//!
//! Supported are the calls of the plugin, the calls in the recordings, and what tests run in place
//! of an administrator. A flag that ends in `=` takes a value.

use anyhow::{Result, bail};

/// The arguments that a command accepts.
#[derive(Clone, Copy, Debug)]
enum Takes {
    /// These flags, and at most this many positional arguments.
    Args(&'static [&'static str], usize),
    /// A report: an app, and a single value or JSON. The report itself checks which values exist.
    Report,
    /// Any arguments, including flags.
    Anything,
}

use Takes::{Anything, Args, Report};

const MANY: usize = usize::MAX;

const COMMANDS: [(&str, Takes); 89] = [
    ("--version", Args(&[], 0)),
    ("version", Args(&[], 0)),
    ("report", Args(&[], 1)),
    ("plugin:list", Args(&["--format="], 0)),
    ("plugin:installed", Args(&[], 1)),
    ("apps:exists", Args(&[], 1)),
    ("apps:list", Args(&["--format="], 0)),
    ("apps:report", Report),
    ("apps:create", Args(&["-x"], 1)),
    ("apps:destroy", Args(&["--force"], 1)),
    ("apps:rename", Args(&["--skip-deploy"], 2)),
    ("apps:clone", Args(&["--skip-deploy"], 2)),
    ("certs:report", Report),
    ("checks:disable", Args(&[], 2)),
    ("checks:enable", Args(&[], 2)),
    ("checks:report", Report),
    ("config:get", Args(&[], 2)),
    ("config:keys", Args(&[], 1)),
    ("config:export", Args(&["--format="], 1)),
    ("config:show", Args(&[], 1)),
    ("config:set", Args(&["--no-restart"], MANY)),
    ("config:unset", Args(&["--no-restart"], MANY)),
    ("docker-options:add", Anything),
    ("docker-options:remove", Anything),
    ("docker-options:report", Report),
    ("domains:add", Args(&[], MANY)),
    ("domains:set", Args(&[], MANY)),
    ("domains:remove", Args(&[], MANY)),
    ("domains:clear", Args(&[], 1)),
    ("domains:report", Report),
    ("enter", Anything),
    ("run", Anything),
    ("run:detached", Anything),
    ("logs", Args(&["--num="], 1)),
    ("git:from-image", Args(&["--force"], 2)),
    ("git:report", Report),
    ("letsencrypt:active", Args(&[], 1)),
    ("letsencrypt:cron-job", Args(&["--add", "--remove"], 0)),
    ("letsencrypt:disable", Args(&[], 1)),
    ("letsencrypt:enable", Args(&["--force"], 1)),
    ("letsencrypt:list", Args(&[], 0)),
    ("letsencrypt:report", Report),
    // Values may start with a dash; the command itself checks the property.
    ("letsencrypt:set", Anything),
    ("network:report", Report),
    ("network:set", Args(&["--global"], 3)),
    ("nginx:report", Report),
    ("nginx:set", Anything),
    ("nginx:validate-config", Args(&[], 1)),
    ("ports:add", Args(&[], MANY)),
    ("ports:clear", Args(&[], 1)),
    ("ports:list", Args(&[], 1)),
    ("ports:remove", Args(&[], MANY)),
    ("ports:report", Report),
    ("ports:set", Args(&[], MANY)),
    ("postgres:app-links", Args(&[], 1)),
    ("postgres:connect", Args(&[], 1)),
    ("postgres:create", Args(&["--custom-env=", "--help"], 1)),
    ("postgres:destroy", Args(&["--force"], 1)),
    // The command that is run has flags of its own.
    ("postgres:enter", Anything),
    ("postgres:exists", Args(&[], 1)),
    ("postgres:export", Args(&[], 1)),
    ("postgres:import", Args(&[], 1)),
    ("postgres:info", Report),
    ("postgres:link", Args(&["--no-restart"], 2)),
    ("postgres:linked", Args(&[], 2)),
    ("postgres:links", Args(&[], 1)),
    ("postgres:list", Args(&[], 0)),
    ("postgres:restart", Args(&[], 1)),
    ("postgres:start", Args(&[], 1)),
    ("postgres:stop", Args(&[], 1)),
    ("postgres:unlink", Args(&["--no-restart"], 2)),
    ("proxy:build-config", Args(&[], 1)),
    ("proxy:clear-config", Args(&[], 1)),
    ("proxy:report", Report),
    ("ps:rebuild", Args(&[], 1)),
    ("ps:report", Report),
    ("ps:restart", Args(&[], 2)),
    ("ps:restore", Args(&[], 1)),
    ("ps:scale", Args(&["--skip-deploy"], MANY)),
    ("ps:set", Args(&[], 3)),
    ("ps:start", Args(&[], 1)),
    ("ps:stop", Args(&[], 1)),
    ("scheduler:report", Report),
    ("storage:create", Args(&["--reclaim-policy="], 2)),
    ("storage:destroy", Args(&["--force"], 1)),
    ("storage:info", Args(&["--format="], 1)),
    ("storage:list", Args(&["--format="], 1)),
    ("storage:mount", Args(&["--container-dir=", "--volume-readonly"], 2)),
    ("storage:unmount", Args(&["--container-dir="], 2)),
];

/// Commands of the recordings that a real Dokku does not have: it answers with its own error.
const UNKNOWN_TO_DOKKU: [&str; 4] =
    ["apps:nosuch", "domains:urls", "letsencrypt:nosuch", "nosuch:command"];

const INSPECT: Takes = Args(&["--format="], MANY);
const LIST: Takes = Args(
    &["-a", "--all", "-q", "--quiet", "-aq", "-qa", "--no-trunc", "--filter=", "--format="],
    0,
);
const IMAGES: Takes = Args(&["-q", "--quiet"], 1);
const ONE: Takes = Args(&[], 1);

/// Subcommands of `docker`. `flags.rs` lists the flags of `run` and `exec`, because the program in
/// the container has flags of its own.
const DOCKER: [(&str, Takes); 23] = [
    ("image inspect", INSPECT),
    ("container inspect", INSPECT),
    ("inspect", INSPECT),
    ("image ls", IMAGES),
    ("image list", IMAGES),
    ("images", IMAGES),
    ("image pull", ONE),
    ("pull", ONE),
    ("ps", LIST),
    ("container ls", LIST),
    ("container list", LIST),
    ("container ps", LIST),
    ("container run", Anything),
    ("run", Anything),
    ("container exec", Anything),
    ("exec", Anything),
    ("container rm", Args(&["--force"], 1)),
    ("container start", ONE),
    ("container stop", ONE),
    ("container restart", ONE),
    ("start", ONE),
    ("stop", ONE),
    ("restart", ONE),
];

/// The flags of `psql` in the container of a service.
pub(crate) const PSQL: [&str; 12] = [
    "-U=",
    "-d=",
    "--dbname=",
    "-v=",
    "-c=",
    "--command=",
    "-tAc=",
    "-Atc=",
    "-tc=",
    "-t",
    "-A",
    "-tA",
];

/// Whether Dokku itself reports that there is no such command.
pub(crate) fn is_unknown_to_dokku(command: &str) -> bool {
    UNKNOWN_TO_DOKKU.contains(&command)
}

/// Refuses a `dokku` command that is not supported, or not with these arguments.
pub(crate) fn check_dokku(command: &str, args: &[String]) -> Result<()> {
    let json = args.windows(2).all(|pair| pair[0] != "--format" || pair[1] == "json");
    if json && COMMANDS.iter().any(|(name, takes)| *name == command && accepts(*takes, args)) {
        return Ok(());
    }
    bail!("`dokku {}` is not supported", line(command, args))
}

/// Refuses a `docker` subcommand that is not supported, or not with these arguments.
pub(crate) fn check_docker(args: &[String]) -> Result<()> {
    let supported = DOCKER.iter().any(|(name, takes)| {
        let length = name.split(' ').count();
        args.len() >= length
            && args[..length].join(" ") == *name
            && accepts(*takes, &args[length..])
    });
    if supported { Ok(()) } else { bail!("`{}` is not supported", line("docker", args)) }
}

fn line(program: &str, args: &[String]) -> String {
    std::iter::once(program).chain(args.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
}

fn accepts(takes: Takes, args: &[String]) -> bool {
    match takes {
        Anything => true,
        Args(flags, positional) => {
            count_positional(flags, args).is_some_and(|count| count <= positional)
        }
        Report => {
            let (flags, positional): (Vec<_>, Vec<_>) =
                args.iter().partition(|arg| arg.starts_with('-'));
            let format = usize::from(args.iter().any(|arg| arg == "--format"));
            flags.len() <= 2 && positional.len() <= 1 + format
        }
    }
}

/// The number of positional arguments; `None` if a flag is not supported.
fn count_positional(flags: &[&str], args: &[String]) -> Option<usize> {
    let mut count = 0;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if takes_value(flags, arg)? {
            args.next()?;
        } else if !arg.starts_with('-') {
            count += 1;
        }
    }
    Some(count)
}

/// Whether the next argument is the value of this one; `None` if this is an unsupported flag.
pub(crate) fn takes_value(flags: &[&str], arg: &str) -> Option<bool> {
    if !arg.starts_with('-') || flags.contains(&arg) {
        return Some(false);
    }
    if flags.contains(&format!("{arg}=").as_str()) {
        return Some(true);
    }
    let with_value = flags.iter().any(|flag| flag.ends_with('=') && arg.starts_with(flag));
    with_value.then_some(false)
}
