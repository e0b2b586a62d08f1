//! Starts, stops and observes the containers of apps.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::container::{ContainerDir, RunState};
use super::machine::Parts;
use super::{engine, image};
use crate::call::Call;
use crate::ports;
use crate::state::{Container, State, Status};

/// How long Dokku observes a process with checks. The stand-in stops as soon as the process
/// listens.
const UPTIME: Duration = Duration::from_secs(10);
/// How long Dokku takes to ask for the address of a container without checks.
const ADDRESS_LOOKUP: Duration = Duration::from_millis(700);
/// Docker's default stop timeout, in seconds.
pub(super) const DOCKER_STOP_TIMEOUT: &str = "10";

/// Creates a container of an app.
pub(crate) fn create(
    call: &Call,
    state: &State,
    parts: &Parts,
    container: &Container,
) -> Result<()> {
    ContainerDir::of(call.store.root(), &container.id)
        .create(&image::spec(call, state, parts, container)?)
}

/// Starts a container and observes it as long as Dokku does.
pub(crate) fn start(
    call: &Call,
    state: &State,
    container: &mut Container,
    checked: bool,
) -> Result<()> {
    let dir = ContainerDir::of(call.store.root(), &container.id);
    engine::run(&["start", &container.id])?;
    let (since, limit) = (Instant::now(), if checked { UPTIME } else { ADDRESS_LOOKUP });
    loop {
        refresh(&dir, container);
        let ended = container.status != Status::Running || container.restarts > 0;
        if ended || since.elapsed() > limit || (checked && listens(state, container)) {
            return Ok(());
        }
        sleep(Duration::from_millis(20));
    }
}

fn refresh(dir: &ContainerDir, container: &mut Container) {
    let Some(run) = dir.run_state() else { return };
    container.status = run.status();
    container.started_at = run.started_at;
    container.ended_at = run.ended_at;
    container.code = run.code;
    container.restarts = run.restarts;
    container.pid = run.pid;
}

/// Whether the process accepts connections on the app's port.
fn listens(state: &State, container: &Container) -> bool {
    let ports = state.apps.get(&container.app).map(|app| ports::effective(state, app));
    let port = ports.and_then(|ports| ports.first()?.rsplit(':').next()?.parse().ok());
    let address = container.ip.parse().map(|ip: IpAddr| SocketAddr::new(ip, port.unwrap_or(5000)));
    address.is_ok_and(|at| TcpStream::connect_timeout(&at, Duration::from_secs(1)).is_ok())
}

/// The stop timeout in seconds: Dokku passes its own, `docker` uses Docker's default.
fn stop_timeout(call: &Call, state: &State, app: &str) -> String {
    if call.program == "docker" {
        return DOCKER_STOP_TIMEOUT.to_owned();
    }
    let property = state.apps.get(app).and_then(|app| app.ps.get("stop-timeout-seconds"));
    property.cloned().unwrap_or_else(|| "30".to_owned())
}

/// Stops or starts the containers. The caller then records the new status.
pub(crate) fn set_status(call: &Call, ids: &[String], status: Status) -> Result<()> {
    let state = call.state()?;
    if state.parts.is_none() {
        return Ok(());
    }
    for container in state.containers.iter().filter(|container| ids.contains(&container.id)) {
        match (container.status, status) {
            (Status::Exited, Status::Running) => engine::run(&["start", &container.id])?,
            (Status::Removed, _) => {}
            // Also stop a container that has exited: Docker may have restarted it since.
            (_, Status::Exited | Status::Removed) => {
                engine::run(&["stop", &container.id, &stop_timeout(call, &state, &container.app)])?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Updates the state with what the containers have done since it was written.
pub(crate) fn refresh_all(stand_in: &Path, state: &mut State) {
    if state.parts.is_none() {
        return;
    }
    for service in state.services.values_mut() {
        let id = service.container.as_deref().unwrap_or_default();
        if let Some(run) = ContainerDir::of(stand_in, id).run_state() {
            service.status = run.status();
        }
    }
    for container in &mut state.containers {
        if container.status == Status::Removed {
            continue;
        }
        refresh(&ContainerDir::of(stand_in, &container.id), container);
    }
}

/// Marks all containers as killed, as after a power cut.
pub(crate) fn mark_all_killed(stand_in: &Path) -> Result<()> {
    for entry in stand_in.join("run").read_dir().into_iter().flatten() {
        let dir = ContainerDir::of(stand_in, &entry?.file_name().to_string_lossy());
        if let Some(run) = dir.run_state().filter(RunState::is_up) {
            dir.set_run_state(&run.killed())?;
        }
    }
    Ok(())
}

/// The output of an app's newest container.
pub(crate) fn logs(call: &Call, state: &State, app: &str) -> Vec<String> {
    let newest = state.containers.iter().rev().find(|container| container.app == app);
    let log =
        newest.map(|container| ContainerDir::of(call.store.root(), &container.id).path("log"));
    let text = log.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
