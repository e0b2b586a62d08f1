//! The specification and the run state of a container: files in `$STAND_IN/run/<id>`, shared by the
//! stand-in programs and the engine.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::containers::now;
use crate::flags::Flags;
use crate::state::Status;
use crate::store::replace;

/// Everything that the engine needs to know about a container.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Spec {
    pub(crate) id: String,
    pub(crate) argv: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) user: u32,
    pub(crate) group: u32,
    /// `host:container[:ro]`, mounted in this order.
    pub(crate) mounts: Vec<String>,
    /// The container's own directories, initially empty: path, user and group.
    pub(crate) dirs: Vec<(String, u32, u32)>,
    /// Additional entries of `/etc/hosts`: name and address.
    pub(crate) hosts: Vec<(String, String)>,
    /// Docker's name of each capability that is added and dropped.
    pub(crate) added: Vec<String>,
    pub(crate) dropped: Vec<String>,
    /// Whether its own files cannot be changed.
    pub(crate) read_only: bool,
    /// Empty file systems in memory: path and options.
    pub(crate) tmpfs: Vec<(String, String)>,
    /// The linked containers. If one of them does not run, this one is not restarted.
    pub(crate) needs: Vec<String>,
    /// Its address and its network; `None` for a container without a network.
    pub(crate) address: Option<(String, String)>,
    /// Docker's restart policy.
    pub(crate) restart: String,
    /// The stop signal, by its name for `kill`; empty means `TERM`.
    pub(crate) stop: String,
}

impl Spec {
    /// Takes over what separates the container from the host.
    pub(crate) fn isolate(&mut self, flags: &Flags) {
        self.added.clone_from(&flags.added);
        self.dropped.clone_from(&flags.dropped);
        self.read_only = flags.read_only;
        self.tmpfs.clone_from(&flags.tmpfs);
    }
}

/// The run state of a container.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct RunState {
    pub(crate) running: bool,
    /// It has exited and will be restarted after a back-off.
    pub(crate) restarting: bool,
    /// The exit code of its last run.
    pub(crate) code: i32,
    /// Nanoseconds since 1970.
    pub(crate) started_at: i128,
    pub(crate) ended_at: i128,
    /// The number of restarts, including the one that is due.
    pub(crate) restarts: u32,
    /// The process id of its first process, as seen from the host; 0 if it does not run.
    pub(crate) pid: u32,
}

impl RunState {
    /// Whether it runs and has not been restarted by its policy.
    pub(crate) fn runs_on(&self) -> bool {
        self.running && self.restarts == 0
    }

    /// Whether Docker counts it as running, which includes the back-off before a restart.
    pub(crate) fn is_up(&self) -> bool {
        self.running || self.restarting
    }

    /// The same as a [`Status`].
    pub(crate) fn status(&self) -> Status {
        match (self.running, self.restarting) {
            (true, _) => Status::Running,
            (_, true) => Status::Restarting,
            _ => Status::Exited,
        }
    }

    /// The state after it was killed without its supervisor noticing.
    pub(crate) fn killed(self) -> Self {
        Self { running: false, restarting: false, code: 137, ended_at: now(), pid: 0, ..self }
    }
}

/// The directory of one container.
#[derive(Clone, Debug)]
pub(crate) struct ContainerDir(PathBuf);

impl ContainerDir {
    /// `stand_in` is the directory `$STAND_IN`.
    pub(crate) fn of(stand_in: &Path, id: &str) -> Self {
        Self(stand_in.join("run").join(id))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Creates the directory, so that the container can be started.
    pub(crate) fn create(&self, spec: &Spec) -> Result<()> {
        fs::create_dir_all(&self.0)?;
        Ok(fs::write(self.path("spec.json"), serde_json::to_string(spec)?)?)
    }

    pub(crate) fn spec(&self) -> Result<Spec> {
        let path = self.path("spec.json");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(serde_json::from_str(&text)?)
    }

    /// `None` if the container was never started.
    pub(crate) fn run_state(&self) -> Option<RunState> {
        serde_json::from_str(&fs::read_to_string(self.path("run-state.json")).ok()?).ok()
    }

    pub(crate) fn set_run_state(&self, run: &RunState) -> Result<()> {
        replace(&self.path("run-state.json"), &serde_json::to_string(run)?)
    }

    /// Locks the container for its supervisor; `None` if another supervisor holds the lock.
    pub(crate) fn lock(&self) -> Result<Option<File>> {
        let file = File::create(self.path("supervisor.lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Whether the container was asked to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.path("stopping").exists()
    }

    pub(crate) fn set_stopping(&self, stopping: bool) -> Result<()> {
        if stopping {
            Ok(fs::write(self.path("stopping"), "")?)
        } else {
            crate::files::remove(&self.path("stopping"))
        }
    }
}
