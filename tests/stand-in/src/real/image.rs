//! The programs of the images. The last part of an image's name selects one; other images are
//! refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::container::{ContainerDir, Spec};
use super::machine::Parts;
use crate::call::Call;
use crate::flags;
use crate::state::{Container, State};

/// The start script of Element Web's image and a server for its page. It writes to the same paths
/// as the image and serves a copy of the settings, as the image does.
const ELEMENT: &str = include_str!("element.sh");
/// A page without settings, for an unrelated app that runs the nginx image.
const WEBSITE: &str = include_str!("website.sh");
/// The common last part of both scripts: it runs nginx.
const NGINX: &str = include_str!("nginx.sh");
const SYSTEM: &str = "/usr/local/bin:/usr/sbin:/usr/bin";

/// The supported images.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Image {
    Synapse,
    Element,
    Website,
    /// Runs the app's variable `SCRIPT` as root: for the tests of this crate.
    Script,
}

impl Image {
    pub(super) fn of(reference: &str) -> Result<Self> {
        let last = reference.rsplit('/').next().unwrap_or_default();
        match last.split([':', '@']).next() {
            Some("synapse") => Ok(Self::Synapse),
            Some("element-web") => Ok(Self::Element),
            Some("nginx") => Ok(Self::Website),
            Some("script") => Ok(Self::Script),
            _ => bail!("the image {reference} is not supported"),
        }
    }

    /// The image's user, environment and files, without a program.
    pub(super) fn spec(self, parts: &Parts) -> Spec {
        let mut spec = Spec::default();
        let path = |first: &str| ("PATH".to_owned(), format!("{first}{SYSTEM}"));
        match self {
            Self::Synapse => {
                (spec.user, spec.group) = (991, 991);
                spec.env.extend([path("/opt/synapse/bin:")]);
                spec.mounts.push(format!("{}/synapse:/opt/synapse:ro", parts.tools.display()));
            }
            Self::Element => {
                (spec.user, spec.group) = (101, 101);
                spec.env.extend([path(""), ("ELEMENT_WEB_PORT".to_owned(), "80".to_owned())]);
                "QUIT".clone_into(&mut spec.stop);
                // The owner and the group that the directory has in the image.
                spec.dirs.push(("/etc/nginx/conf.d".to_owned(), 101, 0));
            }
            Self::Website => {
                (spec.user, spec.group) = (101, 101);
                spec.env.extend([path("")]);
                "QUIT".clone_into(&mut spec.stop);
            }
            Self::Script => spec.env.extend([path("")]),
        }
        spec
    }

    /// The command of its entry point in the given environment.
    fn argv(self, env: &BTreeMap<String, String>) -> Vec<String> {
        let nginx =
            |script: &str| vec!["sh".to_owned(), "-euc".to_owned(), format!("{script}{NGINX}")];
        match self {
            Self::Synapse => {
                let config = env.get("SYNAPSE_CONFIG_PATH");
                let config = config.map_or("/data/homeserver.yaml", String::as_str);
                let argv = ["python", "-m", "synapse.app.homeserver", "--config-path", config];
                argv.map(str::to_owned).into()
            }
            Self::Element => nginx(ELEMENT),
            Self::Website => nginx(WEBSITE),
            Self::Script => {
                let script = env.get("SCRIPT").map_or("exit 0", String::as_str);
                ["sh", "-c", script].map(str::to_owned).into()
            }
        }
    }
}

/// The container of an app, from its image and its docker options.
pub(super) fn spec(
    call: &Call,
    state: &State,
    parts: &Parts,
    container: &Container,
) -> Result<Spec> {
    let image = Image::of(&container.image)?;
    let mut spec = image.spec(parts);
    spec.id.clone_from(&container.id);
    spec.env.extend(container.env.clone());
    spec.argv = image.argv(&spec.env);
    if let Some(user) = &container.user {
        (spec.user, spec.group) = user_and_group(user)?;
    }
    if image == Image::Element {
        // The image's own page. The app's mounts are mounted over it.
        spec.mounts.push(format!("{}:/app", page(call, parts, &container.id)?.display()));
    }
    spec.mounts.extend(container.mounts.iter().cloned());
    let flags = flags::of_options(&container.options)?;
    if flags.publishes_all || !flags.published.is_empty() || flags.network.is_some() {
        bail!("published ports and other networks are not supported with real parts");
    }
    spec.isolate(&flags);
    spec.hosts = flags.hosts;
    for (service, id) in &container.links {
        let ip = state.services.get(service).map(|service| service.ip.clone());
        spec.hosts.push((crate::postgres::hostname(service), ip.unwrap_or_default()));
        spec.needs.push(id.clone());
    }
    spec.address = Some((container.ip.clone(), parts.network.clone()));
    spec.restart.clone_from(&container.restart_policy);
    Ok(spec)
}

/// Parses `<user>[:<group>]`, both numeric.
pub(super) fn user_and_group(text: &str) -> Result<(u32, u32)> {
    let (user, group) = text.split_once(':').unwrap_or((text, "0"));
    let number = |word: &str| word.parse().with_context(|| format!("stand-in: --user {text}"));
    Ok((number(user)?, number(group)?))
}

/// The files of Element Web's image, with the project's own test page: Element Web itself is not
/// available.
fn page(call: &Call, parts: &Parts, id: &str) -> Result<PathBuf> {
    let dir = ContainerDir::of(call.store.root(), id).path("app");
    let page = parts.tools.join("page");
    anyhow::ensure!(page.is_dir(), "stand-in: no page in {}: run dev/setup", page.display());
    crate::files::copy(&page, &dir, &[])?;
    std::fs::write(dir.join("config.json"), "{}\n")?;
    readable(&dir)?;
    Ok(dir)
}

/// Makes the files readable for the image's user.
fn readable(dir: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    for entry in dir.read_dir()? {
        std::fs::set_permissions(entry?.path(), std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))?)
}
