//! The signing key and the secrets exist. One that exists is never written again.

use crate::{
    component::Homeserver,
    database::{self, Database},
    error::{Create, Error, Result},
    host::{Host, files, random},
    plan::{Change, State, Step, StepId},
    state::{Paths, Spec, Status},
    synapse::{
        config::{SECRETS, SERVER_FILE},
        signing_key,
    },
};
use camino::Utf8PathBuf;
use std::sync::Arc;

/// The secrets of a homeserver.
#[derive(Debug)]
pub struct Secrets {
    spec: Arc<Spec>,
    paths: Paths,
}

impl Secrets {
    /// Those of this homeserver.
    pub fn of(homeserver: &Homeserver) -> Self {
        Self { spec: homeserver.spec.clone(), paths: homeserver.paths.clone() }
    }

    /// The signing key. A new one is generated only if there are no signs of a lost one.
    fn signing_key(&self, host: &Host) -> Result<State> {
        let key = self.paths.signing_key();
        if let Some(text) = files::read(&key)? {
            signing_key::check(&text).map_err(|error| error.context(&key))?;
            return private(key).map(State::of);
        }
        if self.had_one(host)? {
            return Err(Error::new(format!("the signing key {key} is missing"))
                .hint("Restore it from a backup: with another key this is another server.")
                .hint("Nothing was changed."));
        }
        let service = &self.spec.service;
        let database = database::of(&self.spec);
        if !database.can_be_asked(host)? {
            return Ok(State::NotYet(("server", "service")));
        }
        if database.holds_synapse(host)? {
            return Err(Error::new(format!(
                "the postgres service {service} holds a homeserver, and its signing key is missing"
            ))
            .hint(format!("Restore the key from a backup: {key}"))
            .hint("For a new homeserver name another service:")
            .hint_create("  ", Create::app(&self.spec.app).with("--service", "<name>")));
        }
        Ok(State::missing(format!("generate {key}"), move |host| {
            files::write_new(host, &key, signing_key::generate()?.expose(), files::PRIVATE)
        }))
    }

    /// Whether anything was made that is only made after a signing key.
    fn had_one(&self, host: &Host) -> Result<bool> {
        let configured = files::stat(&self.paths.homeserver_d().join(SERVER_FILE))?.is_some();
        let validated = Status::read(host.env(), &self.spec.server_name)?.validated.is_some();
        Ok(configured || validated || !files::list(&self.paths.data())?.is_empty())
    }
}

impl Step for Secrets {
    fn id(&self) -> StepId {
        ("server", "secrets")
    }

    fn needs(&self) -> Vec<StepId> {
        // A database that has known another key must not get a new one.
        vec![("server", "directories"), ("server", "service")]
    }

    fn title(&self) -> String {
        format!("Generating the signing key and the secrets of {}", self.spec.server_name)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let mut changes = match self.signing_key(host)? {
            State::Satisfied => vec![],
            State::Missing(changes) => changes,
            other => return Ok(other),
        };
        for name in SECRETS {
            let path = self.paths.secrets().join(name);
            match files::read(&path)? {
                None => changes.push(generate(path)),
                Some(text) if text.trim().is_empty() => {
                    return Err(Error::new(format!("{path} is empty")).hint(
                        "Restore it from a backup, or remove it to have a new one generated.",
                    ));
                }
                Some(_) => changes.extend(private(path)?),
            }
        }
        Ok(State::of(changes))
    }
}

fn generate(path: Utf8PathBuf) -> Change {
    Change::new(format!("generate {path}"), move |host| {
        let secret = random::secret()?;
        files::write_new(host, &path, secret.expose(), files::PRIVATE)
    })
}

/// The change that makes a secret file private, if others may read it.
fn private(path: Utf8PathBuf) -> Result<Option<Change>> {
    let open = files::stat(&path)?.is_some_and(|stat| stat.mode & 0o077 != 0);
    Ok(open.then(|| {
        Change::new(format!("chmod 0600 {path}"), move |host| {
            files::set_mode(host, &path, files::PRIVATE)
        })
    }))
}
