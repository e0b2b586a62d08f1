//! What the stood-in host remembers of one app.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// An app of Dokku.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "Dokku keeps them apart")]
pub struct App {
    pub created_at: i64,
    /// The lines of `VHOST`, in its order.
    pub domains: Vec<String>,
    /// False after `apps:create` without a global domain (`NO_VHOST=1`).
    pub domains_enabled: bool,
    /// `scheme:host:container`, sorted as Dokku does.
    pub ports: Vec<String>,
    /// Properties of `nginx:set`.
    pub nginx: BTreeMap<String, String>,
    pub proxy_disabled: bool,
    /// Process types of `checks:disable`.
    pub checks_disabled: BTreeSet<String>,
    /// The wished processes, in Dokku's order.
    pub scale: Vec<(String, u32)>,
    /// Properties of `ps:set`, such as `restart-policy`.
    pub ps: BTreeMap<String, String>,
    /// False after `ps:stop`: not to be started at boot.
    pub restore: bool,
    pub config: BTreeMap<String, String>,
    /// Docker options by phase: `build`, `deploy`, `run`.
    pub docker_options: BTreeMap<String, Vec<String>>,
    pub mounts: Vec<Mount>,
    /// The property that `git:from-image` sets; kept when the deploy fails.
    pub source_image: Option<String>,
    /// What the app's repository holds.
    pub commit: Option<Commit>,
    /// The reference that the image `dokku/<app>:latest` was built from.
    pub built: Option<String>,
    pub deployed: bool,
    /// Set by a successful `git:from-image`.
    pub deploy_source: Option<String>,
    /// Properties of `letsencrypt:set`.
    pub letsencrypt: BTreeMap<String, String>,
    /// The certificate in `tls/`.
    pub cert: Option<Cert>,
}

impl App {
    /// The wished number of processes of a type.
    pub fn quantity(&self, process: &str) -> u32 {
        self.scale.iter().find(|(name, _)| name == process).map_or(0, |(_, quantity)| *quantity)
    }
}

/// A mount of `storage:mount`.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(default)]
pub struct Mount {
    /// Dokku's name of it: `legacy-<hash of the host path>`, or the named entry.
    pub entry: String,
    pub host: String,
    pub container: String,
    pub readonly: bool,
}

impl Mount {
    /// As `storage:list` and `docker run -v` write it.
    pub fn spec(&self) -> String {
        let mode = if self.readonly { ":ro" } else { "" };
        format!("{}:{}{mode}", self.host, self.container)
    }
}

/// The head of an app's repository.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Commit {
    pub sha: String,
    /// The reference in its Dockerfile.
    pub image: String,
    pub at: i64,
}

/// A certificate of an app.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Cert {
    pub hostnames: Vec<String>,
    pub issuer: String,
    pub starts_at: i64,
    pub expires_at: i64,
    /// Whether dokku-letsencrypt knows it as its own, for these domains; an app that was renamed
    /// keeps the certificate but not this.
    pub letsencrypt: Option<Vec<String>>,
}
