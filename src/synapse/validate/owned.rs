//! The settings that the plugin owns: a file of the administrator's that has another value would
//! break the homeserver, or lose its data, so it is refused.
//!
//! Only finds them; see [`outcome`](super::outcome) for how it is told.

use super::said::Said;
use crate::{
    state::{Spec, Tls},
    synapse::config::{PORT, SECRETS},
};
use camino::Utf8Path;
use serde_json::{Value, json};

/// The settings of other processes, which this homeserver does not have.
const OF_WORKERS: [&str; 11] = [
    "worker_app",
    "worker_name",
    "instance_map",
    "stream_writers",
    "federation_sender_instances",
    "pusher_instances",
    "run_background_tasks_on",
    "notify_appservices_from_worker",
    "update_user_directory_from_worker",
    "media_instance_running_background_jobs",
    "outbound_federation_restricted_to",
];

/// The settings that keep the main process from a duty.
const DUTIES: [&str; 5] = [
    "start_pushers",
    "send_federation",
    "notify_appservices",
    "update_user_directory",
    "enable_media_repo",
];

/// What cannot be used of the administrator's settings: where each stands, what is wrong with it, and
/// what to do instead. `config` is the directory of the configuration.
pub(super) fn mistakes(spec: &Spec, config: &Utf8Path, said: &Said) -> Vec<String> {
    let mut review = Review { said, mistakes: vec![] };
    let app = &spec.app;
    review.value("server_name", &json!(spec.server_name), || {
        let name = &spec.server_name;
        format!(
            "the server name is {name} and can never be changed. Remove it; for another server: dokku matrix:create <app> --server-name <name>"
        )
    });
    review.database(spec);
    review.listeners();
    let url = spec.base_url();
    let has_url = text(said, "public_baseurl").trim_end_matches('/');
    // Without TLS here, somebody else may end it in front.
    let is_ours =
        has_url == url || spec.tls == Tls::Off && has_url == format!("https://{}", spec.domain);
    if !is_ours {
        review.refuse("public_baseurl", || {
            format!(
                "links in e-mails would lead elsewhere than to {url}/. Remove it; for another address: dokku matrix:create {app} --domain <host>"
            )
        });
    }
    if text(said, "media_store_path").trim_end_matches('/') != "/data/media" {
        review.refuse("media_store_path", || {
            "media would be stored where no backup finds them. Remove it; media of an old server belong into the directory data/media of this one. For another disk: dokku storage:mount <app> <path>:/data/media".to_owned()
        });
    }
    review.secrets(config);
    review.well_known();
    review.one_process();
    review.missing_files();
    review.in_order()
}

/// The largest content of `/.well-known/matrix/client`, in bytes: an argument of nginx must be shorter
/// than 4096, and some characters are written as two.
const LARGEST_CLIENT: usize = 3000;

/// A setting that is a text; empty if it is something else.
fn text<'a>(said: &'a Said, key: &str) -> &'a str {
    said.values.get(key).and_then(Value::as_str).unwrap_or_default()
}

struct Review<'a> {
    said: &'a Said,
    mistakes: Vec<Mistake>,
}

/// A setting that cannot be used, and where it stands.
struct Mistake {
    file: String,
    line: u32,
    text: String,
}

impl Review<'_> {
    /// Refuses a setting if it stands in a file of the administrator's.
    fn refuse(&mut self, key: &str, why: impl FnOnce() -> String) {
        if let Some(place) = self.said.place(key) {
            let text = format!("{}, {key}: {}", place.words(), why());
            let line = place.lines.last().copied().unwrap_or_default();
            self.mistakes.push(Mistake { file: place.file.clone(), line, text });
        }
    }

    /// Refuses any other value.
    fn value(&mut self, key: &str, wanted: &Value, why: impl FnOnce() -> String) {
        if self.said.values.get(key) != Some(wanted) {
            self.refuse(key, why);
        }
    }

    fn database(&mut self, spec: &Spec) {
        let service = &spec.service;
        if !self.said.same_database {
            let kind = match self.said.database.as_str() {
                "sqlite3" => "a database in SQLite",
                _ => "another database",
            };
            self.refuse("database", || {
                format!(
                    "{kind} would be an empty second server, or an old copy. Remove it: the database is in the postgres service {service}"
                )
            });
        }
        for key in ["databases", "database_path"] {
            self.refuse(key, || {
                format!("remove it: the database is in the postgres service {service}")
            });
        }
    }

    fn listeners(&mut self) {
        let ours = our_listener(&self.said.values);
        let line = format!(
            "  - {{port: {PORT}, type: http, x_forwarded: true, bind_addresses: ['0.0.0.0'], resources: [{{names: [client, federation]}}]}}"
        );
        let why = match ours {
            None => format!("nginx asks on port {PORT}, and no listener of type http is there"),
            Some(listener) => match wrong(listener) {
                None => return,
                Some(why) => format!("the listener on port {PORT} {why}"),
            },
        };
        self.refuse("listeners", || {
            format!("{why}. Keep this one in the list, beside those of your own:\n{line}")
        });
    }

    fn secrets(&mut self, config: &Utf8Path) {
        let secrets = config.join("secrets");
        for key in ["signing_key", "signing_key_path"] {
            if key == "signing_key" || self.said.values.get(key) != Some(&path("signing.key")) {
                self.refuse(key, || {
                    format!(
                        "the signing key is in {secrets}/signing.key. Remove it; the key of an old server belongs into that file, before this server has talked to any other"
                    )
                });
            }
        }
        for name in SECRETS {
            let file = format!("{name}_path");
            let why = || {
                format!(
                    "this secret is in {secrets}/{name}. Remove it; to keep that of an old server, replace the content of that file"
                )
            };
            self.refuse(name, why);
            self.value(&file, &path(name), why);
        }
    }

    /// nginx answers with a text of its own, which is one argument of a directive.
    fn well_known(&mut self) {
        let client = self.said.settings.as_ref().map(|facts| &facts.well_known_client);
        if client.is_some_and(|client| json!(client).to_string().len() > LARGEST_CLIENT) {
            self.refuse("extra_well_known_client_content", || {
                format!("it is larger than nginx can serve, {LARGEST_CLIENT} bytes")
            });
        }
    }

    fn missing_files(&mut self) {
        for missing in &self.said.missing {
            let path = &missing.path;
            self.refuse(&missing.key, || match missing.key.as_str() {
                "log_config" => format!(
                    "there is no file {path}. Remove it; Synapse then logs to standard error, which `dokku logs` shows"
                ),
                _ => format!("there is no file {path}"),
            });
        }
    }

    /// The mistakes as they stand in the files.
    fn in_order(mut self) -> Vec<String> {
        self.mistakes.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        self.mistakes.into_iter().map(|mistake| mistake.text).collect()
    }

    fn one_process(&mut self) {
        const WHY: &str =
            "this homeserver is one process, and nobody else would do that. Remove it";
        self.value("daemonize", &json!(false), || {
            "Synapse would leave its container, which then ends. Remove it".to_owned()
        });
        for key in OF_WORKERS {
            self.refuse(key, || WHY.to_owned());
        }
        for key in DUTIES {
            if self.said.values.get(key) == Some(&json!(false)) {
                self.refuse(key, || WHY.to_owned());
            }
        }
        if self.said.redis {
            self.refuse("redis", || {
                "only other processes of Synapse use Redis, and this homeserver is one process. Remove it".to_owned()
            });
        }
    }
}

/// The path of a secret in the container.
fn path(name: &str) -> Value {
    json!(format!("/config/secrets/{name}"))
}

/// The listener that nginx asks.
pub(super) fn our_listener(values: &serde_json::Map<String, Value>) -> Option<&Value> {
    let listeners = values.get("listeners")?.as_array()?;
    listeners.iter().find(|one| one["port"] == PORT && one["type"] == "http")
}

/// What is wrong with the listener on our port.
fn wrong(listener: &Value) -> Option<&'static str> {
    let listed = listener["bind_addresses"].as_array().into_iter().flatten();
    let binds = listed.chain(Some(&listener["bind_address"])).filter_map(Value::as_str);
    let binds: Vec<_> = binds.filter(|bind| !bind.is_empty()).collect();
    if listener["tls"] == true {
        Some("expects TLS, and nginx talks http with it")
    } else if listener["x_forwarded"] != true {
        Some(
            "has no `x_forwarded: true`, so all clients would share one address and its rate limit",
        )
    // `::` takes connections of both kinds.
    } else if !binds.is_empty() && !binds.iter().any(|bind| ["0.0.0.0", "::"].contains(bind)) {
        Some("does not listen on 0.0.0.0, and nginx is outside the container")
    } else if !resources(listener).any(|name| name == "client") {
        Some("does not serve `client`")
    } else {
        None
    }
}

/// The names of the resources of a listener.
pub(super) fn resources(listener: &Value) -> impl Iterator<Item = &str> {
    let lists = listener["resources"].as_array().into_iter().flatten();
    lists.filter_map(|one| one["names"].as_array()).flatten().filter_map(Value::as_str)
}

/// Whether other servers may reach this one.
pub(super) fn federates(said: &Said) -> bool {
    let listener = our_listener(&said.values);
    let listens = listener.is_none_or(|one| resources(one).any(|name| name == "federation"));
    let nobody = Some(&json!([]));
    listens && said.values.get("federation_domain_whitelist") != nobody
}
