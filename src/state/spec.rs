//! What is desired of a homeserver.

use super::{Federation, Paths};
use crate::{
    error::{Create, Error},
    host::env::Env,
    names::{AppName, Domain, Email, ImageRef, ServerName, ServiceName, UserId},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is desired of one homeserver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The right half of its users' ids. Never changes.
    pub server_name: ServerName,
    /// The Dokku app that runs Synapse.
    pub app: AppName,
    /// The host name under which clients reach it.
    pub domain: Domain,
    /// The dokku-postgres service with its database.
    pub service: ServiceName,
    /// The image of Synapse.
    pub image: ImageRef,
    /// Where its certificate comes from.
    pub tls: Tls,
    /// Whether it is reached on port 8448 as well.
    pub port_8448: bool,
    /// Which other servers it talks to.
    #[serde(default, skip_serializing_if = "Federation::is_open")]
    pub federation: Federation,
    /// The address that the certificate authority writes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// How long Synapse may take to become ready, in seconds.
    pub timeout: u32,
    /// Whom to ask for help, published in `/.well-known/matrix/support`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support: Option<Support>,
    /// The components beside Synapse that are enabled, by the names of their kinds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<String, ComponentSpec>,
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

/// A component beside Synapse, an app of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentSpec {
    /// Its app.
    pub app: AppName,
    /// Its host name; never the homeserver's.
    pub domain: Domain,
    /// Its image.
    pub image: ImageRef,
    /// Whether the plugin created the app, and so may destroy it again.
    pub created: bool,
}

impl Spec {
    /// The address of the client API, without a slash at its end.
    pub fn base_url(&self) -> String {
        self.url(&self.domain)
    }

    /// The address of a domain of this homeserver, without a slash at its end.
    pub fn url(&self, domain: &Domain) -> String {
        let scheme = if self.tls == Tls::Off { "http" } else { "https" };
        format!("{scheme}://{domain}")
    }

    /// Whether users' ids carry another name than the host that serves them.
    pub fn is_delegated(&self) -> bool {
        self.server_name.as_str() != self.domain.as_str()
    }

    /// Whether it talks to any other server.
    pub fn federates(&self) -> bool {
        self.federation != Federation::Off
    }

    /// Whether other servers reach it on port 8448.
    pub fn is_on_8448(&self) -> bool {
        self.port_8448 && self.tls != Tls::Off && self.federates()
    }

    /// Whether others look for the well-known files of its server name, and find them at a host that
    /// is not its domain. A port in the name says where it is, and without TLS nobody trusts them.
    pub fn needs_well_known(&self) -> bool {
        self.is_delegated() && !self.server_name.has_port() && self.tls != Tls::Off
    }

    /// Whether another server can connect to the port in the server name, if there is one. Without TLS
    /// somebody else ends it, on whatever port.
    pub fn serves_its_port(&self) -> bool {
        if !self.federates() {
            return true;
        }
        match self.server_name.port() {
            None | Some(443) => true,
            Some(8448) => self.port_8448 || self.tls == Tls::Off,
            Some(_) => self.tls == Tls::Off,
        }
    }

    /// The image of a component, by the name of its kind; Synapse's if no optional component has it.
    pub fn image_of(&self, kind: &str) -> &ImageRef {
        self.components.get(kind).map_or(&self.image, |component| &component.image)
    }

    /// The same homeserver with the images of another record of it.
    #[must_use]
    pub fn with_images_of(&self, other: &Self) -> Self {
        let mut spec = Self { image: other.image.clone(), ..self.clone() };
        for (kind, component) in &mut spec.components {
            if let Some(other) = other.components.get(kind) {
                component.image.clone_from(&other.image);
            }
        }
        spec
    }

    /// Where its files are.
    pub fn paths(&self, env: &Env) -> Paths {
        Paths::new(env, &self.server_name)
    }

    /// The error for an app that was the homeserver's before an interrupted rename.
    pub fn not_the_app(&self, app: &str) -> Error {
        let (name, own) = (&self.server_name, &self.app);
        Error::new(format!("{app} is not the app of {name} any more: that is {own}")).hint_create(
            &format!("If a rename was interrupted: dokku apps:destroy {own}, then "),
            Create::app(app),
        )
    }
}
