//! The configuration: its files, and that Synapse itself accepts them.

use super::{Who, Wish};
use crate::{
    dokku::{config as variables, docker},
    element,
    error::{Error, Result},
    host::{Host, files, owner::Owner, secret::Secret},
    names::ImageRef,
    plan::{Change, State, Step, StepId},
    synapse::{config, database, email, judge},
};
use camino::Utf8PathBuf;

/// The generated files are as they must be; the administrator's own is there.
#[derive(Debug)]
pub struct Config(pub Wish);

impl Config {
    /// The changes that are missing; shared with the deploy guard.
    pub fn missing(wish: &Wish, host: &Host, url: &Secret) -> Result<Vec<Change>> {
        let places = wish.places(host.env());
        let d = places.homeserver_d();
        let mut changes = vec![];
        let server = Secret::new(config::server_yaml(wish)?);
        changes.extend(exactly(d.join(config::SERVER_FILE), server, files::PRIVATE)?);
        let database = database::database_yaml(url)?;
        changes.extend(exactly(d.join(config::DATABASE_FILE), database, files::PRIVATE)?);
        changes.extend(Self::mail(wish, host)?);
        let log = Secret::new(config::LOG_CONFIG);
        changes.extend(exactly(places.config().join(config::LOG_FILE), log, files::PRIVATE)?);
        let local = d.join(config::LOCAL_FILE);
        if files::stat(&local)?.is_none() {
            changes.push(Change::new(format!("write {local}, which is yours"), move |host| {
                files::write_new(host, &local, config::LOCAL_YAML, files::PRIVATE)
            }));
        }
        Ok(changes)
    }

    /// Mails lead to Element Web, where it is; nothing is missing where no mail is sent.
    pub fn mail(wish: &Wish, host: &Host) -> Result<Option<Change>> {
        let path = wish.places(host.env()).homeserver_d().join(config::EMAIL_FILE);
        let Some(text) = files::read(&path)? else { return Ok(None) };
        let text = email::with_client(&text, wish.element_url().as_deref());
        exactly(path, Secret::new(text), files::PRIVATE)
    }
}

impl Step for Config {
    fn id(&self) -> StepId {
        ("matrix", "config")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("matrix", "secrets"), ("matrix", "link")]
    }

    fn title(&self) -> String {
        format!("Writing the configuration of {}", self.0.server_name)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let Some(url) = variables::get(host, &self.0.app, "DATABASE_URL").option()? else {
            return Ok(State::NotYet(("matrix", "link")));
        };
        Self::missing(&self.0, host, &url).map(State::of)
    }
}

/// The change that makes a file's content and mode exactly these, if it is not so.
pub fn exactly(path: Utf8PathBuf, text: Secret, mode: u32) -> Result<Option<Change>> {
    let same = files::read(&path)?.is_some_and(|now| now == text.expose());
    if same && files::stat(&path)?.is_some_and(|stat| stat.mode == mode) {
        return Ok(None);
    }
    Ok(Some(Change::new(format!("write {path}"), move |host| {
        files::write(host, &path, text.expose(), mode)
    })))
}

/// Synapse has judged these very files with this very image, and accepts them.
#[derive(Debug)]
pub struct Judged(pub Wish);

impl Step for Judged {
    fn id(&self) -> StepId {
        ("matrix", "judged")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("matrix", "config"), ("matrix", "image")]
    }

    fn title(&self) -> String {
        format!("Checking the configuration with {}", self.0.image)
    }

    fn check(&self, host: &Host) -> Result<State> {
        match is_judged(&self.0, host, &self.0.image)? {
            None => return Ok(State::NotYet(("matrix", "image"))),
            Some(true) => return Ok(State::Holds),
            Some(false) => {}
        }
        let wish = self.0.clone();
        Ok(State::Missing(vec![Change::new("python -m synapse.config", move |host| {
            judge_now(&wish, host, &wish.image)
        })]))
    }
}

/// Whether Synapse has accepted these very files with what is in that image; `None` if the image is
/// not here.
pub fn is_judged(wish: &Wish, host: &Host, image: &ImageRef) -> Result<Option<bool>> {
    let Some(layers) = docker::layers(host, image).option()? else { return Ok(None) };
    let places = wish.places(host.env());
    let digest = judge::digest(&places, &layers)?;
    Ok(Some(files::read(&places.judged())?.is_some_and(|record| record.trim() == digest)))
}

/// Has Synapse judge the files with that image, and records what it accepted.
pub fn judge_now(wish: &Wish, host: &Host, image: &ImageRef) -> Result<()> {
    let places = wish.places(host.env());
    // The digest is taken first: what is changed meanwhile is judged again.
    let layers = docker::layers(host, image).option()?;
    let layers = layers.ok_or_else(|| Error::new(format!("the image {image} is missing")))?;
    let digest = judge::digest(&places, &layers)?;
    let owner = Owner::of(host.env().dokku_user())?;
    judge::judge(host, wish, image, owner)?;
    files::write(host, &places.judged(), &format!("{digest}\n"), files::PUBLIC)
}

/// Element Web's `config.json` is as it must be.
#[derive(Debug)]
pub struct ElementConfig(pub Wish);

impl Step for ElementConfig {
    fn id(&self) -> StepId {
        (Who::Element.name(), "config")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("matrix", "folders")]
    }

    fn title(&self) -> String {
        format!("Writing the configuration of {}", Who::Element.app(&self.0))
    }

    fn check(&self, host: &Host) -> Result<State> {
        let path = self.0.places(host.env()).element().join("config.json");
        if files::stat(&path)?.is_some_and(|stat| stat.folder) {
            return Err(Error::new(format!("{path} is a folder, which Docker made"))
                .hint(format!("sudo rmdir {path}")));
        }
        let text = Secret::new(element::config::config_json(&self.0)?);
        // Readable by all: Element runs as its image's own user.
        Ok(State::of(exactly(path, text, files::PUBLIC)?.into_iter().collect()))
    }
}
