//! `docker`: images, containers, and commands in containers.

use anyhow::{Result, bail};

use crate::call::{Call, quit};
use crate::container_commands::{execute, print_answer};
use crate::containers::{hex, links_alive, new_id, now, set_status};
use crate::dokku::arg;
use crate::entry::exit_with;
use crate::images::mounted_files;
use crate::inspect::{find, inspect, list, source, split};
use crate::postgres;
use crate::psql::{self, Format};
use crate::real;
use crate::state::{Answer, Status, Temporary};
use crate::synapse_config::{check, parse, probe};
use crate::{flags, supported};

pub(crate) fn serve(call: &Call) -> Result<()> {
    supported::check_docker(&call.args)?;
    let line: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let rest = |taken: usize| &call.args[taken..];
    match line.as_slice() {
        ["image", "inspect", ..] => inspect(call, rest(2), "image"),
        ["container", "inspect", ..] => inspect(call, rest(2), "container"),
        ["inspect", ..] => inspect(call, rest(1), "object"),
        ["image", "ls" | "list", ..] => images(call, rest(2)),
        ["images", ..] => images(call, rest(1)),
        ["image", "pull", ..] => pull_or_fail(call, last(rest(2))),
        ["pull", ..] => pull_or_fail(call, last(rest(1))),
        ["ps", ..] => list(call, rest(1)),
        ["container", "ls" | "list" | "ps", ..] => list(call, rest(2)),
        ["container", "run", ..] => run(call, rest(2)),
        ["run", ..] => run(call, rest(1)),
        ["container", "exec", ..] => exec(call, rest(2)),
        ["exec", ..] => exec(call, rest(1)),
        ["container", "rm", "--force", name] => remove(call, name),
        ["container", verb @ ("start" | "stop" | "restart"), ..] => {
            start_stop(call, verb, last(rest(2)))
        }
        [verb @ ("start" | "stop" | "restart"), ..] => start_stop(call, verb, last(rest(1))),
        _ => bail!("`docker {}` is not supported", call.args.join(" ")),
    }
}

/// `docker container rm --force`: only of temporary containers.
fn remove(call: &Call, name: &str) -> Result<()> {
    let removed = call.update(|state| {
        let before = state.temporary.len();
        state.temporary.retain(|other| other.id != name && other.name != name);
        Ok(state.temporary.len() < before)
    })?;
    if removed {
        call.line(name);
        return Ok(());
    }
    if find(&call.state()?, name).is_some() {
        bail!("`docker container rm` of an app's container is not supported");
    }
    // With --force that is no error for this version of Docker.
    call.eprint(format!("Error response from daemon: No such container: {name}\n"));
    Ok(())
}

fn last(args: &[String]) -> &str {
    args.last().map_or("", String::as_str)
}

fn images(call: &Call, args: &[String]) -> Result<()> {
    let (names, _) = split(args, &["--filter"]);
    let state = call.state()?;
    for (reference, image) in &state.images {
        if image.on_host && names.first().is_none_or(|name| name == reference) {
            call.line(&hex(reference)[..12]);
        }
    }
    Ok(())
}

/// Pulls an image; false if the registry does not have it.
pub(crate) fn pull(call: &Call, reference: &str) -> Result<bool> {
    let pulled = call.update(|state| {
        let pulled = state.pullable.contains(reference);
        if pulled {
            state.images.entry(reference.to_owned()).or_default().on_host = true;
        }
        Ok(pulled)
    })?;
    if pulled {
        call.line(format!("Status: Downloaded newer image for {reference}\ndocker.io/{reference}"));
    } else {
        call.eprint("Error response from daemon: Get \"https://registry.invalid/v2/\": dial tcp: lookup registry.invalid on 192.0.2.53:53: no such host\n");
    }
    Ok(pulled)
}

fn pull_or_fail(call: &Call, reference: &str) -> Result<()> {
    if pull(call, reference)? { Ok(()) } else { quit(1) }
}

/// `docker run --rm`: a temporary container.
fn run(call: &Call, args: &[String]) -> Result<()> {
    let (flags, rest) = flags::of_run(args)?;
    let reference = arg(rest, 0);
    if source(&call.state()?, reference).is_none() {
        call.eprint(format!("Unable to find image '{reference}' locally\n"));
        if !pull(call, reference)? {
            return quit(125);
        }
    }
    let id = call.update(|state| {
        let id = new_id(state);
        let name = flags.name.clone().unwrap_or_else(|| id.clone());
        if state.temporary.iter().any(|other| other.name == name) {
            bail!("`docker run` with the name of another container is not supported");
        }
        let labels = flags.labels.iter().cloned().collect();
        state.temporary.push(Temporary { id: id.clone(), name, labels });
        Ok(id)
    })?;
    let ran = run_program(call, args, &flags, rest);
    call.update(|state| {
        state.temporary.retain(|other| other.id != id);
        Ok(())
    })?;
    ran
}

fn run_program(call: &Call, args: &[String], flags: &flags::Flags, rest: &[String]) -> Result<()> {
    let whole = args.join(" ");
    let state = call.state()?;
    if let Some(parts) = &state.parts {
        return exit_with(real::docker::run(call, parts, flags, rest)?);
    }
    if let Some(answer) = state.exec.iter().find(|answer| whole.contains(&answer.contains)) {
        return print_answer(call, answer);
    }
    if flags.entrypoint.as_deref() == Some("python") && rest.get(1).is_some_and(|arg| arg == "-") {
        let answer = match rest.get(2).map(String::as_str) {
            // Without its standard input, Python reads an empty script.
            _ if !flags.interactive => Answer::default(),
            Some("check") if flags.links.is_empty() => check(&flags.mounts),
            Some("probe") => probe(&state, &flags.links, &flags.mounts),
            _ => bail!("`docker run {whole}` is not supported"),
        };
        return print_answer(call, &answer);
    }
    if whole.ends_with(" -m synapse.config -c /config/homeserver.d") {
        return print_answer(call, &parse(&flags.mounts));
    }
    bail!("`docker run {whole}` is not supported")
}

fn exec(call: &Call, args: &[String]) -> Result<()> {
    let (flags, rest) = flags::of_exec(args)?;
    let (name, command) = (arg(rest, 0), rest.get(1..).unwrap_or_default());
    if call.state()?.parts.is_some() {
        return exit_with(real::docker::exec(call, name, flags.interactive, command)?);
    }
    if let Some(service) = name.strip_prefix("dokku.postgres.") {
        return print_answer(call, &database(call, service, command)?);
    }
    let state = call.state()?;
    match find(&state, name) {
        None => {
            call.eprint(format!("Error: No such container: {name}\n"));
            quit(1)
        }
        Some(container) if container.status != Status::Running => {
            let why = if container.status == Status::Restarting {
                "restarting, wait until the container is running"
            } else {
                "not running"
            };
            call.eprint(format!(
                "Error response from daemon: Container {} is {why}\n",
                container.id
            ));
            quit(1)
        }
        Some(container) => print_answer(
            call,
            &execute(&state, container, &format!("exec {}", args.join(" ")), command)?,
        ),
    }
}

/// `psql` in the container of a service.
fn database(call: &Call, service: &str, command: &[String]) -> Result<Answer> {
    let all: Vec<&String> = command.iter().skip(1).collect();
    let unknown = all.iter().find(|arg| supported::takes_value(&supported::PSQL, arg).is_none());
    if arg(command, 0) != "psql" || unknown.is_some() {
        bail!("`{}` in the container of a service is not supported", command.join(" "));
    }
    let after = |flags: &[&str]| {
        let at = command.iter().position(|arg| flags.contains(&arg.as_str()))?;
        command.get(at + 1).cloned()
    };
    let sql = match after(&["-c", "-tAc", "-Atc", "-tc", "--command"]) {
        Some(sql) => sql,
        None => call.read_stdin()?,
    };
    let short = |letter: char| {
        command
            .iter()
            .any(|arg| arg.starts_with('-') && !arg.starts_with("--") && arg.contains(letter))
    };
    let database_arg = command
        .last()
        .filter(|arg| **arg != sql && !arg.starts_with('-') && *arg != "psql" && *arg != "postgres")
        .cloned();
    let database =
        after(&["-d", "--dbname"]).or(database_arg).unwrap_or_else(|| "postgres".to_owned());
    let format = Format { unaligned: short('A'), tuples_only: short('t') };
    let database = if database == service { postgres::database(service) } else { database };
    psql::run(call, service, &database, &sql, format)
}

fn start_stop(call: &Call, verb: &str, name: &str) -> Result<()> {
    let state = call.state()?;
    let service = name.strip_prefix("dokku.postgres.");
    let has_container =
        |service: &&str| state.services.get(*service).is_some_and(|s| s.container.is_some());
    if let Some(service) = service.filter(has_container) {
        postgres::start_stop(call, service, verb)?;
        call.line(name);
        return Ok(());
    }
    let Some(container) = find(&state, name) else {
        call.eprint(format!("Error: No such container: {name}\n"));
        return quit(1);
    };
    let ids = [container.id.clone()];
    if verb != "start" {
        set_status(call, &ids, Status::Exited)?;
    }
    if verb != "stop" {
        if !links_alive(call, &state, container) {
            call.eprint(format!("Error: failed to start containers: {name}\n"));
            return quit(1);
        }
        set_status(call, &ids, Status::Running)?;
        call.update(|state| {
            state.containers.iter_mut().filter(|container| ids.contains(&container.id)).for_each(
                |container| {
                    container.started_at = now();
                    container.read = mounted_files(&container.mounts);
                },
            );
            Ok(())
        })?;
    }
    call.line(name);
    Ok(())
}
