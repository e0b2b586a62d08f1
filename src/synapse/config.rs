//! The main configuration file, and the files that are the same for every server.
//!
//! Owns their names and content. Writes nothing.

use super::yaml;
use crate::{
    error::Result,
    names::ServerName,
    state::{Federation, Spec},
};
use serde::Serialize;

/// Generated: the settings that follow from `server.json`.
pub const SERVER_FILE: &str = "10-server.yaml";
/// Generated: the connection to the database.
pub const DATABASE_FILE: &str = "20-database.yaml";
/// Generated if e-mail is set up: the SMTP server.
pub const EMAIL_FILE: &str = "30-email.yaml";
/// The administrator's own settings: created once, never changed.
pub const LOCAL_FILE: &str = "90-local.yaml";
/// The logging configuration. Not in the directory of the others, because Synapse would read it as
/// settings.
pub const LOG_FILE: &str = "log.config";

/// Whether the plugin writes this file of the directory; the others are the administrator's.
pub fn is_generated(name: &str) -> bool {
    [SERVER_FILE, DATABASE_FILE, EMAIL_FILE].contains(&name)
}

/// The initial content of [`LOCAL_FILE`]: examples, all in comments.
pub const LOCAL_YAML: &str = include_str!("../../templates/90-local.yaml");
/// The content of [`LOG_FILE`].
pub const LOG_CONFIG: &str = include_str!("../../templates/log.config");

/// The file in the directory `secrets` with the shared secret that allows to register users.
pub const REGISTRATION_SECRET: &str = "registration_shared_secret";
/// The files in the directory `secrets` that hold a random secret each. The signing key has its own
/// format.
pub const SECRETS: [&str; 3] = [REGISTRATION_SECRET, "macaroon_secret_key", "form_secret"];

/// The directory of the configuration in the container.
pub const DIRECTORY: &str = "/config/homeserver.d";

/// The port that Synapse listens on inside its container.
pub const PORT: u16 = 8008;

/// The content of [`SERVER_FILE`].
pub fn server_yaml(spec: &Spec) -> Result<String> {
    yaml::file(
        SERVER_FILE,
        &Homeserver {
            server_name: spec.server_name.as_str(),
            public_baseurl: format!("{}/", spec.base_url()),
            // nginx serves it, under the server name.
            serve_server_wellknown: false,
            listeners: [Listener {
                port: PORT,
                kind: "http",
                tls: false,
                // Otherwise all clients share nginx's address, and with it one rate limit.
                x_forwarded: true,
                // Not also `::`: on a host without IPv6 Synapse would not start.
                bind_addresses: ["0.0.0.0"],
                resources: [Resource { names: resources(spec), compress: false }],
            }],
            log_config: "/config/log.config",
            media_store_path: "/data/media",
            max_upload_size: "50M",
            url_preview_enabled: false,
            signing_key_path: "/config/secrets/signing.key",
            registration_shared_secret_path: "/config/secrets/registration_shared_secret",
            macaroon_secret_key_path: "/config/secrets/macaroon_secret_key",
            form_secret_path: "/config/secrets/form_secret",
            enable_registration: false,
            report_stats: false,
            federation_domain_whitelist: whitelist(spec),
            trusted_key_servers: key_servers(spec),
            suppress_key_server_warning: true,
        },
    )
}

/// What the listener serves: without federation, other servers get 404.
fn resources(spec: &Spec) -> &'static [&'static str] {
    if spec.federates() { &["client", "federation"] } else { &["client"] }
}

/// The servers that Synapse talks to; `None` for all.
fn whitelist(spec: &Spec) -> Option<Vec<&str>> {
    match &spec.federation {
        Federation::Open => None,
        Federation::Off => Some(vec![]),
        Federation::With(names) => Some(names.iter().map(ServerName::as_str).collect()),
    }
}

/// Whom Synapse asks for the keys of others. It would log an error at each request to a server that
/// it must not talk to.
fn key_servers(spec: &Spec) -> Vec<KeyServer> {
    let servers = ["matrix.org"].into_iter().filter(|name| spec.federation.includes(name));
    servers.map(|server_name| KeyServer { server_name }).collect()
}

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the settings are Synapse's own")]
struct Homeserver<'a> {
    server_name: &'a str,
    public_baseurl: String,
    serve_server_wellknown: bool,
    listeners: [Listener; 1],
    log_config: &'a str,
    media_store_path: &'a str,
    max_upload_size: &'a str,
    url_preview_enabled: bool,
    signing_key_path: &'a str,
    registration_shared_secret_path: &'a str,
    macaroon_secret_key_path: &'a str,
    form_secret_path: &'a str,
    enable_registration: bool,
    report_stats: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    federation_domain_whitelist: Option<Vec<&'a str>>,
    trusted_key_servers: Vec<KeyServer>,
    suppress_key_server_warning: bool,
}

#[derive(Serialize)]
struct Listener {
    port: u16,
    #[serde(rename = "type")]
    kind: &'static str,
    tls: bool,
    x_forwarded: bool,
    bind_addresses: [&'static str; 1],
    resources: [Resource; 1],
}

#[derive(Serialize)]
struct Resource {
    names: &'static [&'static str],
    compress: bool,
}

#[derive(Serialize)]
struct KeyServer {
    server_name: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{state::Tls, synapse::sample};

    #[test]
    fn writes_the_whole_file() {
        assert_eq!(server_yaml(&sample::spec()).unwrap(), include_str!("config.test.yaml"));
    }

    #[test]
    fn follows_the_server() {
        let mut server = sample::spec();
        server.server_name = "1e3.example:8448".parse().unwrap();
        server.tls = Tls::Off;
        let text = server_yaml(&server).unwrap();
        assert!(text.contains("\nserver_name: 1e3.example:8448\n"), "{text}");
        assert!(text.contains("\npublic_baseurl: http://matrix.example.org/\n"), "{text}");
    }

    #[test]
    fn follows_the_federation() {
        let with = |federation: &str| {
            let spec = Spec { federation: federation.parse().unwrap(), ..sample::spec() };
            server_yaml(&spec).unwrap()
        };
        let open = with("open");
        assert!(!open.contains("whitelist"), "{open}");
        for (federation, lines) in [
            ("off", "federation_domain_whitelist: []\ntrusted_key_servers: []\n"),
            (
                "b.example,a.example",
                "federation_domain_whitelist:\n- a.example\n- b.example\ntrusted_key_servers: []\n",
            ),
            (
                "matrix.org",
                "federation_domain_whitelist:\n- matrix.org\ntrusted_key_servers:\n- server_name: matrix.org\n",
            ),
        ] {
            let text = with(federation);
            assert!(text.contains(lines), "{federation}: {text}");
            assert_eq!(text.contains("- federation\n"), federation != "off", "{text}");
        }
    }

    #[test]
    fn local_file_has_only_comments() {
        assert!(LOCAL_YAML.lines().all(|line| line.is_empty() || line.starts_with('#')));
    }

    #[test]
    fn names_every_secret() {
        let text = server_yaml(&sample::spec()).unwrap();
        for name in SECRETS.iter().chain(&["signing.key"]) {
            assert!(text.contains(&format!(": /config/secrets/{name}\n")), "{name}");
        }
    }
}
