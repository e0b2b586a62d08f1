//! What was done to a homeserver. Without this file most of it is done again; the journal and the
//! hold, which say what was interrupted, would be lost.

use super::Settings;
use crate::{
    error::Error,
    names::{ImageRef, ServiceName},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was done to one homeserver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The version of the plugin that brought the homeserver to the desired state last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The digest of the configuration and the image that Synapse accepted last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validated: Option<String>,
    /// What that configuration says. It is recorded together with the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
    /// What this host's sigil and nginx said of the nginx template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Verification>,
    /// What the containers of each component were started with, by the name of its kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub started: BTreeMap<String, Started>,
    /// The digests of the files that were written for the components beside Synapse:
    /// `element/config.json`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub written: BTreeMap<String, String>,
    /// The digests of what nginx serves: see [`served`](crate::nginx::served).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub served: BTreeMap<String, String>,
    /// An image that was tried and did not become ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_image: Option<ImageRef>,
    /// Journal: the postgres service that is being created. Only a service that is named here, and
    /// that is empty, may be destroyed and created again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creating_service: Option<ServiceName>,
    /// Journal: the operation that must be finished before the homeserver may start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

/// What the containers of a component were started with. It is written before a deploy, so each
/// container but those of before has read these files, or newer ones, whoever has started it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// The digest of the files.
    pub files: String,
    /// The id of the database's container that the component is linked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The containers that ran when this was written: what these have read is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

/// The version of this plugin.
pub fn plugin_version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// The verification of an nginx template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// The digest of the template and of nginx's version.
    pub digest: String,
    /// When it was verified, in milliseconds since 1970.
    pub at: i64,
    /// Why it was refused; `None` if it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A homeserver that must not start, at boot neither: an operation on its data was interrupted, and
/// a start would destroy what the operation needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// What was interrupted: `restore`.
    pub operation: String,
    /// When it began, as people write it.
    pub since: String,
    /// The one command that goes on with it, and that clears the hold.
    pub next_command: String,
}

impl Hold {
    /// The error of whatever would start the homeserver.
    pub fn error(&self, app: &str) -> Error {
        let (operation, since) = (&self.operation, &self.since);
        Error::new(format!("{app} is on hold: {operation} since {since}"))
            .hint("A start now would destroy data. To go on:")
            .hint(format!("  {}", self.next_command))
    }
}
