//! `storage:*`: the directories and files of the host that an app's containers have mounted.

use super::{change, json};
use crate::{
    error::{Doing, Error, Result},
    host::{Host, Reading, env::Env, files},
    names::AppName,
};
use camino::Utf8Path;
use serde::Deserialize;

/// A mount of an app.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Mount {
    /// The path on the host.
    #[serde(rename = "host_path")]
    pub host: String,
    /// The path in the container.
    #[serde(rename = "container_path")]
    pub container: String,
    /// Whether the container may only read. Dokku leaves the field out where it may write.
    #[serde(default)]
    pub readonly: bool,
}

impl Mount {
    /// As `storage:mount` takes it.
    pub fn spec(&self) -> String {
        let options = if self.readonly { ":ro" } else { "" };
        format!("{}:{}{options}", self.host, self.container)
    }
}

/// The mounts of an app; absent if there is no such app.
pub fn of(host: &Host, app: &AppName) -> Reading<Vec<Mount>> {
    json(host, &["storage:list", app.as_str(), "--format", "json"])
}

/// A line of Dokku's file `mounts`.
#[derive(Deserialize)]
struct Attachment {
    entry_name: String,
    container_path: String,
    #[serde(default)]
    readonly: bool,
}

/// Dokku's file of a storage entry.
#[derive(Deserialize)]
struct Entry {
    /// An entry for another scheduler than docker-local has none.
    #[serde(default)]
    host_path: String,
    schema_version: u32,
}

/// The apps that have mounts.
///
/// # Errors
/// The directory cannot be read.
pub fn apps_with_mounts(env: &Env) -> Result<Vec<AppName>> {
    let names = files::list(&env.lib_root().join("config/storage"))?;
    // `--global` is not an app.
    Ok(names.into_iter().filter_map(|name| name.parse().ok()).collect())
}

/// The mounts of an app for a trigger: these run at each deploy of each app, so they must not run
/// Dokku, unless its files cannot be read or have another form.
///
/// # Errors
/// Dokku does not say it either.
pub fn for_trigger(host: &Host, app: &AppName) -> Result<Vec<Mount>> {
    recorded(host.env(), app.as_str()).or_else(|_| of(host, app).or_absent(vec![]))
}

/// The mounts of an app as Dokku's files record them.
///
/// # Errors
/// One of the files cannot be read, or has another form.
pub fn recorded(env: &Env, app: &str) -> Result<Vec<Mount>> {
    let root = env.lib_root();
    let path = root.join("config/storage").join(app).join("mounts");
    // An app without mounts has no such file.
    let Some(text) = files::read(&path)? else { return Ok(vec![]) };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| recorded_mount(&root, &path, line)).collect()
}

fn recorded_mount(root: &Utf8Path, list: &Utf8Path, line: &str) -> Result<Mount> {
    let attachment: Attachment =
        serde_json::from_str(line).doing(|| format!("{list} is malformed"))?;
    let name = format!("{}.json", attachment.entry_name);
    let path = root.join("data/storage-registry/entries").join(name);
    let text = files::read(&path)?.ok_or_else(|| Error::new(format!("{path} is missing")))?;
    let entry: Entry = serde_json::from_str(&text).doing(|| format!("{path} is malformed"))?;
    if entry.schema_version != 1 {
        return Err(Error::new(format!("{path} has another form than is known")));
    }
    Ok(Mount {
        host: entry.host_path,
        container: attachment.container_path,
        readonly: attachment.readonly,
    })
}

/// Adds a mount.
pub fn mount(host: &Host, app: &AppName, mount: &Mount) -> Result<()> {
    change(host, ["storage:mount", app.as_str(), &mount.spec()]).map(drop)
}

/// Removes a mount; the files stay.
pub fn unmount(host: &Host, app: &AppName, mount: &Mount) -> Result<()> {
    change(host, ["storage:unmount", app.as_str(), &mount.spec()]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dokku::parse::{
        self,
        tests::{cmd, what},
    };

    #[test]
    fn reads_lists_of_mounts() {
        const ONE: &str = r#"[{"entry_name":"a","host_path":"/h","container_path":"/c","readonly":true},{"host_path":"/h","container_path":"/d"}]"#;
        for (stdout, want) in [
            (ONE, Ok("/h:/c:ro /h:/d")),
            ("[]", Ok("")),
            (&ONE[..40], Err("incomplete JSON")),
            ("{}", Err("JSON with values of other types")),
            (r#"[{"host_path":"/h"}]"#, Err("JSON without the field \"container_path\"")),
        ] {
            let got = what(parse::json::<Vec<Mount>>(&cmd(), &format!("{stdout}\n")));
            let got = got.map(|all| all.iter().map(Mount::spec).collect::<Vec<_>>().join(" "));
            assert_eq!(got, want.map(str::to_owned).map_err(str::to_owned), "{stdout}");
        }
    }
}
