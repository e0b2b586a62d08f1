//! Creates, starts, stops and removes the containers of apps. `inspect.rs` shows them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Result;
use sha1::{Digest, Sha1};

use crate::app::App;
use crate::call::{Call, fail};
use crate::state::{Container, State, Status};
use crate::{flags, network, ports, postgres, real, restarts};

/// The hexadecimal SHA-1 of a text.
pub(crate) fn hex(text: &str) -> String {
    let mut digits = String::new();
    for byte in Sha1::digest(text.as_bytes()) {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// A container id in Docker's format: 64 hexadecimal digits, unique on this host.
pub(crate) fn new_id(state: &mut State) -> String {
    state.serial += 1;
    let seed = format!("{}-{}", state.serial, jiff::Timestamp::now().as_nanosecond());
    format!("{}{}", hex(&seed), &hex(&format!("{seed}."))[..24])
}

/// The next address on Docker's bridge; the first app gets `172.17.0.3`.
pub(crate) fn new_ip(state: &State) -> String {
    if state.parts.is_some() {
        // Containers created at the same time are not in the list yet; the serial number is unique.
        let number = state.serial % 50_000;
        return format!("{}.{}.{}", state.subnet(), 2 + number / 250, 2 + number % 250);
    }
    let count = state.containers.len();
    format!("{}.{}.{}", state.subnet(), (count + 3) / 250, (count + 3) % 250)
}

/// The current time in nanoseconds since 1970.
pub(crate) fn now() -> i128 {
    jiff::Timestamp::now().as_nanosecond()
}

/// Creates a container of an app. Like Docker, it refuses a link to a service without a container.
pub(crate) fn create(
    call: &Call,
    name: &str,
    app: &App,
    process: &str,
    index: u32,
    extra: &str,
) -> Result<Container> {
    let scopes = ["deploy".to_owned(), format!("deploy.{process}")];
    let of = |scope: &String| app.docker_options.get(scope).into_iter().flatten().cloned();
    let mut options: Vec<String> = scopes.iter().flat_map(of).collect();
    options.extend(network_options(&call.state()?, app, process));
    if !extra.is_empty() {
        options.push(extra.to_owned());
    }
    let flags = flags::of_options(&options)?;
    call.update(|state| {
        let mut links = BTreeMap::new();
        for service in &flags.links {
            let Some(id) = state.services.get(service).and_then(|service| service.container.clone()) else {
                return fail(format!(
                    "Error response from daemon: could not get container for dokku.postgres.{service}: No such container: dokku.postgres.{service}"
                ));
            };
            links.insert(service.to_owned(), id);
        }
        let container = Container {
            id: new_id(state),
            app: name.to_owned(),
            process: process.to_owned(),
            index,
            name: format!("{name}.{process}.{index}"),
            image: app.built.clone().unwrap_or_default(),
            user: flags.user,
            mounts: app.mounts.iter().map(crate::Mount::spec).chain(flags.mounts).collect(),
            options: options.clone(),
            env: app.config.clone(),
            links,
            ip: new_ip(state),
            status: Status::Running,
            created_at: now(),
            started_at: now(),
            restart_policy: app.ps.get("restart-policy").cloned().unwrap_or_else(|| "on-failure:10".to_owned()),
            ..Container::default()
        };
        Ok(container)
    })
}

/// What Dokku adds for the network of a container: its first network, and for `web` processes the
/// ports that are published on all interfaces.
fn network_options(state: &State, app: &App, process: &str) -> Vec<String> {
    let mut options = Vec::new();
    let network = network::computed(state, app, "initial-network");
    if !network.is_empty() {
        options.push(format!("--network={network}"));
    }
    if process == "web" && network::computed(state, app, "bind-all-interfaces") == "true" {
        let mut ports: Vec<String> = Vec::new();
        for port in ports::effective(state, app) {
            let port = port.rsplit(':').next().unwrap_or_default().to_owned();
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
        options.extend(ports.iter().map(|port| format!("-p {port}")));
    }
    options
}

/// Creates the directories of missing mount sources, as Docker does. With real parts the engine
/// does.
pub(crate) fn create_mount_sources(call: &Call, container: &Container) -> Result<()> {
    if call.state()?.parts.is_some() {
        return Ok(());
    }
    for host in container.mounts.iter().filter_map(|mount| mount.split(':').next()) {
        if Path::new(host).starts_with(&call.lib) && !Path::new(host).exists() {
            fs::create_dir_all(host)?;
        }
    }
    Ok(())
}

/// Whether all linked services run. If not, prints Docker's error.
pub(crate) fn links_alive(call: &Call, state: &State, container: &Container) -> bool {
    let dead = state.dead_links(container);
    if let Some(service) = dead.first() {
        call.eprint(format!(
            "Error response from daemon: Cannot link to a non running container: /dokku.postgres.{service} AS /{}/{}\n",
            container.name,
            postgres::hostname(service)
        ));
    }
    dead.is_empty()
}

/// Starts a container and returns its state at the time Dokku checks it.
pub(crate) fn start(call: &Call, container: &Container, checked: bool) -> Result<Container> {
    let state = call.state()?;
    if let Some(parts) = &state.parts {
        real::apps::create(call, &state, parts, container)?;
    }
    let mut container = container.clone();
    if !links_alive(call, &state, &container) {
        call.eprint(format!("Error: failed to start containers: {}\n", container.id));
        container.status = Status::Exited;
    } else if state.parts.is_some() {
        real::apps::start(call, &state, &mut container, checked)?;
    } else {
        restarts::start(&state, &mut container);
    }
    container.listed = container.status == Status::Running;
    call.update(|state| {
        state.containers.push(container.clone());
        Ok(container)
    })
}

/// Sets the status of containers.
pub(crate) fn set_status(call: &Call, ids: &[String], status: Status) -> Result<()> {
    real::apps::set_status(call, ids, status)?;
    call.update(|state| {
        for container in state.containers.iter_mut().filter(|container| ids.contains(&container.id))
        {
            if container.status != Status::Removed {
                container.status = status;
            }
        }
        Ok(())
    })
}

/// The ids of an app's running or restarting containers of one process type, as Dokku finds them:
/// only those recorded in its files, and none before the first deploy of the app has finished.
pub(crate) fn running(call: &Call, name: &str, process: &str) -> Result<Vec<String>> {
    if !call.app(name)?.deployed {
        return Ok(Vec::new());
    }
    let state = call.state()?;
    let recorded = call.container_files(name).into_iter().filter(|(other, ..)| other == process);
    Ok(recorded.map(|(_, _, id)| id).filter(|id| state.up(name).any(|c| c.id == *id)).collect())
}

/// Stops everything that Dokku regards as a container of the app: the ids in its files, including
/// files copied from another app, and the containers with its label.
pub(crate) fn stop_all(call: &Call, name: &str) -> Result<Vec<String>> {
    let mut ids: Vec<String> =
        call.container_files(name).into_iter().map(|(_, _, id)| id).collect();
    ids.extend(call.state()?.up(name).map(|container| container.id.clone()));
    set_status(call, &ids, Status::Exited)?;
    Ok(ids)
}

/// Stops and removes all containers of an app.
pub(crate) fn remove_all(call: &Call, name: &str) -> Result<()> {
    let ids = stop_all(call, name)?;
    set_status(call, &ids, Status::Removed)
}
