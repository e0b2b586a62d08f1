//! The containers of apps: started, stopped, and looked at.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::container::{Folder, Life};
use super::machine::Parts;
use super::{engine, image};
use crate::call::Call;
use crate::ports;
use crate::state::{Container, State, Status};

/// How long Dokku looks at a process that it checks. Here it looks away as soon as that listens.
const UPTIME: Duration = Duration::from_secs(10);
/// What it takes Dokku to ask for the address of one that it does not check.
const MOMENT: Duration = Duration::from_millis(700);
/// The seconds that Docker gives a container to end, if nobody says how many.
pub(super) const DOCKERS_GRACE: &str = "10";

/// Makes a container of an app.
pub(crate) fn make(call: &Call, state: &State, parts: &Parts, of: &Container) -> Result<()> {
    Folder::of(call.store.root(), &of.id).make(&image::spec(call, state, parts, of)?)
}

/// Starts one, and sees what becomes of it in the time that Dokku looks at it.
pub(crate) fn start(call: &Call, state: &State, of: &mut Container, checked: bool) -> Result<()> {
    let folder = Folder::of(call.store.root(), &of.id);
    engine::must(&["start", &of.id])?;
    let (since, long) = (Instant::now(), if checked { UPTIME } else { MOMENT });
    loop {
        see(&folder, of);
        let ended = of.status != Status::Running || of.restarts > 0;
        if ended || since.elapsed() > long || (checked && listens(state, of)) {
            return Ok(());
        }
        sleep(Duration::from_millis(20));
    }
}

fn see(folder: &Folder, container: &mut Container) {
    let Some(life) = folder.life() else { return };
    container.status = life.status();
    container.started_at = life.started_at;
    container.ended_at = life.ended_at;
    container.code = life.code;
    container.restarts = life.restarts;
    container.pid = life.pid;
}

/// Whether its process takes connections at the app's port.
fn listens(state: &State, of: &Container) -> bool {
    let ports = state.apps.get(&of.app).map(|app| ports::effective(state, app));
    let port = ports.and_then(|ports| ports.first()?.rsplit(':').next()?.parse().ok());
    let address = of.ip.parse().map(|ip: IpAddr| SocketAddr::new(ip, port.unwrap_or(5000)));
    address.is_ok_and(|at| TcpStream::connect_timeout(&at, Duration::from_secs(1)).is_ok())
}

/// How many seconds a container may take to end before it is killed: Dokku names its own number.
fn grace(call: &Call, state: &State, app: &str) -> String {
    if call.program == "docker" {
        return DOCKERS_GRACE.to_owned();
    }
    let property = state.apps.get(app).and_then(|app| app.ps.get("stop-timeout-seconds"));
    property.cloned().unwrap_or_else(|| "30".to_owned())
}

/// Stops or starts containers before that is noted.
pub(crate) fn mark(call: &Call, ids: &[String], status: Status) -> Result<()> {
    let state = call.state()?;
    if state.parts.is_none() {
        return Ok(());
    }
    for container in state.containers.iter().filter(|container| ids.contains(&container.id)) {
        match (container.status, status) {
            (Status::Exited, Status::Running) => engine::must(&["start", &container.id])?,
            (Status::Removed, _) => {}
            // One that has ended, too: by now it may run again.
            (_, Status::Exited | Status::Removed) => {
                engine::must(&["stop", &container.id, &grace(call, &state, &container.app)])?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Notes what has become of containers by themselves.
pub(crate) fn look(stand_in: &Path, state: &mut State) {
    if state.parts.is_none() {
        return;
    }
    for service in state.services.values_mut() {
        let id = service.container.as_deref().unwrap_or_default();
        if let Some(life) = Folder::of(stand_in, id).life() {
            service.status = life.status();
        }
    }
    for container in &mut state.containers {
        if container.status == Status::Removed {
            continue;
        }
        see(&Folder::of(stand_in, &container.id), container);
    }
}

/// Nothing runs any more, and nobody was asked.
pub(crate) fn lights_out(stand_in: &Path) -> Result<()> {
    for entry in stand_in.join("run").read_dir().into_iter().flatten() {
        let folder = Folder::of(stand_in, &entry?.file_name().to_string_lossy());
        if let Some(life) = folder.life().filter(Life::is_kept) {
            folder.set_life(&life.cut_off())?;
        }
    }
    Ok(())
}

/// What the newest container of an app has printed.
pub(crate) fn logs(call: &Call, state: &State, app: &str) -> Vec<String> {
    let newest = state.containers.iter().rev().find(|container| container.app == app);
    let log = newest.map(|of| Folder::of(call.store.root(), &of.id).path("log"));
    let text = log.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
