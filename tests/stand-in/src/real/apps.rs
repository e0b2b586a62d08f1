//! The containers of apps: started, stopped, and looked at.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::container::{Folder, Life};
use super::machine::Parts;
use super::{engine, image};
use crate::call::Call;
use crate::state::{Container, State, Status};

/// How long a process has to run so that Dokku takes it for one that keeps running.
const UPTIME: Duration = Duration::from_millis(700);

/// Starts a container of an app, and sees what becomes of it in the time that Dokku looks at it.
pub(crate) fn start(call: &Call, state: &State, parts: &Parts, of: &mut Container) -> Result<()> {
    let folder = Folder::of(call.store.root(), &of.id);
    folder.make(&image::spec(call, state, parts, of)?)?;
    engine::must(&["start", &of.id])?;
    let since = Instant::now();
    while since.elapsed() < UPTIME {
        see(&folder, of);
        if of.status != Status::Running || of.restarts > 0 {
            break;
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
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
            // One that has ended may be about to be started again.
            (_, Status::Exited | Status::Removed) => engine::must(&["stop", &container.id])?,
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
            folder.set_life(&Life { running: false, restarting: false, code: 137, ..life })?;
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
