//! `dokku`: its global flags, and which area answers a command.

use anyhow::{Result, bail};

use crate::call::{Call, fail};
use crate::{
    apps, certs, checks, config, docker_options, domains, git, inside, known, letsencrypt, moves,
    network, nginx, plugins, ports, postgres, proxy, ps, storage,
};

/// Answers a call of `dokku`.
pub(crate) fn serve(call: &mut Call) -> Result<()> {
    global_flags(call);
    let (command, mut args) = match call.args.split_first() {
        Some((command, args)) => (command.clone(), args.to_vec()),
        None => ("help".to_owned(), Vec::new()),
    };
    let (area, verb) = command.split_once(':').unwrap_or((&command, ""));
    if let Some(app) = call.app_name.clone().filter(|_| takes_app_name(area, verb)) {
        args.insert(0, app);
    }
    if area == "matrix" {
        return plugins::forward(call, &command, &args);
    }
    if call.plugin_missing(area) || known::is_no_command(&command) {
        return unknown(&command, &args);
    }
    known::dokku(&command, call.args.get(1..).unwrap_or_default())?;
    let call = &*call;
    let answered = match area {
        "version" | "--version" | "plugin" | "report" => plugins::serve(call, area, verb, &args)?,
        "apps" => apps::serve(call, verb, &args)? || moves::serve(call, verb, &args)?,
        "certs" => certs::serve(call, verb, &args)?,
        "checks" => checks::serve(call, verb, &args)?,
        "config" => config::serve(call, verb, &args)?,
        "docker-options" => docker_options::serve(call, verb, &args)?,
        "domains" => domains::serve(call, verb, &args)?,
        "git" => git::serve(call, verb, &args)?,
        "enter" | "logs" | "run" => inside::serve(call, area, verb, &args)?,
        "letsencrypt" => letsencrypt::serve(call, verb, &args)?,
        "network" | "scheduler" => network::serve(call, area, verb, &args)?,
        "nginx" => nginx::serve(call, verb, &args)?,
        "ports" => ports::serve(call, verb, &args)?,
        "postgres" => postgres::serve(call, verb, &args)?,
        "proxy" => proxy::serve(call, verb, &args)?,
        "ps" => ps::serve(call, verb, &args)?,
        "storage" => storage::serve(call, verb, &args)?,
        _ => false,
    };
    if answered { Ok(()) } else { bail!("`dokku {command}` is not known with so few arguments") }
}

/// Strips the leading global flags, and notes those anywhere, as Dokku does.
fn global_flags(call: &mut Call) {
    call.flags =
        call.args.iter().filter(|arg| arg.starts_with("--")).cloned().collect::<Vec<_>>().join(" ");
    if call.args.iter().any(|arg| arg == "--force") {
        call.forced.set(true);
    }
    if let Some(at) = call.args.iter().position(|arg| arg == "--app") {
        call.app_name = call.args.get(at + 1).cloned();
    }
    if call.args.iter().any(|arg| arg == "--quiet") {
        call.quiet = true;
    }
    while let Some(first) = call.args.first() {
        match first.as_str() {
            "--quiet" | "--force" | "--trace" => drop(call.args.remove(0)),
            "--app" if call.args.len() > 1 => drop(call.args.drain(..2)),
            _ => break,
        }
    }
}

/// Whether `--app`, or a `DOKKU_APP_NAME` that was handed down, comes before all arguments: with
/// Dokku's own plugins it does.
fn takes_app_name(area: &str, verb: &str) -> bool {
    match area {
        "matrix" | "postgres" => false,
        "letsencrypt" => matches!(verb, "active" | "enable" | "disable"),
        _ => true,
    }
}

fn unknown(command: &str, args: &[String]) -> Result<()> {
    let mut whole = vec![command.to_owned()];
    whole.extend_from_slice(args);
    fail(format!(
        "`{}` is not a dokku command.\n !     See `dokku help` for a list of available commands.",
        whole.join(" ")
    ))
}

impl Call {
    /// Whether a command belongs to a plugin that is not enabled here.
    fn plugin_missing(&self, area: &str) -> bool {
        matches!(area, "letsencrypt" | "postgres") && !self.plugins.join(area).exists()
    }
}

/// The argument at a place, or nothing.
pub(crate) fn arg(args: &[String], at: usize) -> &str {
    args.get(at).map_or("", String::as_str)
}

/// The arguments that are no flags.
pub(crate) fn words(args: &[String]) -> Vec<String> {
    args.iter().filter(|arg| !arg.starts_with("--")).cloned().collect()
}

/// Whether a flag was given.
pub(crate) fn has(args: &[String], flag: &str) -> bool {
    args.iter().any(|arg| arg == flag)
}
