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

/// The mounts of an app as Dokku's files record them: triggers run at each deploy of each app, so
/// they must not run Dokku. One that cannot be read does not hide the others.
///
/// # Errors
/// The list cannot be read.
pub fn recorded(env: &Env, app: &str) -> Result<Vec<Result<Mount>>> {
    let root = env.lib_root();
    let path = root.join("config/storage").join(app).join("mounts");
    // An app without mounts has no such file.
    let Some(text) = files::read(&path)? else { return Ok(vec![]) };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(lines.map(|line| recorded_mount(&root, &path, line)).collect())
}

fn recorded_mount(root: &Utf8Path, list: &Utf8Path, line: &str) -> Result<Mount> {
    let attachment: Attachment =
        serde_json::from_str(line).doing(|| format!("{list} is malformed"))?;
    let name = format!("{}.json", attachment.entry_name);
    let path = root.join("data/storage-registry/entries").join(name);
    let text = files::read(&path)?.ok_or_else(|| Error::new(format!("{path} is missing")))?;
    let entry: Entry = serde_json::from_str(&text).doing(|| format!("{path} is malformed"))?;
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

    /// A mount that cannot be read does not hide one of a homeserver's.
    #[test]
    fn reads_each_recorded_mount_by_itself() {
        const GOOD: &str = r#"{"entry_name":"e","container_path":"/c","phases":["deploy"]}"#;
        let (_guard, lib) = files::scratch().unwrap();
        let env = Env::of(&[("DOKKU_LIB_ROOT", lib.as_str())]);
        let [list, entries] = ["config/storage/a", "data/storage-registry/entries"]
            .map(|directory| lib.join(directory));
        for directory in [&list, &entries] {
            std::fs::create_dir_all(directory).unwrap();
        }
        files::write_scratch(&entries.join("e.json"), r#"{"host_path":"/h"}"#).unwrap();
        for (text, wanted) in [
            ("", vec![]),
            (GOOD, vec![true]),
            (&format!("{}\n\n{GOOD}\n", &GOOD[..20]), vec![false, true]),
            (&format!("{GOOD}\na:b\n"), vec![true, false]),
            (&GOOD.replace("\"e\"", "\"gone\""), vec![false]),
        ] {
            files::write_scratch(&list.join("mounts"), text).unwrap();
            let mounts = recorded(&env, "a").unwrap();
            assert_eq!(mounts.iter().map(Result::is_ok).collect::<Vec<_>>(), wanted, "{text}");
        }
        assert!(recorded(&env, "nobody").unwrap().is_empty());
    }
}
