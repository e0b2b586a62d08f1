//! The containers of apps: made, stopped, removed. What `docker` shows of them is in `docker.rs`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Result;
use sha1::{Digest, Sha1};

use crate::app::App;
use crate::call::{Call, fail};
use crate::state::{Container, State, Status};
use crate::{lives, real};

/// The hexadecimal SHA-1 of a text.
pub(crate) fn hex(text: &str) -> String {
    let mut digits = String::new();
    for byte in Sha1::digest(text.as_bytes()) {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// An id as Docker gives them, 64 digits, never the same twice.
pub(crate) fn new_id(state: &mut State) -> String {
    state.serial += 1;
    let seed = format!("{}-{}", state.serial, jiff::Timestamp::now().as_nanosecond());
    format!("{}{}", hex(&seed), &hex(&format!("{seed}."))[..24])
}

/// The next address on Docker's bridge; the first app gets `172.17.0.3`.
pub(crate) fn new_ip(state: &State) -> String {
    if state.parts.is_some() {
        // Two that are made at once are not on the list yet, but each has had its number.
        let number = state.serial % 50_000;
        return format!("{}.{}.{}", state.network(), 2 + number / 250, 2 + number % 250);
    }
    let taken = state.containers.len();
    format!("{}.{}.{}", state.network(), (taken + 3) / 250, (taken + 3) % 250)
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> i128 {
    jiff::Timestamp::now().as_nanosecond()
}

/// Makes and starts a container of an app. Docker refuses a link to a container that does not run.
pub(crate) fn create(
    call: &Call,
    name: &str,
    app: &App,
    process: &str,
    index: u32,
    extra: &str,
) -> Result<Container> {
    let mut options = app.docker_options.get("deploy").cloned().unwrap_or_default();
    if !extra.is_empty() {
        options.push(extra.to_owned());
    }
    call.update(|state| {
        let mut links = BTreeMap::new();
        for option in &options {
            let Some(service) = linked_service(option) else { continue };
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
            user: options.iter().find_map(|option| user(option)),
            mounts: app.mounts.iter().map(crate::Mount::spec).collect(),
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

/// Docker makes a folder of a mounted path that is not there.
pub(crate) fn make_folders(call: &Call, container: &Container) -> Result<()> {
    for host in container.mounts.iter().filter_map(|mount| mount.split(':').next()) {
        if Path::new(host).starts_with(&call.lib) && !Path::new(host).exists() {
            fs::create_dir_all(host)?;
        }
    }
    Ok(())
}

/// Starts a container, and gives what has become of it when Dokku looks at it.
pub(crate) fn start(call: &Call, container: &Container) -> Result<Container> {
    let state = call.state()?;
    let mut container = container.clone();
    match &state.parts {
        Some(parts) => real::apps::start(call, &state, parts, &mut container)?,
        None => lives::begin(&state, &mut container),
    }
    container.listed = container.status == Status::Running;
    call.update(|state| {
        state.containers.push(container.clone());
        Ok(container)
    })
}

fn linked_service(option: &str) -> Option<&str> {
    option.strip_prefix("--link dokku.postgres.")?.split(':').next()
}

fn user(option: &str) -> Option<String> {
    let mut words = option.split([' ', '=']);
    words.find(|word| matches!(*word, "--user" | "-u"))?;
    words.next().map(str::to_owned)
}

/// Sets what became of containers.
pub(crate) fn mark(call: &Call, ids: &[String], status: Status) -> Result<()> {
    real::apps::mark(call, ids, status)?;
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

/// The ids of an app's containers of one process type that run, or are about to.
pub(crate) fn running(call: &Call, name: &str, process: &str) -> Result<Vec<String>> {
    let state = call.state()?;
    Ok(state
        .kept(name)
        .filter(|container| container.process == process)
        .map(|c| c.id.clone())
        .collect())
}

/// Stops whatever Dokku takes for containers of an app: those that its files name, a copied file
/// included, and those with its label.
pub(crate) fn stop_all(call: &Call, name: &str) -> Result<Vec<String>> {
    let mut ids: Vec<String> =
        call.container_files(name).into_iter().map(|(_, _, id)| id).collect();
    ids.extend(call.state()?.kept(name).map(|container| container.id.clone()));
    mark(call, &ids, Status::Exited)?;
    Ok(ids)
}

/// Stops and removes them.
pub(crate) fn remove_all(call: &Call, name: &str) -> Result<()> {
    let ids = stop_all(call, name)?;
    mark(call, &ids, Status::Removed)
}
