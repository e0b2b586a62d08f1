//! Synapse's files: the generated ones are current, and the administrator's own exists.

use super::exactly;
use crate::{
    component::Homeserver,
    dokku::config as variables,
    error::Result,
    host::{Host, files, secret::Secret},
    plan::{Change, State, Step, StepId},
    state::{Paths, Spec},
    synapse::{config, database, email},
};
use std::sync::Arc;

/// The configuration of a homeserver.
#[derive(Debug)]
pub struct Config {
    spec: Arc<Spec>,
    paths: Paths,
    web_client: Option<String>,
    id: StepId,
    needs: Vec<StepId>,
}

impl Config {
    /// That of this homeserver.
    pub fn of(homeserver: &Homeserver) -> Self {
        let main = homeserver.main();
        Self {
            spec: homeserver.spec.clone(),
            paths: homeserver.paths.clone(),
            web_client: homeserver.web_client_url(),
            id: main.step("config"),
            needs: vec![("server", "secrets"), main.step("link")],
        }
    }

    /// The changes that are missing for a database at `url`; shared with the deploy guard.
    pub fn missing(&self, url: &Secret) -> Result<Vec<Change>> {
        let d = self.paths.homeserver_d();
        let mut changes = vec![];
        let server = Secret::new(config::server_yaml(&self.spec)?);
        changes.extend(exactly(d.join(config::SERVER_FILE), server, files::PRIVATE)?);
        let database = database::database_yaml(url)?;
        changes.extend(exactly(d.join(config::DATABASE_FILE), database, files::PRIVATE)?);
        changes.extend(self.email()?);
        let log = Secret::new(config::LOG_CONFIG);
        changes.extend(exactly(self.paths.config().join(config::LOG_FILE), log, files::PRIVATE)?);
        let local = d.join(config::LOCAL_FILE);
        if files::stat(&local)?.is_none() {
            let description = format!("write {local}, which is yours");
            changes.push(Change::new(description, move |host| {
                files::write_new(host, &local, config::LOCAL_YAML, files::PRIVATE)
            }));
        }
        Ok(changes)
    }

    /// The change that makes links in e-mails lead to the enabled web client; `None` if they lead there
    /// already, or if no e-mail is sent.
    pub fn email(&self) -> Result<Option<Change>> {
        let path = self.paths.homeserver_d().join(config::EMAIL_FILE);
        let Some(text) = files::read(&path)? else { return Ok(None) };
        let text = email::with_client(&text, self.web_client.as_deref());
        exactly(path, Secret::new(text), files::PRIVATE)
    }
}

impl Step for Config {
    fn id(&self) -> StepId {
        self.id
    }

    fn needs(&self) -> Vec<StepId> {
        self.needs.clone()
    }

    fn title(&self) -> String {
        format!("Writing the configuration of {}", self.spec.server_name)
    }

    fn check(&self, host: &Host) -> Result<State> {
        match variables::get(host, &self.spec.app, "DATABASE_URL").option()? {
            Some(url) => self.missing(&url).map(State::of),
            None => Ok(State::NotYet(self.needs[1])),
        }
    }
}
