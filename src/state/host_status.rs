//! What the homeservers of a host share.

use crate::names::ServerName;
use serde::{Deserialize, Serialize};

/// What was done to the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostStatus {
    /// The homeserver that is nginx's default server on port 8448.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_8448: Option<ServerName>,
}
