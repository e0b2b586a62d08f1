//! Hosts and output as text without what differs from run to run, so that they can be compared: two
//! hosts in the same state have the same dump, whatever led to it.

use super::harness::TestHost;
use serde_json::{Value, json};
use stand_in::{Container, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Files that differ on every host: they hold secrets.
const UNIQUE: [&str; 5] = [
    "signing.key",
    "registration_shared_secret",
    "macaroon_secret_key",
    "form_secret",
    "20-database.yaml",
];

impl TestHost {
    /// The whole host as normalized text, one line for each fact.
    pub(crate) fn dump(&self) -> String {
        let mut state = self.state();
        state.serial = 0;
        state.listeners.clear();
        state.containers.retain(|c| c.status == stand_in::Status::Running);
        let mut all = json!({ "max_mains": state.max_mains });
        all["apps"] = state.apps.iter().map(|(name, a)| (name, app(json!(a)))).collect();
        all["services"] = state.services.iter().map(|(name, s)| (name, service(s))).collect();
        all["running"] = state.containers.iter().map(container).collect();
        all["letsencrypt"] = json!(state.letsencrypt);
        all["ufw"] = json!(state.ufw);
        let on_host = state.images.iter().filter(|(_, image)| image.on_host);
        all["images"] = on_host.map(|(name, _)| json!(name)).collect();
        let mut text = serde_json::to_string_pretty(&all).unwrap();
        for (name, service) in &state.services {
            text = text.replace(&service.password, &format!("<password of {name}>"));
        }
        text.push('\n');
        for (path, description) in self.files() {
            text += &format!("{path} {description}\n");
        }
        self.normalize(&text)
    }

    /// Every file below `$DOKKU_LIB_ROOT` and `$DOKKU_ROOT`: its mode, and its content unless unique.
    fn files(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for root in [self.scene.lib(), self.scene.root()] {
            walk(&root, &mut all);
        }
        // Files of the stand-in itself, and files that exist only as long as a process or container.
        let ignored = [
            "/plugins/enabled",
            "/core-plugins",
            "/CONTAINER.",
            "/.host/locks/",
            // Named by a hash of the host's path; the state contains the same facts.
            "/config/storage/",
            "/storage-registry/",
        ];
        // The directory of the locks comes with the first of them.
        let is_ignored = |path: &str| {
            path.ends_with("/.host/") || ignored.iter().any(|part| path.contains(part))
        };
        all.retain(|path, _| !is_ignored(path));
        all
    }

    /// The secrets of the server `matrix.site.test` that must never change once they exist.
    pub(crate) fn secrets(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for name in &UNIQUE[..4] {
            if let Ok(text) = fs::read_to_string(self.file("config/secrets").join(name)) {
                all.insert((*name).to_owned(), text);
            }
        }
        all
    }

    /// Replaces what differs from run to run: the host's root directory, the user, times, ids, and
    /// the resolver's message for an unknown name.
    pub(crate) fn normalize(&self, text: &str) -> String {
        let user = format!("{}:{}", nix::unistd::getuid(), nix::unistd::getgid());
        let mut text = text
            .replace(self.scene.path().to_str().unwrap(), "<host>")
            .replace(&format!("--user {user}"), "--user <user>")
            // On some machines localhost has both addresses.
            .replace("(now: ::1, 127.0.0.1)", "(now: 127.0.0.1)");
        for error in ["Name or service not known", "Temporary failure in name resolution"] {
            let message = format!("failed to lookup address information: {error}");
            text = text.replace(&message, "<not in the DNS>");
        }
        // Temporary directories of the plugin, and the host that this one was copied from.
        let other_host = std::env::temp_dir().join("stand-in.");
        for start in ["<host>/tmp/.tmp", other_host.to_str().unwrap()] {
            text = without_random_suffix(&text, start);
        }
        // How often a slow step reports its progress depends on timing.
        let lines = text.split_inclusive('\n').filter(|line| !line.contains("still working: "));
        lines.map(|line| without_ids(&without_time(line))).collect()
    }
}

/// Checks that two dumps are the same. A killed dokku-letsencrypt leaves its own location behind, and
/// removes it after its next request.
pub(crate) fn assert_same(actual: &str, expected: &str, context: &str) {
    let is_left = |line: &&str| line.contains("/nginx.conf.d/letsencrypt.conf 644 ");
    let diff = diff(actual, expected);
    let diff: String = diff.split_inclusive('\n').filter(|line| !is_left(line)).collect();
    assert!(diff.is_empty(), "{context}:\n{diff}");
}

/// The lines that only one of two dumps has: missing ones with `-`, additional ones with `+`.
pub(crate) fn diff(actual: &str, expected: &str) -> String {
    let only = |some: &str, others: &str, sign: &str| {
        let others: BTreeSet<&str> = others.lines().collect();
        let lines = some.lines().filter(|line| !others.contains(line));
        lines.map(|line| format!("{sign} {}\n", line.trim())).collect::<String>()
    };
    only(expected, actual, "-") + &only(actual, expected, "+")
}

fn walk(directory: &Path, all: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(data) = fs::symlink_metadata(&path) else { continue };
        let mode = data.mode() & 0o7777;
        if data.is_dir() {
            all.insert(format!("{}/", path.display()), format!("{mode:o}"));
            walk(&path, all);
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let text = match name.as_str() {
            "status.json" => without_digests(&text),
            name if UNIQUE.contains(&name) => "...".to_owned(),
            _ => text.trim_end().to_owned(),
        };
        all.insert(path.display().to_string(), format!("{mode:o} {text}"));
    }
}

/// A status without digests, ids of containers, and the time of a verification.
fn without_digests(text: &str) -> String {
    let Ok(mut status) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    let mask = |value: &mut Value| {
        if value.is_string() {
            *value = json!("...");
        }
    };
    mask(&mut status["validated"]);
    if let Some(template) = status["template"].as_object_mut() {
        template.insert("at".into(), json!("..."));
    }
    for started in status["started"].as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
        mask(&mut started["files"]);
        mask(&mut started["database"]);
        started.as_object_mut().unwrap().remove("except");
    }
    let served = status["served"].as_object_mut();
    served.into_iter().flat_map(|all| all.values_mut()).for_each(mask);
    serde_json::to_string_pretty(&status).unwrap()
}

/// Without times, and without what Dokku records for itself at the end of a deploy.
fn app(mut app: Value) -> Value {
    for key in ["created_at", "commit", "deploy_source"] {
        app[key].take();
    }
    if app["cert"].is_object() {
        app["cert"]["starts_at"].take();
        app["cert"]["expires_at"].take();
    }
    if let Some(config) = app["config"].as_object_mut() {
        config.remove("GIT_REV");
    }
    // The order of docker options does not matter.
    for options in app["docker_options"].as_object_mut().unwrap().values_mut() {
        options.as_array_mut().unwrap().sort_by_key(Value::to_string);
    }
    // Dokku orders mounts by a hash of the host's path.
    let mounts = app["mounts"].as_array_mut().unwrap();
    mounts.iter_mut().for_each(|mount| drop(mount["entry"].take()));
    mounts.sort_by_key(Value::to_string);
    app
}

fn service(service: &Service) -> Value {
    let mut all = json!(service);
    all["container"] = json!(service.container.is_some());
    all["ip"].take();
    all["created_at"].take();
    all
}

fn container(container: &Container) -> Value {
    let mut env = container.env.clone();
    env.remove("GIT_REV");
    let name = container.name.split(".upcoming").next();
    let mounts: BTreeSet<_> = container.mounts.iter().collect();
    let mut options = container.options.clone();
    options.sort();
    json!({
        "app": container.app, "name": name, "image": container.image,
        "mounts": mounts, "options": options, "env": env,
        "links": container.links.keys().collect::<Vec<_>>(), "policy": container.restart_policy,
    })
}

/// `<host>/tmp/.tmpFHqmrT` as `<scratch>`.
fn without_random_suffix(text: &str, start: &str) -> String {
    let mut parts = text.split(start);
    let first = parts.next().unwrap_or_default().to_owned();
    let other = |part: &str| format!("<scratch>{}", part.trim_start_matches(char::is_alphanumeric));
    first + &parts.map(other).collect::<String>()
}

/// `is ready (1m 2s)` as `is ready (<time>)`, and `after 9s:` as `after <time>:`.
fn without_time(line: &str) -> String {
    let is_part = |word: &str| {
        let digits = word.trim_end_matches(['m', 's']);
        digits.len() + 1 == word.len() && digits.parse::<u32>().is_ok()
    };
    let is_time = |text: &str| text.split(' ').all(is_part);
    for (start, end) in [(" (", ")"), ("not ready after ", ":")] {
        if let Some((before, rest)) = line.split_once(start)
            && let Some((time, after)) = rest.split_once(end)
            && is_time(time)
        {
            return format!("{before}{start}<time>{end}{after}");
        }
    }
    line.to_owned()
}

/// Ids of containers and commits as `<id>`.
fn without_ids(line: &str) -> String {
    let is_id = |word: &str| {
        [7, 12, 40, 64].contains(&word.len())
            && word.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
    };
    let mut out = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        out += if is_id(word) { "<id>" } else { word };
        let next = after.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(after.len());
        out += &after[..next];
        rest = &after[next..];
    }
    out
}
