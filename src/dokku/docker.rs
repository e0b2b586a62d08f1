//! Docker itself, for what Dokku has no command for: images and containers.
//!
//! Owns the arguments of `docker` and the format of its output. Decides nothing.

mod container;
mod isolation;
mod one_off;

pub use container::Container;
pub use isolation::Isolation;
pub use one_off::{OneOff, run_one_off};

use super::parse;
use crate::{
    error::{Error, Result},
    host::{
        Host, Reading,
        cmd::{Cmd, Output},
    },
    names::{AppName, ImageRef},
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Selects the containers that Dokku deployed.
const DEPLOYED: &str = "label=com.dokku.container-type=deploy";

fn docker(host: &Host) -> Cmd {
    Cmd::reads(host.env().docker())
}

fn inspect_cmd(host: &Host, kind: &str, format: &str, name: &str) -> Cmd {
    docker(host).args([kind, "inspect", "--format", format, name])
}

/// Runs `docker image inspect` or `docker container inspect`; absent if there is no such object.
fn inspect(host: &Host, cmd: &Cmd) -> Reading<Output> {
    let output = match host.run(cmd) {
        Ok(output) => output,
        Err(error) => return Reading::Unknown(error),
    };
    let missing = ["image", "container"].into_iter().any(|kind| {
        output.says(&format!("No such {kind}")) || output.says(&format!("no such {kind}"))
    });
    match output.code {
        0 => Reading::Value(output),
        _ if missing => Reading::Absent,
        _ => Reading::Unknown(host.failure(cmd, &output)),
    }
}

/// Whether an image is on this host.
pub fn has_image(host: &Host, image: &ImageRef) -> Result<bool> {
    let cmd = inspect_cmd(host, "image", "{{.Id}}", image.as_str());
    let id = inspect(host, &cmd).and_then(|output| parse::value(&cmd, &output.stdout).into());
    Ok(id.option()?.is_some())
}

/// The layers of an image, a JSON array: they identify its content, whatever its tags and labels
/// are. Absent if the image is not on this host.
pub fn layers(host: &Host, image: &ImageRef) -> Reading<String> {
    let cmd = inspect_cmd(host, "image", "{{json .RootFS.Layers}}", image.as_str());
    inspect(host, &cmd).and_then(|output| {
        let layers = parse::json::<Vec<String>>(&cmd, &output.stdout);
        layers.map(|_| output.answer().to_owned()).into()
    })
}

/// How containers of an image start, unless they are told otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ImageConfig {
    /// The environment, `NAME=value`.
    #[serde(rename = "Env", default, deserialize_with = "container::nullable")]
    pub env: Vec<String>,
    /// The program and its first arguments.
    #[serde(rename = "Entrypoint", default, deserialize_with = "container::nullable")]
    pub entry_point: Vec<String>,
    /// The arguments after these, or the program if there is no entry point.
    #[serde(rename = "Cmd", default, deserialize_with = "container::nullable")]
    pub command: Vec<String>,
    #[serde(rename = "Labels", default, deserialize_with = "container::nullable")]
    labels: BTreeMap<String, String>,
}

/// The configuration of an image; absent if it is not on this host. Docker leaves out empty fields.
pub fn image_config(host: &Host, image: &ImageRef) -> Reading<ImageConfig> {
    let cmd = inspect_cmd(host, "image", "{{json .Config}}", image.as_str());
    inspect(host, &cmd).and_then(|output| parse::json::<ImageConfig>(&cmd, &output.stdout).into())
}

/// The image that Dokku built the app's own image from, which the next start runs; empty if the app
/// was built from something else, absent if its image is not on this host.
pub fn next_source_image(host: &Host, app: &AppName) -> Reading<String> {
    let cmd = inspect_cmd(host, "image", "{{json .Config}}", &format!("dokku/{app}:latest"));
    inspect(host, &cmd).and_then(|output| {
        let config = parse::json::<ImageConfig>(&cmd, &output.stdout);
        config.and_then(|config| container::source_image(&cmd, &config.labels)).into()
    })
}

/// Whether the container of that name is running; false if there is none.
pub fn is_running(host: &Host, name: &str) -> Result<bool> {
    let cmd = inspect_cmd(host, "container", "{{.State.Running}}", name);
    let running = inspect(host, &cmd).and_then(|output| {
        parse::value(&cmd, &output.stdout).and_then(|text| parse::flag(&cmd, &text)).into()
    });
    running.or_absent(false)
}

/// The id of the container of that name; absent if there is none. One that is created again has
/// another.
pub fn id_of(host: &Host, name: &str) -> Reading<String> {
    let cmd = inspect_cmd(host, "container", "{{.Id}}", name);
    inspect(host, &cmd).and_then(|output| {
        let id = parse::value(&cmd, &output.stdout);
        id.and_then(
            |id| if parse::is_id(&id) { Ok(id) } else { Err(parse::malformed(&cmd, "no id")) },
        )
        .into()
    })
}

/// Pulls an image.
pub fn pull(host: &Host, image: &ImageRef) -> Result<()> {
    let cmd = Cmd::changes(host.env().docker()).args(["image", "pull", image.as_str()]);
    let output = host.run(&cmd)?;
    if output.code == 0 {
        return Ok(());
    }
    let line = output.lines.iter().rev().find(|line| !line.trim().is_empty());
    let why = host.scrubber().scrub(line.map_or("", String::as_str));
    Err(Error::new(format!("the image {image} cannot be pulled: {why}"))
        .hint(format!("Check its name and tag: docker image pull {image}")))
}

/// The running containers, of whatever kind, that belong to an app or have one of these paths of the
/// host mounted.
pub fn containers_with(host: &Host, app: &AppName, paths: &[&str]) -> Result<Vec<Container>> {
    let label = format!("label=com.dokku.app-name={app}");
    let of_app = docker(host).args(["ps", "--no-trunc", "--filter", &label]);
    // Docker lists what has any of several volumes.
    let volumes = paths.iter().flat_map(|path| ["--filter".to_owned(), format!("volume={path}")]);
    let mounting = docker(host).args(["ps", "--no-trunc"]).args(volumes);
    let mut ids = BTreeSet::new();
    for list in [of_app, mounting] {
        let cmd = list.args(["--format", "table {{.ID}}"]);
        let output = host.must(&cmd)?;
        ids.extend(parse::table::<1>(&cmd, &output.stdout)?.into_iter().flatten());
    }
    let containers = ids.iter().map(|id| container(host, id).option());
    // One that has ended since does not count.
    containers.filter_map(Result::transpose).collect()
}

/// The newest web container of an app that is running, or that Docker is about to restart; absent
/// if there is none.
pub fn running(host: &Host, app: &AppName) -> Reading<Container> {
    let id = running_ids(host, app).map(|ids| ids.into_iter().next());
    Reading::<String>::from(id).and_then(|id| container(host, &id))
}

/// A container; absent if it has been removed since.
fn container(host: &Host, id: &str) -> Reading<Container> {
    let cmd = inspect_cmd(host, "container", "{{json .}}", id);
    inspect(host, &cmd).and_then(|output| container::parse(&cmd, &output.stdout).into())
}

/// The ids of all such containers, the newest first. Selects them by label: a container that was
/// in its restart back-off when Dokku renamed the others has kept its first name.
pub fn running_ids(host: &Host, app: &AppName) -> Result<Vec<String>> {
    let label = format!("label=com.dokku.app-name={app}");
    let list = docker(host).args(["ps", "--no-trunc", "--filter", &label]);
    let list = list.args(["--filter", "label=com.dokku.process-type=web", "--filter", DEPLOYED]);
    let cmd = list.args(["--format", "table {{.ID}}"]);
    let output = host.must(&cmd)?;
    Ok(parse::table::<1>(&cmd, &output.stdout)?.into_iter().flatten().collect())
}

/// Runs a program in a running container, as its own user, with a text as its standard input. The caller
/// looks at its exit code.
pub fn exec<'a>(
    host: &Host,
    id: &str,
    words: impl IntoIterator<Item = &'a str>,
    text: &str,
) -> Result<Output> {
    host.run(&docker(host).args(["exec", "--interactive", id]).args(words).stdin(text))
}

/// Stops a container. Docker does not restart it.
pub fn stop(host: &Host, id: &str) -> Result<()> {
    host.must(&Cmd::changes(host.env().docker()).args(["container", "stop", id])).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{env::Env, run::Nowhere};
    use std::sync::Arc;

    #[test]
    fn nothing_is_absent_that_docker_was_not_asked_for() {
        let host = Host::new(Env::of(&[("DOCKER_BIN", "/nowhere")]), Arc::new(Nowhere), true);
        let (app, image) = ("a".parse().unwrap(), "a:1".parse().unwrap());
        for error in [
            has_image(&host, &image).unwrap_err(),
            image_config(&host, &image).option().unwrap_err(),
            layers(&host, &image).option().unwrap_err(),
            is_running(&host, "a").unwrap_err(),
            id_of(&host, "a").option().unwrap_err(),
            running(&host, &app).option().unwrap_err(),
            containers_with(&host, &app, &[]).unwrap_err(),
        ] {
            assert_eq!(error.message(), "the program /nowhere is not installed on this host");
        }
    }
}
