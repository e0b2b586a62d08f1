//! `storage:*`: what of the host is seen inside containers.

use super::{report, tell};
use crate::{
    error::Result,
    host::{Host, env::Env, files},
    names::AppName,
};
use serde_json::Value;

/// A mount of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The path on the host.
    pub host: String,
    /// The path in the container.
    pub container: String,
    /// Whether the container may only read.
    pub readonly: bool,
}

impl Mount {
    /// As `storage:mount` wants it.
    pub fn spec(&self) -> String {
        let options = if self.readonly { ":ro" } else { "" };
        format!("{}:{}{options}", self.host, self.container)
    }
}

/// The mounts of an app; `None` if there is no such app.
pub fn of(host: &Host, app: &AppName) -> Result<Option<Vec<Mount>>> {
    let all = report(host, &["storage:list", app.as_str(), "--format", "json"])?;
    Ok(all.map(|all| {
        let word = |entry: &serde_json::Value, key: &str| {
            entry[key].as_str().unwrap_or_default().to_owned()
        };
        let mount = |entry: &serde_json::Value| Mount {
            host: word(entry, "host_path"),
            container: word(entry, "container_path"),
            readonly: entry["readonly"] == true,
        };
        all.as_array().into_iter().flatten().map(mount).collect()
    }))
}

/// The mounts of an app, from Dokku's own files: a trigger looks at each deploy of each app.
pub fn recorded(env: &Env, app: &str) -> Result<Vec<Mount>> {
    let root = env.lib_root();
    let text = files::read(&root.join("config/storage").join(app).join("mounts"))?;
    let mut mounts = vec![];
    for line in text.unwrap_or_default().lines() {
        let mount: Value = serde_json::from_str(line).unwrap_or_default();
        let Some(name) = mount["entry_name"].as_str() else { continue };
        let path = root.join("data/storage-registry/entries").join(format!("{name}.json"));
        let entry: Value = files::read(&path)?
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        mounts.push(Mount {
            host: entry["host_path"].as_str().unwrap_or_default().to_owned(),
            container: mount["container_path"].as_str().unwrap_or_default().to_owned(),
            readonly: mount["readonly"] == true,
        });
    }
    Ok(mounts)
}

/// Adds a mount.
pub fn mount(host: &Host, app: &AppName, mount: &Mount) -> Result<()> {
    tell(host, ["storage:mount", app.as_str(), &mount.spec()]).map(drop)
}

/// Takes a mount away; the files stay.
pub fn unmount(host: &Host, app: &AppName, mount: &Mount) -> Result<()> {
    tell(host, ["storage:unmount", app.as_str(), &mount.spec()]).map(drop)
}
