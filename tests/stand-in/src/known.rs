//! Which calls the stand-in knows: any other ends loudly, so that no test takes silence for an answer.
//!
//! A flag that ends in `=` has a value. What is known is what the plugin calls, what the recordings
//! hold, and what tests do to a host in an administrator's place.

use anyhow::{Result, bail};

/// What may follow a command.
#[derive(Clone, Copy, Debug)]
enum Takes {
    /// These flags, and at most so many words.
    Args(&'static [&'static str], usize),
    /// A report: an app, and a single value or JSON; which values there are, the report knows.
    Report,
    /// Whatever comes, flags included.
    Anything,
}

use Takes::{Anything, Args, Report};

const MANY: usize = usize::MAX;

const COMMANDS: [(&str, Takes); 85] = [
    ("--version", Args(&[], 0)),
    ("version", Args(&[], 0)),
    ("report", Args(&[], 1)),
    ("plugin:list", Args(&["--format="], 0)),
    ("plugin:installed", Args(&[], 1)),
    ("apps:exists", Args(&[], 1)),
    ("apps:list", Args(&[], 0)),
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
    ("logs", Args(&["--num="], 1)),
    ("git:from-image", Args(&["--force"], 2)),
    ("git:report", Report),
    ("letsencrypt:active", Args(&[], 1)),
    ("letsencrypt:cron-job", Args(&["--add", "--remove"], 0)),
    ("letsencrypt:disable", Args(&[], 1)),
    ("letsencrypt:enable", Args(&["--force"], 1)),
    ("letsencrypt:list", Args(&[], 0)),
    ("letsencrypt:report", Report),
    // Values may begin with a dash; which properties there are, it knows itself.
    ("letsencrypt:set", Anything),
    ("network:report", Report),
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
    ("storage:create", Args(&[], 2)),
    ("storage:destroy", Args(&["--force"], 1)),
    ("storage:list", Args(&["--format="], 1)),
    ("storage:mount", Args(&["--container-dir="], 2)),
    ("storage:unmount", Args(&[], 2)),
];

/// What a real Dokku was asked for that it does not have: it says so, as recorded.
const NO_COMMANDS: [&str; 4] =
    ["apps:nosuch", "domains:urls", "letsencrypt:nosuch", "nosuch:command"];

const INSPECT: Takes = Args(&["--format="], MANY);
const LIST: Takes = Args(
    &["-a", "--all", "-q", "--quiet", "-aq", "-qa", "--no-trunc", "--filter=", "--format="],
    0,
);
const IMAGES: Takes = Args(&["-q", "--quiet"], 1);
const ONE: Takes = Args(&[], 1);

/// Subcommands of `docker`. The flags of `run` and `exec` are in `flags.rs`, for what is run has flags
/// of its own.
const DOCKER: [(&str, Takes); 22] = [
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

/// Whether Dokku itself says that it has no such command.
pub(crate) fn is_no_command(command: &str) -> bool {
    NO_COMMANDS.contains(&command)
}

/// Refuses a command of `dokku` that is not known, or not with these arguments.
pub(crate) fn dokku(command: &str, args: &[String]) -> Result<()> {
    let json = args.windows(2).all(|pair| pair[0] != "--format" || pair[1] == "json");
    if json && COMMANDS.iter().any(|(name, takes)| *name == command && fits(*takes, args)) {
        return Ok(());
    }
    bail!("`dokku {}` is not known", line(command, args))
}

/// Refuses a subcommand of `docker` that is not known, or not with these arguments.
pub(crate) fn docker(args: &[String]) -> Result<()> {
    let known = DOCKER.iter().any(|(name, takes)| {
        let words = name.split(' ').count();
        args.len() >= words && args[..words].join(" ") == *name && fits(*takes, &args[words..])
    });
    if known { Ok(()) } else { bail!("`{}` is not known", line("docker", args)) }
}

fn line(program: &str, args: &[String]) -> String {
    std::iter::once(program).chain(args.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
}

fn fits(takes: Takes, args: &[String]) -> bool {
    match takes {
        Anything => true,
        Args(flags, words) => count(flags, args).is_some_and(|found| found <= words),
        Report => {
            let (flags, words): (Vec<_>, Vec<_>) =
                args.iter().partition(|arg| arg.starts_with('-'));
            let format = usize::from(args.iter().any(|arg| arg == "--format"));
            flags.len() <= 2 && words.len() <= 1 + format
        }
    }
}

/// How many words stand between the flags; none when a flag is not known.
fn count(flags: &[&str], args: &[String]) -> Option<usize> {
    let mut words = 0;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if flag(flags, arg)? {
            args.next()?;
        } else if !arg.starts_with('-') {
            words += 1;
        }
    }
    Some(words)
}

/// Whether the next argument is this one's value; none when it is a flag that is not known.
pub(crate) fn flag(flags: &[&str], arg: &str) -> Option<bool> {
    if !arg.starts_with('-') || flags.contains(&arg) {
        return Some(false);
    }
    if flags.contains(&format!("{arg}=").as_str()) {
        return Some(true);
    }
    let with_value = flags.iter().any(|flag| flag.ends_with('=') && arg.starts_with(flag));
    with_value.then_some(false)
}
