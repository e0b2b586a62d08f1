//! Where the plugin keeps things.

use crate::{host::env::Env, names::ServerName};
use camino::Utf8PathBuf;

/// `data/matrix`: one directory for each homeserver, and `.host` for the plugin itself.
pub fn data_root(env: &Env) -> Utf8PathBuf {
    env.lib_root().join("data/matrix")
}

/// The plugin's own directory: no server name begins with a dot.
pub(super) fn host_root(env: &Env) -> Utf8PathBuf {
    data_root(env).join(".host")
}

/// Where the files of one homeserver are, whether or not they exist. The directory is named after
/// the server name: it never changes, whatever the app is renamed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    root: Utf8PathBuf,
}

impl Paths {
    /// The paths of a homeserver.
    pub fn new(env: &Env, server_name: &ServerName) -> Self {
        Self { root: data_root(env).join(server_name.directory()) }
    }

    /// The homeserver's directory.
    pub fn root(&self) -> Utf8PathBuf {
        self.root.clone()
    }

    /// What is desired: [`super::Spec`].
    pub fn spec(&self) -> Utf8PathBuf {
        self.root.join("server.json")
    }

    /// What was done: [`super::Status`].
    pub fn status(&self) -> Utf8PathBuf {
        self.root.join("status.json")
    }

    /// Mounted read-only at `/config`.
    pub fn config(&self) -> Utf8PathBuf {
        self.root.join("config")
    }

    /// The directory that Synapse reads its configuration from.
    pub fn homeserver_d(&self) -> Utf8PathBuf {
        self.config().join("homeserver.d")
    }

    /// Signing key and secrets.
    pub fn secrets(&self) -> Utf8PathBuf {
        self.config().join("secrets")
    }

    /// The signing key: with the server name, the identity of the homeserver.
    pub fn signing_key(&self) -> Utf8PathBuf {
        self.secrets().join("signing.key")
    }

    /// Mounted at `/data`: the media store.
    pub fn data(&self) -> Utf8PathBuf {
        self.root.join("data")
    }

    /// The files of a component beside Synapse.
    pub fn component(&self, kind: &str) -> Utf8PathBuf {
        self.root.join(kind)
    }

    /// The administrator's settings that became ready last.
    pub fn last_ready(&self) -> Utf8PathBuf {
        self.root.join("last-ready")
    }

    /// What is written for nginx.
    pub fn nginx(&self) -> Utf8PathBuf {
        self.root.join("nginx")
    }

    /// The template that Dokku is told of.
    pub fn template(&self) -> Utf8PathBuf {
        self.nginx().join("nginx.conf.sigil")
    }
}
