//! What Synapse says of its configuration: a model of the script that the plugin gives to the image's
//! Python. It merges the files as Synapse does, and rejects a file with the word `BROKEN`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::images::{broken, host_path, is_yaml, yaml};
use crate::postgres::hostname;
use crate::state::{Answer, Container, State};

/// The settings whose values are no secrets.
const PRINTED: [&str; 17] = [
    "server_name",
    "public_baseurl",
    "listeners",
    "signing_key_path",
    "registration_shared_secret_path",
    "macaroon_secret_key_path",
    "form_secret_path",
    "media_store_path",
    "daemonize",
    "worker_app",
    "start_pushers",
    "send_federation",
    "notify_appservices",
    "update_user_directory",
    "enable_media_repo",
    "enable_metrics",
    "federation_domain_whitelist",
];

/// `python - check <directory>`: reads the mounted configuration. Synapse also needs its data
/// directory, and warns about files that it ignores.
pub(crate) fn check(mounts: &[String]) -> Answer {
    let Some(files) = yaml(mounts) else {
        return rejected("FileNotFoundError: [Errno 2] No such file or directory: '/config'");
    };
    if host_path(mounts, "/data").is_none() {
        return rejected("PermissionError: [Errno 13] Permission denied: '/data'");
    }
    if let Some(file) = broken(&files) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        return rejected(&format!("stand-in: {name} is broken"));
    }
    let mut said = Said::default();
    let mut answer = Answer::default();
    for file in &files {
        if !is_yaml(file) {
            let warning = format!("Found file {} in config directory", file.display());
            answer.stderr += &warning;
            answer.stderr += " which is not a .yaml file: ignoring\n";
        } else if let Err(why) = said.read(file) {
            return rejected(&why);
        }
    }
    let missing = said.missing(mounts);
    if let Some(file) = missing.first() {
        let why =
            format!("FileNotFoundError: [Errno 2] No such file or directory: {}", file["path"]);
        let mut answered = said.answer();
        answered["missing"] = json!(missing);
        answered["error"] = json!([file["key"]]);
        return Answer { stdout: format!("{answered}\n"), ..rejected(&why) };
    }
    let mut answered = said.answer();
    answered["settings"] = said.settings();
    answered["unread"] = json!([]);
    answer.stdout = format!("{answered}\n");
    answer
}

/// `python - probe <directory>` in a new container with these links.
pub(crate) fn probe(state: &State, links: &[String], mounts: &[String]) -> Answer {
    let stopped = links
        .iter()
        .find(|service| state.services.get(*service).is_none_or(|service| !service.runs()));
    if let Some(service) = stopped {
        let stderr = format!(
            "docker: Error response from daemon: Cannot link to a non running container: /dokku.postgres.{service} AS /{}\n",
            hostname(service)
        );
        return Answer { rc: 125, stderr, ..Answer::default() };
    }
    let said = merged(mounts);
    let host = said.merged.get("database").map(|database| database["args"]["host"].clone());
    let host = host.unwrap_or_default();
    let reached = links.iter().any(|service| host == hostname(service).as_str());
    let why = format!(
        "psycopg2.OperationalError: could not translate host name {host} to address: Name or service not known"
    );
    probed((!reached).then_some(why.as_str()), &said)
}

/// The same in a running container.
pub(crate) fn probe_from(state: &State, container: &Container) -> Answer {
    let is_dead = !state.dead_links(container).is_empty();
    let why = "psycopg2.OperationalError: connection to server failed: No route to host";
    probed(is_dead.then_some(why), &merged(&container.mounts))
}

/// No container reaches an authentication service: there is none on this host.
fn probed(database: Option<&str>, said: &Said) -> Answer {
    let service = said.merged.get("matrix_authentication_service");
    let service = service
        .is_some_and(|service| service["enabled"] == true)
        .then_some("urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>");
    let found = json!({ "database": database, "authentication_service": service });
    Answer { stdout: format!("{}\n", json!({ "probe": found })), ..Answer::default() }
}

fn merged(mounts: &[String]) -> Said {
    let mut said = Said::default();
    for file in yaml(mounts).unwrap_or_default().iter().filter(|file| is_yaml(file)) {
        // What cannot be read is for `check` to tell.
        said.read(file).ok();
    }
    said
}

/// `python -m synapse.config -c <directory>`: the same question, as one types it by hand.
pub(crate) fn parse(mounts: &[String]) -> Answer {
    let answer = check(mounts);
    let stdout = if answer.rc == 0 { "Config parses OK!\n" } else { "" };
    Answer { stdout: stdout.to_owned(), ..answer }
}

fn rejected(why: &str) -> Answer {
    let stdout = format!("{}\n", json!({ "error": [] }));
    Answer { rc: 1, stdout, stderr: format!("{why}\n"), ..Answer::default() }
}

#[derive(Default)]
struct Said {
    places: BTreeMap<String, Value>,
    merged: Map<String, Value>,
    ours: Value,
    has_email_file: bool,
}

impl Said {
    fn read(&mut self, file: &Path) -> Result<(), String> {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
        // Of a key that stands there twice the last one counts; the parser here knows none of these.
        let content: Value = serde_yaml::from_str(&text)
            .map_err(|error| format!("yaml.scanner.ScannerError: {error} in \"{name}\""))?;
        let Value::Object(content) = content else { return Ok(()) };
        if name == "20-database.yaml" {
            self.ours = content.get("database").cloned().unwrap_or_default();
        }
        self.has_email_file |= name == "30-email.yaml" && content.contains_key("email");
        for (key, value) in content {
            let starts = |line: &&str| {
                line.strip_prefix(&key).is_some_and(|rest| rest.trim_start().starts_with(':'))
            };
            let line = text.lines().position(|line| starts(&line)).map_or(1, |line| line + 1);
            self.places.insert(key.clone(), json!({ "file": name, "lines": [line] }));
            self.merged.insert(key, value);
        }
        Ok(())
    }

    /// The files that a setting names, and that are not there.
    fn missing(&self, mounts: &[String]) -> Vec<Value> {
        let registrations = self.merged.get("app_service_config_files").and_then(Value::as_array);
        let registrations = registrations.into_iter().flatten();
        let named = self.merged.get("log_config").map(|path| ("log_config", path)).into_iter();
        let named = named.chain(registrations.map(|path| ("app_service_config_files", path)));
        named
            .filter(|(_, path)| {
                let path = path.as_str().and_then(|path| on_host(mounts, path));
                path.is_none_or(|path| !path.is_file())
            })
            .map(|(key, path)| json!({ "key": key, "path": path }))
            .collect()
    }

    fn answer(&self) -> Value {
        let values = PRINTED.iter().filter_map(|key| Some((*key, self.merged.get(*key)?)));
        let values: Map<String, Value> =
            values.map(|(key, value)| (key.to_owned(), value.clone())).collect();
        let database = self.merged.get("database").unwrap_or(&Value::Null);
        json!({
            "places": self.places,
            "values": values,
            "database": database["name"].as_str().unwrap_or_default(),
            "same_database": *database == self.ours,
            "email_file": self.has_email_file,
            "redis": self.merged.get("redis").is_some_and(|redis| redis["enabled"] == true),
        })
    }

    fn settings(&self) -> Value {
        let of = |key: &str| self.merged.get(key).cloned().unwrap_or_default();
        let size = of("max_upload_size");
        let size = size.as_str().unwrap_or("50M");
        let digits = size.trim_end_matches(['K', 'M']);
        let shift = if size.ends_with('K') { 10 } else { 20 };
        let bytes = digits.parse::<u64>().unwrap_or(50) << if digits == size { 0 } else { shift };
        let mut client = of("extra_well_known_client_content");
        if client.is_null() {
            client = json!({});
        }
        if let Value::String(url) = of("default_identity_server") {
            client["m.identity_server"] = json!({ "base_url": url });
        }
        json!({
            "max_upload_size": bytes,
            "registration": of("enable_registration") == true,
            "email": of("email").is_object(),
            "well_known_client": client,
        })
    }
}

/// The path on the host of a path in the container.
fn on_host(mounts: &[String], inside: &str) -> Option<PathBuf> {
    mounts.iter().find_map(|mount| {
        let mut parts = mount.split(':');
        let (host, container) = (parts.next()?, parts.next()?);
        let below = Path::new(inside).strip_prefix(container).ok()?;
        Some(Path::new(host).join(below))
    })
}
