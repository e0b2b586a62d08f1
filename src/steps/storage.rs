//! The server's folder: the intent, the folders, the secrets.

use super::{Who, Wish, database};
use crate::{
    dokku::postgres,
    error::{Error, Result},
    host::{Host, files, owner::Owner, random},
    plan::{Change, State, Step, StepId},
    server::{Element, Places, Server},
    synapse::{
        config::{SECRETS, SERVER_FILE},
        signing_key,
    },
};
use camino::Utf8PathBuf;

/// The intent is recorded.
#[derive(Debug)]
pub struct Intent {
    wish: Wish,
    id: StepId,
    needs: Vec<StepId>,
    images_only: bool,
}

impl Intent {
    /// Before anything else is touched.
    pub fn at_the_start(wish: Wish) -> Self {
        Self { wish, id: ("matrix", "intent"), needs: vec![], images_only: false }
    }

    /// Before anything else is touched, but for what must not have failed.
    pub fn after(wish: Wish, step: StepId) -> Self {
        Self { needs: vec![step], ..Self::at_the_start(wish) }
    }

    /// When the app is ready: a new image is recorded only now.
    pub fn at_the_end(wish: Wish, who: Who) -> Self {
        let needs = vec![(who.name(), "deployed"), (who.name(), "ready")];
        Self { wish, id: ("matrix", "recorded"), needs, images_only: true }
    }
}

impl Step for Intent {
    fn id(&self) -> StepId {
        self.id
    }

    fn needs(&self) -> Vec<StepId> {
        self.needs.clone()
    }

    fn title(&self) -> String {
        format!("Recording homeserver {}", self.wish.server_name)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let env = host.env();
        let mut changes = vec![];
        let root = self.wish.places(env).root();
        if files::stat(&root)?.is_none() {
            let says = format!("make the folder {root}");
            changes.push(Change::new(says, move |host| files::make_folder(host, &root, 0o700)));
        }
        let recorded = Server::read(env, &self.wish.server_name)?;
        let wanted = self.wanted(recorded.as_ref());
        if recorded.as_ref() != Some(&wanted) {
            let says = format!("write {}", self.wish.places(env).intent());
            changes.push(Change::new(says, move |host| wanted.write(host)));
        }
        Ok(State::of(changes))
    }
}

impl Intent {
    /// At the end only the images are news: steps may have recorded other things meanwhile.
    fn wanted(&self, recorded: Option<&Server>) -> Server {
        let wish = (*self.wish).clone();
        let Some(recorded) = recorded.filter(|_| self.images_only) else { return wish };
        let element = recorded.element.clone().map(|old| Element {
            image: wish.element.as_ref().map_or(&old.image, |new| &new.image).clone(),
            ..old
        });
        let (image, failed_image) = (wish.image, wish.failed_image);
        Server { image, element, failed_image, ..recorded.clone() }
    }
}

/// The folders exist, belong to dokku, and nobody else looks into them.
#[derive(Debug)]
pub struct Folders(pub Wish);

impl Step for Folders {
    fn id(&self) -> StepId {
        ("matrix", "folders")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("matrix", "intent")]
    }

    fn title(&self) -> String {
        format!("Making the folders of {}", self.0.server_name)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let places = self.0.places(host.env());
        let uid = Owner::of(host.env().dokku_user())?.uid;
        let mut changes = vec![];
        for path in [
            places.root(),
            places.config(),
            places.homeserver_d(),
            places.secrets(),
            places.data(),
            places.nginx(),
            places.element(),
        ] {
            match files::stat(&path)? {
                Some(stat) if !stat.folder => {
                    return Err(Error::new(format!("{path} is in the way: it is not a folder")));
                }
                Some(stat) if stat.uid != uid => {
                    let user = host.env().dokku_user();
                    return Err(Error::new(format!("{path} does not belong to {user}"))
                        .hint(format!("sudo chown -R {user}:{user} {}", places.root())));
                }
                Some(stat) if stat.mode == 0o700 => {}
                Some(_) => {
                    let says = format!("chmod 0700 {path}");
                    changes
                        .push(Change::new(says, move |host| files::set_mode(host, &path, 0o700)));
                }
                // The intent, which is recorded in it, was there first.
                None if path == places.root() => {}
                None => {
                    let says = format!("make the folder {path}");
                    changes.push(Change::new(says, move |host| {
                        files::make_folder(host, &path, 0o700)
                    }));
                }
            }
        }
        Ok(State::of(changes))
    }
}

/// Signing key and secrets exist; what exists is never written again.
#[derive(Debug)]
pub struct Secrets(pub Wish);

impl Step for Secrets {
    fn id(&self) -> StepId {
        ("matrix", "secrets")
    }

    fn needs(&self) -> Vec<StepId> {
        // A database that has known another key must not get a new one.
        vec![("matrix", "folders"), ("matrix", "service")]
    }

    fn title(&self) -> String {
        format!("Generating the signing key and the secrets of {}", self.0.server_name)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let places = self.0.places(host.env());
        let mut changes = vec![];
        let key = places.signing_key();
        match files::read(&key)? {
            Some(text) => {
                signing_key::check(&text).map_err(|error| error.context(&key))?;
                changes.extend(private(key)?);
            }
            None if had_one(&places)? => {
                return Err(Error::new(format!("the signing key {key} is missing"))
                    .hint("Put it back from a backup: with another key this is another server.")
                    .hint("Nothing was changed."));
            }
            None if !database::runs(host, &self.0.service)? => {
                return Ok(State::NotYet(("matrix", "service")));
            }
            None if postgres::holds_synapse(host, &self.0.service)? => {
                let service = &self.0.service;
                return Err(Error::new(format!(
                    "the postgres service {service} holds a homeserver, and its signing key is missing"
                ))
                .hint(format!("Put the key back from a backup: {key}"))
                .hint("For a new homeserver name another service:")
                .hint(format!("  dokku matrix:create {} --service <name>", self.0.app)));
            }
            None => changes.push(Change::new(format!("generate {key}"), move |host| {
                files::write_new(host, &key, signing_key::generate()?.expose(), files::PRIVATE)
            })),
        }
        for name in SECRETS {
            let path = places.secrets().join(name);
            match files::read(&path)? {
                None => changes.push(generate(path)),
                Some(text) if text.trim().is_empty() => {
                    return Err(Error::new(format!("{path} is empty"))
                        .hint("Put it back from a backup, or remove it to have a new one made."));
                }
                Some(_) => changes.extend(private(path)?),
            }
        }
        Ok(State::of(changes))
    }
}

/// Whether there are signs that the server had a signing key: all of them come after it.
fn had_one(places: &Places) -> Result<bool> {
    let configured = files::stat(&places.homeserver_d().join(SERVER_FILE))?.is_some();
    let judged = files::stat(&places.judged())?.is_some();
    Ok(configured || judged || !files::list(&places.data())?.is_empty())
}

fn generate(path: Utf8PathBuf) -> Change {
    Change::new(format!("generate {path}"), move |host| {
        let secret = random::secret()?;
        files::write_new(host, &path, secret.expose(), files::PRIVATE)
    })
}

/// The change that makes a secret file private, where it is not.
fn private(path: Utf8PathBuf) -> Result<Option<Change>> {
    let open = files::stat(&path)?.is_some_and(|stat| stat.mode & 0o077 != 0);
    Ok(open.then(|| {
        Change::new(format!("chmod 0600 {path}"), move |host| {
            files::set_mode(host, &path, files::PRIVATE)
        })
    }))
}
