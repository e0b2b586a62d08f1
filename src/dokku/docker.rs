//! Docker itself, where Dokku has no word for it.

use super::storage::Mount;
use crate::{
    error::{Error, Result},
    host::{
        Host,
        cmd::{Cmd, Ran},
    },
    names::{AppName, ImageRef},
};
use camino::Utf8Path;
use serde_json::Value;
use std::time::Duration;

/// A container of an app, as it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// The reference of the image that the app's own was made of.
    pub source_image: String,
    /// When it was made, in milliseconds since 1970.
    pub made: i64,
    /// The names of the containers that it is linked to.
    pub links: Vec<String>,
    /// When it started, in milliseconds since 1970; 0 if never.
    pub started: i64,
    /// When it ended last, in milliseconds since 1970; 0 if never.
    pub ended: i64,
    /// How often Docker has started it again because it ended.
    pub restarts: u32,
    /// It has ended, and Docker lets a while pass before it starts it again.
    pub pauses: bool,
    /// Its addresses; none while it pauses.
    pub addresses: Vec<String>,
    /// The user and group inside, as they were given.
    pub user: String,
    /// Its environment, `NAME=value`.
    env: Vec<String>,
    /// What of the host it sees.
    pub mounts: Vec<Mount>,
}

impl Container {
    /// Whether it is where Dokku says that its app listens.
    pub fn is_at(&self, listener: &str) -> bool {
        let ip = listener.rsplit_once(':').map_or("", |(ip, _)| ip);
        // Dokku's word for a container in the host's network.
        !self.pauses && (ip == "127.0.0.1" || self.addresses.iter().any(|address| address == ip))
    }

    /// Whether a variable has this value in it.
    pub fn has_variable(&self, name: &str, value: &str) -> bool {
        self.env.iter().any(|pair| pair.split_once('=') == Some((name, value)))
    }
}

/// What `docker image inspect` or `docker container inspect` answers; `None` if there is no such
/// thing.
fn inspected(host: &Host, cmd: &Cmd) -> Result<Option<Ran>> {
    let ran = host.run(cmd)?;
    let missing = ["image", "container"]
        .into_iter()
        .any(|kind| ran.says(&format!("No such {kind}")) || ran.says(&format!("no such {kind}")));
    match ran.code {
        0 => Ok(Some(ran)),
        _ if missing => Ok(None),
        _ => Err(host.failure(cmd, &ran)),
    }
}

fn inspect_cmd(host: &Host, kind: &str, format: &str, name: &str) -> Cmd {
    Cmd::reads(host.env().docker()).args([kind, "inspect", "--format", format, name])
}

/// Whether an image is on this host.
pub fn has_image(host: &Host, image: &ImageRef) -> Result<bool> {
    let cmd = inspect_cmd(host, "image", "{{.Id}}", image.as_str());
    Ok(inspected(host, &cmd)?.is_some())
}

/// The layers of an image: what is in it, whatever it is called and labelled. `None` if it is not
/// on this host.
pub fn layers(host: &Host, image: &ImageRef) -> Result<Option<String>> {
    let cmd = inspect_cmd(host, "image", "{{json .RootFS.Layers}}", image.as_str());
    Ok(inspected(host, &cmd)?.map(|ran| ran.answer().to_owned()))
}

/// Whether the container of that name runs; not if there is none.
pub fn is_running(host: &Host, name: &str) -> Result<bool> {
    let cmd = inspect_cmd(host, "container", "{{.State.Running}}", name);
    Ok(inspected(host, &cmd)?.is_some_and(|ran| ran.answer() == "true"))
}

/// When the container of that name was made, in milliseconds since 1970; `None` if there is none.
pub fn made(host: &Host, name: &str) -> Result<Option<i64>> {
    let cmd = inspect_cmd(host, "container", "{{.Created}}", name);
    Ok(inspected(host, &cmd)?.map(|ran| milliseconds(ran.answer())))
}

/// A time as Docker writes it; 0 for none, which Docker writes as the year 1.
fn milliseconds(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().map_or(0, |time| time.as_millisecond().max(0))
}

/// Brings an image onto this host.
pub fn pull(host: &Host, image: &ImageRef) -> Result<()> {
    let cmd = Cmd::changes(host.env().docker()).args(["image", "pull", image.as_str()]);
    let ran = host.run(&cmd)?;
    if ran.code == 0 {
        return Ok(());
    }
    let line = ran.lines.iter().rev().find(|line| !line.trim().is_empty());
    let why = host.scrubber().scrub(line.map_or("", String::as_str));
    Err(Error::new(format!("the image {image} cannot be pulled: {why}"))
        .hint("Check its name and tag; `docker image pull` says more."))
}

/// The apps of which a container runs that has this path of the host mounted.
pub fn holders(host: &Host, path: &Utf8Path) -> Result<Vec<String>> {
    let volume = format!("volume={path}");
    let cmd = Cmd::reads(host.env().docker()).args([
        "ps",
        "--filter",
        &volume,
        "--filter",
        "label=com.dokku.container-type=deploy",
        "--format",
        "{{.Label \"com.dokku.app-name\"}}",
    ]);
    Ok(host.must(&cmd)?.answer().lines().map(str::to_owned).collect())
}

/// The web container of an app that runs, or that Docker is about to start again, the newest one;
/// `None` if there is none.
pub fn running(host: &Host, app: &AppName) -> Result<Option<Container>> {
    let Some(id) = ids(host, app)?.into_iter().next() else { return Ok(None) };
    inspect(host, &id)
}

/// The ids of all of them. They are found by their labels: one that paused when it was to be named
/// still bears the name that it was made with.
pub fn ids(host: &Host, app: &AppName) -> Result<Vec<String>> {
    let label = format!("label=com.dokku.app-name={app}");
    let cmd = Cmd::reads(host.env().docker()).args([
        "ps",
        "--no-trunc",
        "--filter",
        &label,
        "--filter",
        "label=com.dokku.process-type=web",
        "--filter",
        "label=com.dokku.container-type=deploy",
        "--format",
        "{{.ID}}",
    ]);
    Ok(host.must(&cmd)?.answer().lines().map(str::to_owned).collect())
}

/// Stops a container for good.
pub fn stop(host: &Host, id: &str) -> Result<()> {
    host.must(&Cmd::changes(host.env().docker()).args(["container", "stop", id])).map(drop)
}

fn inspect(host: &Host, id: &str) -> Result<Option<Container>> {
    let cmd = inspect_cmd(host, "container", "{{json .}}", id);
    // It may have gone away between the two questions.
    let Some(ran) = inspected(host, &cmd)? else { return Ok(None) };
    serde_json::from_str::<Value>(ran.answer())
        .map(|all| Some(container(&all)))
        .map_err(|_| host.failure(&cmd, &ran))
}

fn container(all: &Value) -> Container {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mount = |value: &Value| Mount {
        host: word(&value["Source"]),
        container: word(&value["Destination"]),
        readonly: value["RW"] == false,
    };
    // A list of references, in JSON, for Dokku makes an image of its own of the one it is given.
    let tags = word(&all["Config"]["Labels"]["com.dokku.docker-image-labeler/alternate-tags"]);
    let tags: Vec<String> = serde_json::from_str(&tags).unwrap_or_default();
    // `/<container>:/<its own name>/<alias>`
    let link = |value: &Value| {
        word(value).split(':').next().unwrap_or_default().trim_start_matches('/').to_owned()
    };
    let networks = all["NetworkSettings"]["Networks"].as_object().cloned().unwrap_or_default();
    let addresses = networks.values().map(|network| word(&network["IPAddress"]));
    Container {
        source_image: tags.into_iter().next_back().unwrap_or_default(),
        made: milliseconds(&word(&all["Created"])),
        links: items(&all["HostConfig"]["Links"]).iter().map(link).collect(),
        started: milliseconds(&word(&all["State"]["StartedAt"])),
        ended: milliseconds(&word(&all["State"]["FinishedAt"])),
        restarts: all["RestartCount"].as_u64().and_then(|n| n.try_into().ok()).unwrap_or_default(),
        pauses: all["State"]["Restarting"] == true,
        addresses: addresses.filter(|address| !address.is_empty()).collect(),
        user: word(&all["Config"]["User"]),
        env: items(&all["Config"]["Env"]).iter().map(word).collect(),
        mounts: items(&all["Mounts"]).iter().map(mount).collect(),
    }
}

/// A run of a program inside an image, gone when it has ended.
#[derive(Debug)]
pub struct Throwaway<'a> {
    /// The image.
    pub image: &'a ImageRef,
    /// The user and group inside, `uid:gid`.
    pub user: String,
    /// The mounts, as `docker run -v` wants them.
    pub mounts: Vec<String>,
    /// The program.
    pub program: &'a str,
    /// Its arguments.
    pub args: &'a [&'a str],
}

/// Runs a program inside an image without a network; its exit code is the caller's to judge.
pub fn throwaway(host: &Host, run: &Throwaway<'_>) -> Result<Ran> {
    // A busy host may take its time to start Python.
    let reads = Cmd::reads(host.env().docker()).limit(Duration::from_secs(300));
    let mut cmd = reads.args([
        "run",
        "--rm",
        "--label=dokku",
        "--label=com.dokku.plugin=matrix",
        "--network=none",
        "--no-healthcheck",
        "--user",
        &run.user,
        "--entrypoint",
        run.program,
    ]);
    for mount in &run.mounts {
        cmd = cmd.args(["-v", mount]);
    }
    host.run(&cmd.arg(run.image.as_str()).args(run.args))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_address_is_not_its_own() {
        let container = Container {
            addresses: ["172.17.0.3", "fd00::3"].map(str::to_owned).to_vec(),
            ..Container::default()
        };
        let pauses = Container { pauses: true, ..container.clone() };
        for (listener, is_at) in [
            ("172.17.0.3:8008", true),
            ("fd00::3:8008", true),
            ("127.0.0.1:8008", true),
            ("172.17.0.33:8008", false),
            ("172.17.0.4:8008", false),
            ("172.17.0.3", false),
            ("", false),
        ] {
            assert_eq!(container.is_at(listener), is_at, "{listener}");
            assert!(!pauses.is_at(listener), "{listener}");
        }
    }
}
