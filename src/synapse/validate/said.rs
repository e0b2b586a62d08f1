//! What Synapse says of a configuration: the script that asks it, and the form of its answer.

use crate::synapse::config::{self, DIRECTORY};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The program in the image that reads [`SCRIPT`].
pub const PROGRAM: &str = "python";
/// What it reads from standard input.
pub const SCRIPT: &str = include_str!("../../../templates/inspect.py");
/// Its arguments to look at the files.
pub const CHECK: [&str; 3] = ["-", "check", DIRECTORY];
/// Its arguments to connect to what the files name.
pub const PROBE: [&str; 3] = ["-", "probe", DIRECTORY];

/// The answer to [`CHECK`].
#[derive(Debug, Default, Deserialize)]
pub(super) struct Said {
    /// Where each top-level setting stands last.
    #[serde(default)]
    pub places: BTreeMap<String, Place>,
    /// The merged values of those settings that are no secrets.
    #[serde(default)]
    pub values: Map<String, Value>,
    /// The kind of the database.
    #[serde(default)]
    pub database: String,
    /// Whether the connection is the one that the plugin has written.
    #[serde(default)]
    pub same_database: bool,
    /// Whether the file that `matrix:email` writes is there.
    #[serde(default)]
    pub email_file: bool,
    /// The files that are named and not there.
    #[serde(default)]
    pub missing: Vec<Missing>,
    /// Whether Redis is enabled.
    #[serde(default)]
    pub redis: bool,
    /// Where Synapse found a mistake, as the path of a setting; empty if it does not say.
    pub error: Option<Vec<String>>,
    /// What other parts of the homeserver follow; only of an accepted configuration.
    pub settings: Option<Facts>,
    /// The settings that Synapse did not read.
    #[serde(default)]
    pub unread: Vec<Unread>,
}

/// Where a setting stands.
#[derive(Debug, Deserialize)]
pub(super) struct Place {
    /// The name of the file.
    pub file: String,
    /// The lines, more than one if it stands there repeatedly.
    pub lines: Vec<u32>,
}

/// A file that a setting names, and that is not there.
#[derive(Debug, Deserialize)]
pub(super) struct Missing {
    /// The setting.
    pub key: String,
    /// The path in the container.
    pub path: String,
}

/// What Synapse made of the settings.
#[derive(Debug, Deserialize)]
pub(super) struct Facts {
    pub max_upload_size: u64,
    pub registration: bool,
    pub email: bool,
    pub well_known_client: Map<String, Value>,
}

/// A setting that Synapse did not read.
#[derive(Debug, Deserialize)]
pub(super) struct Unread {
    /// Its path: `email.smtp_hots`.
    pub key: String,
    /// Whether Synapse knows a setting of this name.
    pub known: bool,
}

impl Said {
    /// The answer in the output of the script: its last line.
    pub(super) fn parse(stdout: &str) -> Option<Self> {
        serde_json::from_str(stdout.trim_end().lines().last()?).ok()
    }

    /// Where a setting stands, unless that is a file which the plugin has written.
    pub(super) fn place(&self, key: &str) -> Option<&Place> {
        self.places.get(key).filter(|place| !place.is_generated())
    }
}

impl Place {
    /// Whether the plugin writes the file.
    pub(super) fn is_generated(&self) -> bool {
        config::is_generated(&self.file)
    }

    /// As one says it: `90-local.yaml, line 3`.
    pub(super) fn words(&self) -> String {
        let line = self.lines.last().copied().unwrap_or_default();
        format!("{}, line {line}", self.file)
    }
}
