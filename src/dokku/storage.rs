//! `storage:*`: the directories and files of the host that an app's containers have mounted.
//!
//! A mount is of a named entry, which belongs to the host and survives the app, or of a path
//! (`host:container`): then Dokku makes an entry of its own, `legacy-<hash of the path>`.

use super::{change, json, parse, read_cmd};
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

/// A mount that an app has, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Mounted {
    /// The mount.
    #[serde(flatten)]
    pub mount: Mount,
    /// The entry that is mounted.
    #[serde(rename = "entry_name")]
    pub entry: String,
}

/// What the names of Dokku's own entries begin with; no other may.
const OF_A_PATH: &str = "legacy-";

impl Mounted {
    /// The arguments that remove it from an app: Dokku finds a named entry only by its name.
    fn unmount_args(&self, app: &AppName) -> Vec<String> {
        let what = if self.entry.starts_with(OF_A_PATH) {
            vec![self.mount.spec()]
        } else {
            let container = self.mount.container.clone();
            vec![self.entry.clone(), "--container-dir".to_owned(), container]
        };
        ["storage:unmount".to_owned(), app.to_string()].into_iter().chain(what).collect()
    }

    /// The command that removes it from an app.
    pub fn unmount_command(&self, app: &AppName) -> String {
        format!("dokku {}", self.unmount_args(app).join(" "))
    }
}

/// The mounts of an app; absent if there is no such app.
pub fn of(host: &Host, app: &AppName) -> Reading<Vec<Mounted>> {
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
    recorded(host.env(), app.as_str()).or_else(|_| {
        let mounted = of(host, app).or_absent(vec![])?;
        Ok(mounted.into_iter().map(|mounted| mounted.mount).collect())
    })
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

/// The path of a named entry; absent if there is no such entry.
pub fn entry_path(host: &Host, name: &str) -> Reading<String> {
    let cmd = read_cmd(["storage:info", name, "--format", "json"]);
    match host.run(&cmd) {
        Ok(output) if output.code == 0 => {
            parse::json::<Entry>(&cmd, &output.stdout).map(|entry| entry.host_path).into()
        }
        Ok(output) if output.says(&format!("storage entry {name:?} does not exist")) => {
            Reading::Absent
        }
        Ok(output) => Reading::Unknown(host.failure(&cmd, &output)),
        Err(error) => Reading::Unknown(error),
    }
}

/// The arguments that make a named entry of a directory. Dokku gives an entry that exists the new
/// path, and says that it leaves it in place: so look first. `Retain` is for whoever destroys it.
fn create_args<'a>(name: &'a str, path: &'a str) -> [&'a str; 5] {
    ["storage:create", name, path, "--reclaim-policy", "Retain"]
}

/// The command that makes a named entry of a directory.
pub fn create_command(name: &str, path: &str) -> String {
    format!("dokku {}", create_args(name, path).join(" "))
}

/// Makes a named entry of a directory that exists. The entry must not exist.
pub fn create(host: &Host, name: &str, path: &str) -> Result<()> {
    change(host, create_args(name, path)).map(drop)
}

/// The arguments that mount a path, or the entry of that name.
fn mount_args<'a>(
    app: &'a AppName,
    entry: Option<&'a str>,
    mount: &'a Mount,
    spec: &'a str,
) -> Vec<&'a str> {
    let mut args = vec!["storage:mount", app.as_str()];
    match entry {
        None => args.push(spec),
        Some(entry) => {
            args.extend([entry, "--container-dir", &mount.container]);
            args.extend(mount.readonly.then_some("--volume-readonly"));
        }
    }
    args
}

/// The command that mounts a path, or the entry of that name.
pub fn mount_command(app: &AppName, entry: Option<&str>, mount: &Mount) -> String {
    format!("dokku {}", mount_args(app, entry, mount, &mount.spec()).join(" "))
}

/// Mounts a path, or the entry of that name, which exists and has this path.
pub fn mount(host: &Host, app: &AppName, entry: Option<&str>, mount: &Mount) -> Result<()> {
    change(host, mount_args(app, entry, mount, &mount.spec())).map(drop)
}

/// Removes a mount; the files and the named entry stay.
pub fn unmount(host: &Host, app: &AppName, mounted: &Mounted) -> Result<()> {
    change(host, mounted.unmount_args(app)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dokku::parse::tests::{cmd, what};

    #[test]
    fn reads_lists_of_mounts() {
        const ONE: &str = r#"[{"entry_name":"a","host_path":"/h","container_path":"/c","readonly":true},{"entry_name":"legacy-1","host_path":"/h","container_path":"/d"}]"#;
        for (stdout, want) in [
            (ONE, Ok("/h:/c:ro /h:/d")),
            ("[]", Ok("")),
            (&ONE[..40], Err("incomplete JSON")),
            ("{}", Err("JSON with values of other types")),
            (
                r#"[{"host_path":"/h","entry_name":"a"}]"#,
                Err("JSON without the field \"container_path\""),
            ),
            (
                r#"[{"host_path":"/h","container_path":"/c"}]"#,
                Err("JSON without the field \"entry_name\""),
            ),
        ] {
            let got = what(parse::json::<Vec<Mounted>>(&cmd(), &format!("{stdout}\n")));
            let spec = |mounted: &Mounted| mounted.mount.spec();
            let got = got.map(|all| all.iter().map(spec).collect::<Vec<_>>().join(" "));
            assert_eq!(got, want.map(str::to_owned).map_err(str::to_owned), "{stdout}");
        }
    }

    /// Dokku finds a named entry by its name only, and one of its own by the path only.
    #[test]
    fn unmounts_both_forms() {
        let app = "a".parse().unwrap();
        for (entry, wanted) in [
            ("legacy-1", "dokku storage:unmount a /h:/c:ro"),
            ("media", "dokku storage:unmount a media --container-dir /c"),
        ] {
            let mount = Mount { host: "/h".into(), container: "/c".into(), readonly: true };
            let mounted = Mounted { mount, entry: entry.into() };
            assert_eq!(mounted.unmount_command(&app), wanted);
        }
    }
}
