//! What a container is made of, and what became of it: files in `$STAND_IN/run/<id>`, written by
//! those who make one, and by the engine.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::containers::now;
use crate::state::Status;
use crate::store::replace;

/// Everything that the engine has to know.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Spec {
    pub(crate) id: String,
    pub(crate) argv: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) user: u32,
    pub(crate) group: u32,
    /// `host:container[:ro]`, in this order.
    pub(crate) mounts: Vec<String>,
    /// Folders of its own that are empty when it is made: path, user and group.
    pub(crate) folders: Vec<(String, u32, u32)>,
    /// More names for `/etc/hosts`, with their addresses.
    pub(crate) hosts: Vec<(String, String)>,
    /// The containers that it is linked to: without them it does not start again.
    pub(crate) needs: Vec<String>,
    /// Its address and that of its network; none without a network.
    pub(crate) address: Option<(String, String)>,
    /// Docker's restart policy.
    pub(crate) restart: String,
    /// The signal that asks it to end, as `kill` knows it; `TERM` if it is empty.
    pub(crate) stop: String,
}

/// What became of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Life {
    pub(crate) running: bool,
    /// It has ended, and is about to be started again: for Docker that is as good as running.
    pub(crate) restarting: bool,
    /// The exit code, once it has ended.
    pub(crate) code: i32,
    /// Nanoseconds since 1970.
    pub(crate) started_at: i128,
    pub(crate) ended_at: i128,
    /// How often it was started again, or is about to be.
    pub(crate) restarts: u32,
    /// The process that all others in it come of, as the host counts; 0 while there is none.
    pub(crate) pid: u32,
}

impl Life {
    /// It runs, and has since it was started by somebody.
    pub(crate) fn runs_on(&self) -> bool {
        self.running && self.restarts == 0
    }

    /// Docker keeps it running.
    pub(crate) fn is_kept(&self) -> bool {
        self.running || self.restarting
    }

    /// The same, as the host remembers it.
    pub(crate) fn status(&self) -> Status {
        match (self.running, self.restarting) {
            (true, _) => Status::Running,
            (_, true) => Status::Restarting,
            _ => Status::Exited,
        }
    }

    /// What it is once it was killed, and nobody was there to see it.
    pub(crate) fn cut_off(self) -> Self {
        Self { running: false, restarting: false, code: 137, ended_at: now(), pid: 0, ..self }
    }
}

/// The folder of one container.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// In the folder `$STAND_IN`.
    pub(crate) fn of(stand_in: &Path, id: &str) -> Self {
        Self(stand_in.join("run").join(id))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Lays it out for a container that is to be started.
    pub(crate) fn make(&self, spec: &Spec) -> Result<()> {
        fs::create_dir_all(&self.0)?;
        Ok(fs::write(self.path("spec.json"), serde_json::to_string(spec)?)?)
    }

    pub(crate) fn spec(&self) -> Result<Spec> {
        let path = self.path("spec.json");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(serde_json::from_str(&text)?)
    }

    /// None of one that was never started.
    pub(crate) fn life(&self) -> Option<Life> {
        serde_json::from_str(&fs::read_to_string(self.path("life.json")).ok()?).ok()
    }

    pub(crate) fn set_life(&self, life: &Life) -> Result<()> {
        replace(&self.path("life.json"), &serde_json::to_string(life)?)
    }

    /// Held by the one who keeps it running; none while somebody else does.
    pub(crate) fn hold(&self) -> Result<Option<File>> {
        let file = File::create(self.path("keeper"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Whether somebody has asked it to end.
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
