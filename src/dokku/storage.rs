//! `storage:*`: what of the host is seen inside containers.

use super::{report, tell};
use crate::{error::Result, host::Host, names::AppName};

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

/// Adds a mount.
pub fn mount(host: &Host, app: &AppName, mount: &Mount) -> Result<()> {
    tell(host, ["storage:mount", app.as_str(), &mount.spec()]).map(drop)
}

/// Takes a mount away; the files stay.
pub fn unmount(host: &Host, app: &AppName, mount: &Mount) -> Result<()> {
    tell(host, ["storage:unmount", app.as_str(), &mount.spec()]).map(drop)
}
