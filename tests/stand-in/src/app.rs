//! The state of one app on the stand-in host.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A Dokku app.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "Dokku keeps them apart")]
pub struct App {
    pub created_at: i64,
    /// The lines of `VHOST`, in file order.
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
    /// The desired number of processes of each type, in Dokku's order.
    pub scale: Vec<(String, u32)>,
    /// Properties of `ps:set`, such as `restart-policy`.
    pub ps: BTreeMap<String, String>,
    /// False after `ps:stop`: the app is not started at boot.
    pub restore: bool,
    pub config: BTreeMap<String, String>,
    /// Docker options by scope: the phases `build`, `deploy`, `run`, and `deploy.<process>`.
    pub docker_options: BTreeMap<String, Vec<String>>,
    /// Properties of `network:set`.
    pub network: BTreeMap<String, String>,
    pub mounts: Vec<Mount>,
    /// The property that `git:from-image` sets; kept when the deploy fails.
    pub source_image: Option<String>,
    /// The commands of its Procfile, which the deploy took from its image, by process.
    pub procfile: BTreeMap<String, String>,
    /// The head of the app's repository.
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
    /// The desired number of processes of a type.
    pub fn quantity(&self, process: &str) -> u32 {
        self.scale.iter().find(|(name, _)| name == process).map_or(0, |(_, quantity)| *quantity)
    }
}

/// A mount made by `storage:mount`.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(default)]
pub struct Mount {
    /// Dokku's name for the mount: `legacy-<hash of the host path>`, or the named entry.
    pub entry: String,
    pub host: String,
    pub container: String,
    pub readonly: bool,
}

impl Mount {
    /// The mount as `storage:list` and `docker run -v` write it.
    pub fn spec(&self) -> String {
        let mode = if self.readonly { ":ro" } else { "" };
        format!("{}:{}{mode}", self.host, self.container)
    }
}

/// The head of an app's repository.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Commit {
    pub sha: String,
    /// The image reference in its Dockerfile.
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
    /// The domains and settings for which dokku-letsencrypt requested it. `None` if it was added by
    /// hand, or if the app was renamed: a rename keeps the certificate but loses this.
    pub letsencrypt: Option<Vec<String>>,
}
