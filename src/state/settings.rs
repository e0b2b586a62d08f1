//! What the configuration of Synapse says that other parts of the homeserver follow.

use super::Status;
use crate::{error::Result, host::env::Env, names::ServerName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Facts of the configuration that Synapse accepted last: all its files merged, the administrator's
/// last. The defaults are those of the generated files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The largest upload, in bytes.
    pub max_upload_size: u64,
    /// Whether people can register an account by themselves, with a token or without.
    pub registration: bool,
    /// Whether Synapse sends e-mail: to reset a password, to confirm an address.
    pub email: bool,
    /// Whether other servers may reach this one.
    pub federates: bool,
    /// What `/.well-known/matrix/client` has besides the address of the homeserver.
    pub well_known_client: Map<String, Value>,
    /// What the administrator should know about the files; none of it keeps Synapse from running.
    pub notes: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_upload_size: 50 << 20,
            registration: false,
            email: false,
            federates: true,
            well_known_client: Map::new(),
            notes: vec![],
        }
    }
}

impl Settings {
    /// The same without notes: what other parts follow.
    #[must_use]
    pub fn without_notes(self) -> Self {
        Self { notes: vec![], ..self }
    }

    /// What is recorded of a homeserver; the defaults as long as Synapse has accepted nothing.
    ///
    /// # Errors
    /// The status cannot be read.
    pub fn recorded(env: &Env, server_name: &ServerName) -> Result<Self> {
        Ok(Status::read(env, server_name)?.settings.unwrap_or_default())
    }
}
