//! The intent: what a homeserver is wished to be, its file, and its places on disk.
//!
//! Whatever can be asked of Dokku is not stored here.

use crate::{
    error::{Doing, Error, Result},
    host::{Host, env::Env, files},
    names::{AppName, Domain, Email, ImageRef, ServerName, ServiceName, UserId},
};
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

/// The version of the file that this program writes.
const VERSION: u32 = 1;

/// What one homeserver is wished to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The version of the file.
    pub version: u32,
    /// The right half of its users' ids. Never changes.
    pub server_name: ServerName,
    /// The Dokku app that runs Synapse.
    pub app: AppName,
    /// The host name under which clients reach it.
    pub domain: Domain,
    /// The dokku-postgres service with its database.
    pub service: ServiceName,
    /// The image that runs.
    pub image: ImageRef,
    /// Where its certificate comes from.
    pub tls: Tls,
    /// Whether it is reached on port 8448 as well.
    pub port_8448: bool,
    /// The address that the certificate authority writes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// How long Synapse may take to become ready, in seconds.
    pub timeout: u32,
    /// Whom to ask for help, published in `/.well-known/matrix/support`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support: Option<Support>,
    /// Element Web, where it is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<Element>,
    /// An image that was tried and did not become ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_image: Option<ImageRef>,
}

/// Where the certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// dokku-letsencrypt requests and renews it.
    Letsencrypt,
    /// The administrator adds it with `certs:add`.
    Provided,
    /// Plain http: for tests and private networks.
    Off,
}

/// A contact for `/.well-known/matrix/support`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Support {
    /// An e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// A Matrix user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mxid: Option<UserId>,
    /// A web page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

/// Element Web as an app of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Element {
    /// Its app.
    pub app: AppName,
    /// Its host name; must not be the homeserver's.
    pub domain: Domain,
    /// Its image.
    pub image: ImageRef,
    /// Whether this plugin made the app, and so may take it away again.
    pub created: bool,
}

impl Server {
    /// The version that a new intent carries.
    pub fn version() -> u32 {
        VERSION
    }

    /// The address of the client API, without a slash at its end.
    pub fn base_url(&self) -> String {
        format!("{}://{}", self.scheme(), self.domain)
    }

    /// The address of Element Web, where it is enabled.
    pub fn element_url(&self) -> Option<String> {
        let element = self.element.as_ref()?;
        Some(format!("{}://{}", self.scheme(), element.domain))
    }

    /// `https`, or `http` where TLS is off.
    pub fn scheme(&self) -> &'static str {
        if self.tls == Tls::Off { "http" } else { "https" }
    }

    /// Whether users' ids carry another name than the host that serves them.
    pub fn delegated(&self) -> bool {
        self.server_name.as_str() != self.domain.as_str()
    }

    /// Reads an intent; `None` if that server was never made.
    ///
    /// # Errors
    /// It cannot be read, is not what this program writes, or a newer one wrote it.
    pub fn read(env: &Env, server_name: &ServerName) -> Result<Option<Self>> {
        let path = Places::new(env, server_name).intent();
        let Some(text) = files::read(&path)? else { return Ok(None) };
        let bad = |error: serde_json::Error| {
            Error::new(format!("{path} is damaged: {error}")).hint("Put it back from a backup.")
        };
        let value: serde_json::Value = serde_json::from_str(&text).map_err(bad)?;
        if value["version"].as_u64().is_some_and(|version| version > u64::from(VERSION)) {
            return Err(Error::new(format!(
                "{path} was written by a newer version of this plugin"
            ))
            .hint("sudo dokku plugin:update matrix"));
        }
        serde_json::from_value(value).map_err(bad).map(Some)
    }

    /// Reads an intent that must be there.
    pub fn load(env: &Env, server_name: &ServerName) -> Result<Self> {
        Self::read(env, server_name)?.ok_or_else(|| {
            let path = Places::new(env, server_name).intent();
            Error::new(format!("{path} is missing")).hint("Put it back from a backup.")
        })
    }

    /// The error for an app that is taken for this homeserver's and is not, or not any more.
    pub fn not_of(&self, app: &str) -> Error {
        let (name, own) = (&self.server_name, &self.app);
        Error::new(format!("{app} was the app of {name}, which {own} is now")).hint(format!(
            "If a rename was interrupted: dokku apps:destroy {own}, then dokku matrix:create {app}"
        ))
    }

    /// Writes the intent.
    pub fn write(&self, host: &Host) -> Result<()> {
        let path = Places::new(host.env(), &self.server_name).intent();
        let text = serde_json::to_string_pretty(self).doing(|| format!("cannot write {path}"))?;
        files::write(host, &path, &format!("{text}\n"), files::PUBLIC)
    }

    /// All homeservers that were made on this host, also those whose intent cannot be read: what
    /// such a one wants is not known, so nothing that may be its is given away or taken.
    pub fn each(env: &Env) -> Result<Vec<(ServerName, Result<Self>)>> {
        let mut servers = vec![];
        for folder in files::list(&data_root(env))? {
            let Ok(name) = folder.replace('_', ":").parse::<ServerName>() else { continue };
            let server = Self::read(env, &name).transpose();
            servers.extend(server.map(|server| (name, server)));
        }
        Ok(servers)
    }

    /// Its places on disk.
    pub fn places(&self, env: &Env) -> Places {
        Places::new(env, &self.server_name)
    }
}

/// `data/matrix`: one folder for each server, and what the host shares.
pub fn data_root(env: &Env) -> Utf8PathBuf {
    env.lib_root().join("data/matrix")
}

/// The lock of what all servers of a host share.
pub fn host_lock(env: &Env) -> Utf8PathBuf {
    data_root(env).join(".host.lock")
}

/// The file that names the server which is the default one on port 8448.
pub fn default_8448(env: &Env) -> Utf8PathBuf {
    data_root(env).join("default-8448")
}

/// Where the files of one server are.
#[derive(Clone, Debug)]
pub struct Places {
    root: Utf8PathBuf,
    lock: Utf8PathBuf,
}

impl Places {
    /// The places of a server, whether or not they exist.
    pub fn new(env: &Env, server_name: &ServerName) -> Self {
        let data = data_root(env);
        let folder = server_name.folder();
        Self { root: data.join(&folder), lock: data.join(format!(".{folder}.lock")) }
    }

    /// The server's folder.
    pub fn root(&self) -> Utf8PathBuf {
        self.root.clone()
    }

    /// The lock of the commands that change this server.
    pub fn lock(&self) -> Utf8PathBuf {
        self.lock.clone()
    }

    /// The intent.
    pub fn intent(&self) -> Utf8PathBuf {
        self.root.join("server.json")
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

    /// The signing key: with the server name, the identity of the server.
    pub fn signing_key(&self) -> Utf8PathBuf {
        self.secrets().join("signing.key")
    }

    /// Mounted at `/data`: the media store.
    pub fn data(&self) -> Utf8PathBuf {
        self.root.join("data")
    }

    /// Element Web's configuration.
    pub fn element(&self) -> Utf8PathBuf {
        self.root.join("element")
    }

    /// The nginx template and the record of its proof.
    pub fn nginx(&self) -> Utf8PathBuf {
        self.root.join("nginx")
    }

    /// The template that Dokku is told of.
    pub fn template(&self) -> Utf8PathBuf {
        self.nginx().join("nginx.conf.sigil")
    }

    /// The digest of template and nginx that was proved last.
    pub fn proof(&self) -> Utf8PathBuf {
        self.nginx().join("proved")
    }

    /// The digest of the configuration and image that Synapse has judged last.
    pub fn judged(&self) -> Utf8PathBuf {
        self.root.join("judged")
    }

    /// A service that is being made: what a killed run left may be made again.
    pub fn service_journal(&self) -> Utf8PathBuf {
        self.root.join("making-service")
    }
}
