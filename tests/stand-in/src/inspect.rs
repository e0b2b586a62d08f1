//! `docker inspect`, `docker ps`: what Docker reports about images and containers.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::call::{Call, quit};
use crate::containers::hex;
use crate::flags;
use crate::images;
use crate::state::{Container, State, Status};
use crate::storage::inspected;
use crate::template;

/// Splits arguments into positional ones and the value of `--format`. `valued` are flags whose
/// value is skipped.
pub(crate) fn split<'a>(args: &'a [String], valued: &[&str]) -> (Vec<&'a str>, Option<&'a str>) {
    let (mut names, mut format) = (Vec::new(), None);
    let mut args = args.iter().map(String::as_str);
    while let Some(arg) = args.next() {
        if let Some(value) = arg.strip_prefix("--format=") {
            format = Some(value);
        } else if matches!(arg, "--format" | "-f") && !valued.contains(&arg) {
            format = args.next();
        } else if valued.contains(&arg) {
            args.next();
        } else if !arg.starts_with('-') {
            names.push(arg);
        }
    }
    (names, format)
}

pub(crate) fn inspect(call: &Call, args: &[String], kind: &str) -> Result<()> {
    let (names, format) = split(args, &["--type"]);
    let state = call.state()?;
    let mut objects = Vec::new();
    let mut missing = Vec::new();
    for name in names {
        let object = match kind {
            "image" => image(&state, name),
            "container" => container(&state, name),
            _ => container(&state, name).or_else(|| image(&state, name)),
        };
        match object {
            Some(object) => objects.push(object),
            None => missing.push(format!("Error: No such {kind}: {name}\n")),
        }
    }
    match format {
        Some(format) if objects.is_empty() => call.print(if format.is_empty() { "" } else { "\n" }),
        Some(format) => {
            for object in &objects {
                call.line(template::render(format, object)?);
            }
        }
        None => call.line(serde_json::to_string_pretty(&Value::from(objects))?),
    }
    call.eprint(missing.concat());
    if missing.is_empty() { Ok(()) } else { quit(1) }
}

/// The reference of an image on this host: its own, or the one an app's image was built from.
pub(crate) fn source(state: &State, name: &str) -> Option<String> {
    // Dokku builds this one tag, which Docker also means where none is named.
    let app = name.strip_prefix("dokku/").map(|rest| rest.strip_suffix(":latest").unwrap_or(rest));
    let built = app.and_then(|app| state.apps.get(app)).map(|app| app.built.clone());
    match built {
        Some(built) => built,
        None if state.on_host(name) => Some(name.to_owned()),
        None => None,
    }
}

fn image(state: &State, name: &str) -> Option<Value> {
    let reference = source(state, name)?;
    let id = format!("sha256:{}{}", hex(&reference), &hex(&format!("{reference}."))[..24]);
    let image = state.image(&reference);
    let env: Vec<String> = image.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
    // Docker leaves out what is empty.
    let mut config = json!({ "Env": env, "Entrypoint": images::entry_point(&reference, &image) });
    if !image.cmd.is_empty() {
        config["Cmd"] = json!(image.cmd);
    }
    if reference != name {
        let tags = json!([reference]).to_string();
        config["Labels"] = json!({ "com.dokku.docker-image-labeler/alternate-tags": tags });
    }
    Some(json!({
        "Id": id, "RepoTags": [name], "RepoDigests": [], "Config": config,
        "Os": "linux", "RootFS": { "Type": "layers", "Layers": [id] },
    }))
}

fn time(nanoseconds: i128) -> String {
    jiff::Timestamp::from_nanosecond(nanoseconds).map(|stamp| stamp.to_string()).unwrap_or_default()
}

fn container(state: &State, name: &str) -> Option<Value> {
    if let Some(service) = name.strip_prefix("dokku.postgres.") {
        let service = state.services.get(service)?;
        let id = service.container.as_ref()?;
        return Some(json!({
            "Id": id, "Name": format!("/{name}"), "Created": time(service.created_at), "State": { "Status": if service.runs() { "running" } else { "exited" }, "Running": service.runs() },
            "Config": { "Image": "postgres:18.4", "Labels": { "dokku.service": "postgres" } }, "Mounts": [],
            "NetworkSettings": { "IPAddress": if service.runs() { service.ip.as_str() } else { "" } },
        }));
    }
    find(state, name).map(|container| document(state, container))
}

pub(crate) fn find<'a>(state: &'a State, name: &str) -> Option<&'a Container> {
    let alive = state.containers.iter().filter(|container| container.status != Status::Removed);
    alive.rev().find(|container| {
        container.name == name || (name.len() >= 4 && container.id.starts_with(name))
    })
}

fn document(state: &State, container: &Container) -> Value {
    let running = container.status == Status::Running;
    let address = if running { container.ip.as_str() } else { "" };
    let env: Vec<String> =
        container.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let (policy, retries) =
        container.restart_policy.split_once(':').unwrap_or((&container.restart_policy, "0"));
    let links: Vec<String> = container
        .links
        .keys()
        .map(|service| {
            format!("/dokku.postgres.{service}:/{}/dokku-postgres-{service}", container.name)
        })
        .collect();
    // The options were read when the container was created.
    let flags = flags::of_options(&container.options).unwrap_or_default();
    let image_config = state.image(&container.image);
    let mut argv = images::entry_point(&container.image, &image_config);
    argv.extend(if container.argv.is_empty() { image_config.cmd } else { container.argv.clone() });
    let tmpfs: serde_json::Map<String, Value> =
        flags.tmpfs.iter().map(|(path, options)| (path.clone(), options.as_str().into())).collect();
    let tmpfs = if tmpfs.is_empty() { Value::Null } else { tmpfs.into() };
    json!({
        "Path": argv.first(),
        "Args": argv.get(1..).unwrap_or_default(),
        "Id": container.id,
        "Name": format!("/{}", container.name),
        "Created": time(container.created_at),
        "State": {
            "Status": container.status.word(),
            "Running": container.status.is_up(),
            "Restarting": container.status == Status::Restarting,
            "ExitCode": if running { 0 } else { container.code },
            "Pid": if running { container.pid } else { 0 },
            "StartedAt": time(container.started_at),
            "FinishedAt": if container.ended_at == 0 { "0001-01-01T00:00:00Z".to_owned() } else { time(container.ended_at) },
        },
        "RestartCount": container.restarts,
        "Image": image(state, &container.image).map_or(Value::from(""), |image| image["Id"].clone()),
        "Config": {
            "Image": format!("dokku/{}:latest", container.app),
            "User": container.user.clone().unwrap_or_default(),
            "Env": env,
            "Labels": labels(container),
        },
        "HostConfig": {
            "Links": links,
            "NetworkMode": flags.network.as_deref().unwrap_or("default"),
            "PortBindings": bindings(&flags.published),
            "PublishAllPorts": flags.publishes_all,
            "CapAdd": nullable(&flags.added),
            "CapDrop": nullable(&flags.dropped),
            "SecurityOpt": nullable(&flags.security),
            "ReadonlyRootfs": flags.read_only,
            "Tmpfs": tmpfs,
            "PidsLimit": flags.pids,
            "RestartPolicy": { "Name": policy, "MaximumRetryCount": retries.parse().unwrap_or(0) },
        },
        "Mounts": container.mounts.iter().map(|mount| inspected(mount)).collect::<Vec<_>>(),
        "NetworkSettings": { "IPAddress": address, "Networks": { "bridge": { "IPAddress": address } } },
    })
}

/// Docker writes an empty list as null.
fn nullable(list: &[String]) -> Value {
    if list.is_empty() { Value::Null } else { json!(list) }
}

/// Published ports, `[[address:]port:]port[/protocol]`, as Docker keeps them.
fn bindings(published: &[String]) -> Value {
    let mut bindings = json!({});
    for value in published {
        let (value, protocol) = value.split_once('/').unwrap_or((value, "tcp"));
        let mut parts = value.rsplitn(3, ':');
        let mut part = || parts.next().unwrap_or_default();
        let (inside, outside, address) = (part(), part(), part());
        let binding = json!({ "HostIp": address.trim_matches(['[', ']']), "HostPort": outside });
        let key = format!("{inside}/{protocol}");
        match bindings[&key].as_array_mut() {
            Some(all) => all.push(binding),
            None => bindings[&key] = json!([binding]),
        }
    }
    bindings
}

fn labels(container: &Container) -> Value {
    let mut labels = json!({
        "com.dokku.app-name": container.app,
        "com.dokku.container-type": "deploy",
        "com.dokku.docker-image-labeler/alternate-tags": json!([container.image]).to_string(),
        "com.dokku.dyno": format!("{}.{}", container.process, container.index),
        "dokku": "",
    });
    if container.kind.is_empty() {
        labels["com.dokku.process-type"] = container.process.as_str().into();
    } else {
        labels["com.dokku.container-type"] = container.kind.as_str().into();
    }
    // A container of Docker's own.
    if container.app.is_empty() {
        return json!({});
    }
    // The options were read when the container was created.
    for (label, value) in flags::of_options(&container.options).unwrap_or_default().labels {
        labels[label] = value.into();
    }
    labels
}

fn has_flag(args: &[String], flags: &[&str]) -> bool {
    args.iter().any(|arg| flags.contains(&arg.as_str()))
}

pub(crate) fn list(call: &Call, args: &[String]) -> Result<()> {
    let state = call.state()?;
    let has = |flags: &[&str]| has_flag(args, flags);
    let (all, ids) = (has(&["-a", "--all", "-aq", "-qa"]), has(&["-q", "--quiet", "-aq", "-qa"]));
    let (_, format) = split(args, &["--filter", "-f"]);
    let filters: Vec<&str> = args
        .iter()
        .enumerate()
        .filter_map(|(at, arg)| match arg.as_str() {
            "--filter" | "-f" => args.get(at + 1).map(String::as_str),
            other => other.strip_prefix("--filter="),
        })
        .collect();
    if let Some(filter) = filters.iter().find(|filter| !supports(filter)) {
        bail!("`docker ps --filter {filter}` is not supported");
    }
    if format.is_none() && !ids {
        bail!("`docker ps` without -q or --format is not supported");
    }
    // Validate the format even if there is no container to print.
    let placeholder = Container { id: " ".repeat(12), ..Container::default() };
    let table = format.and_then(|format| format.strip_prefix("table "));
    let columns = table.map(|columns| columns.replace("\\t", "   "));
    let format = columns.as_deref().or(format);
    template::render(format.unwrap_or_default(), &row(&placeholder, &placeholder.id))?;
    if let Some(columns) = &columns {
        // Docker's heading of a label is the last part of its name.
        let heads = json!({ "ID": "CONTAINER ID", "Labels": { "com.dokku.app-name": "app name", "com.dokku-matrix.process": "process" } });
        call.line(template::render(columns, &heads)?);
    }
    for one in &state.temporary {
        let has = |filter: &&str| {
            let label = filter.strip_prefix("label=").unwrap_or_default();
            let (key, value) = label.split_once('=').unwrap_or((label, ""));
            one.labels.get(key).is_some_and(|own| value.is_empty() || own == value)
        };
        if !filters.iter().all(has) {
            continue;
        }
        let short = if has_flag(args, &["--no-trunc"]) { one.id.as_str() } else { &one.id[..12] };
        let row = json!({ "ID": short, "Names": one.name, "Labels": one.labels });
        match format {
            Some(format) => call.line(template::render(format, &row)?),
            None => call.line(short),
        }
    }
    for container in
        state.containers.iter().rev().filter(|container| container.status != Status::Removed)
    {
        if !(all || container.status.is_up() || filters.contains(&"status=exited"))
            || !filters.iter().all(|filter| fits(container, filter))
        {
            continue;
        }
        let short = if has(&["--no-trunc"]) { container.id.as_str() } else { &container.id[..12] };
        match format {
            Some(format) => call.line(template::render(format, &row(container, short))?),
            None => call.line(short),
        }
    }
    Ok(())
}

fn row(container: &Container, id: &str) -> Value {
    let status = match container.status {
        Status::Running => "Up 2 minutes".to_owned(),
        Status::Restarting => format!("Restarting ({}) 2 seconds ago", container.code),
        Status::Exited | Status::Removed => format!("Exited ({}) 2 minutes ago", container.code),
    };
    json!({
        "ID": id, "Names": container.name, "Image": format!("dokku/{}:latest", container.app), "Labels": labels(container),
        "Status": status, "State": container.status.word(),
        "CreatedAt": time(container.created_at),
    })
}

fn supports(filter: &str) -> bool {
    match filter.split_once('=') {
        Some(("status", status)) => matches!(status, "running" | "restarting" | "exited"),
        Some((key, _)) => matches!(key, "label" | "name" | "volume" | "id"),
        None => false,
    }
}

fn fits(container: &Container, filter: &str) -> bool {
    match filter.split_once('=') {
        Some(("label", label)) => {
            let (key, value) = label.split_once('=').unwrap_or((label, ""));
            let actual = &labels(container)[key];
            actual.is_string() && (value.is_empty() || actual == value)
        }
        Some(("name", name)) => container.name.contains(name.trim_matches(['^', '/', '$'])),
        Some(("status", status)) => container.status.word() == status,
        Some(("volume", path)) => {
            container.mounts.iter().any(|mount| mount.split(':').take(2).any(|side| side == path))
        }
        Some(("id", id)) => container.id.starts_with(id),
        _ => false,
    }
}
