//! `dokku`: parses its global flags and dispatches a command to its area.

use anyhow::{Result, bail};

use crate::call::{Call, fail};
use crate::{
    apps, certs, checks, config, container_commands, docker_options, domains, git, letsencrypt,
    network, nginx, plugins, ports, postgres, proxy, ps, rename_clone, storage, supported,
};

/// Runs a command of `dokku`.
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
    if call.plugin_missing(area) || supported::is_unknown_to_dokku(&command) {
        return unknown(&command, &args);
    }
    supported::check_dokku(&command, call.args.get(1..).unwrap_or_default())?;
    let call = &*call;
    let answered = match area {
        "version" | "--version" | "plugin" | "report" => plugins::serve(call, area, verb, &args)?,
        "apps" => apps::serve(call, verb, &args)? || rename_clone::serve(call, verb, &args)?,
        "certs" => certs::serve(call, verb, &args)?,
        "checks" => checks::serve(call, verb, &args)?,
        "config" => config::serve(call, verb, &args)?,
        "docker-options" => docker_options::serve(call, verb, &args)?,
        "domains" => domains::serve(call, verb, &args)?,
        "git" => git::serve(call, verb, &args)?,
        "enter" | "logs" | "run" => container_commands::serve(call, area, verb, &args)?,
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
    if answered {
        Ok(())
    } else {
        bail!("`dokku {command}` is not supported with so few arguments")
    }
}

/// Strips the leading global flags. Like Dokku, it also honors them anywhere else in the line.
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

/// Whether `--app` or `DOKKU_APP_NAME` becomes the first argument, as it does for Dokku's own
/// plugins.
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
    /// Whether a command belongs to a plugin that is not enabled on this host.
    fn plugin_missing(&self, area: &str) -> bool {
        matches!(area, "letsencrypt" | "postgres") && !self.plugins.join(area).exists()
    }
}

/// The argument at an index, or an empty string.
pub(crate) fn arg(args: &[String], at: usize) -> &str {
    args.get(at).map_or("", String::as_str)
}

/// The arguments that are not flags.
pub(crate) fn positional(args: &[String]) -> Vec<String> {
    args.iter().filter(|arg| !arg.starts_with("--")).cloned().collect()
}

/// Whether a flag is present.
pub(crate) fn has(args: &[String], flag: &str) -> bool {
    args.iter().any(|arg| arg == flag)
}
