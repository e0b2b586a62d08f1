//! What a host is: its state and the files on it, without what differs from run to run. Two hosts
//! on which the same was done look alike, however it was done.

use super::rig::Rig;
use serde_json::{Value, json};
use stand_in::{Container, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Files whose content is a secret or a digest of secrets; nobody's are alike.
const OWN: [&str; 6] = [
    "signing.key",
    "registration_shared_secret",
    "macaroon_secret_key",
    "form_secret",
    "judged",
    "20-database.yaml",
];

impl Rig {
    /// The whole host as text: a line for each fact.
    pub(crate) fn portrait(&self) -> String {
        let mut state = self.state();
        state.serial = 0;
        state.listeners.clear();
        state.containers.retain(|c| c.status == stand_in::Status::Running);
        let mut all = json!({ "max_mains": state.max_mains });
        all["apps"] = state.apps.iter().map(|(name, app)| (name, stripped(json!(app)))).collect();
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
        for (path, what) in self.files() {
            text += &format!("{path} {what}\n");
        }
        self.normal(&text)
    }

    /// Every file below `$DOKKU_LIB_ROOT` and `$DOKKU_ROOT`: mode, and content where it is alike.
    fn files(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for root in [self.scene.lib(), self.scene.root()] {
            walk(&root, &mut all);
        }
        // The stand-in's own, or gone with their holder.
        let others = [
            "/plugins/enabled",
            "/core-plugins",
            "/CONTAINER.",
            ".lock",
            // Named by a hash of the host's path; the state has the same.
            "/config/storage/",
            "/storage-registry/",
        ];
        all.retain(|path, _| !others.iter().any(|other| path.contains(other)));
        all
    }

    /// The secrets of the server `matrix.site.test` that must never change once they are made.
    pub(crate) fn secrets(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for name in &OWN[..4] {
            if let Ok(text) = fs::read_to_string(self.file("config/secrets").join(name)) {
                all.insert((*name).to_owned(), text);
            }
        }
        all
    }
}

/// Two portraits are alike.
pub(crate) fn assert_alike(now: &str, wanted: &str, what: &str) {
    let differ = difference(now, wanted);
    assert!(differ.is_empty(), "{what}:\n{differ}");
}

/// What is in one portrait alone, line by line.
pub(crate) fn difference(now: &str, wanted: &str) -> String {
    let only = |some: &str, others: &str, sign: &str| {
        let others: BTreeSet<&str> = others.lines().collect();
        let lines = some.lines().filter(|line| !others.contains(line));
        lines.map(|line| format!("{sign} {}\n", line.trim())).collect::<String>()
    };
    only(wanted, now, "-") + &only(now, wanted, "+")
}

fn walk(folder: &Path, all: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
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
        let text = if OWN.contains(&name.as_str()) { "..." } else { text.trim_end() };
        all.insert(path.display().to_string(), format!("{mode:o} {text}"));
    }
}

/// Without numbers, times, and what Dokku notes for itself when a deploy has come to its end.
fn stripped(mut app: Value) -> Value {
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
    json!({
        "app": container.app, "name": name, "image": container.image,
        "mounts": mounts, "options": container.options, "env": env,
        "links": container.links.keys().collect::<Vec<_>>(), "policy": container.restart_policy,
    })
}
