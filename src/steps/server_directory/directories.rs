//! The directories exist, belong to dokku, and nobody else can read them.

use crate::{
    component::Homeserver,
    error::{Error, Result},
    host::{Host, files, owner::Owner},
    plan::{Change, State, Step, StepId},
};
use camino::Utf8PathBuf;

/// The directories of a homeserver.
#[derive(Debug)]
pub(super) struct Directories(pub(super) Homeserver);

impl Directories {
    fn wanted(&self) -> Vec<Utf8PathBuf> {
        let paths = &self.0.paths;
        let mut wanted = vec![
            paths.root(),
            paths.config(),
            paths.homeserver_d(),
            paths.secrets(),
            paths.data(),
            paths.nginx(),
        ];
        let beside = self.0.optional().iter().filter(|component| !component.files.is_empty());
        wanted.extend(beside.map(|component| paths.component(component.kind.name)));
        wanted
    }
}

impl Step for Directories {
    fn id(&self) -> StepId {
        ("server", "directories")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("server", "spec")]
    }

    fn title(&self) -> String {
        format!("Creating the directories of {}", self.0.spec.server_name)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let root = self.0.paths.root();
        let user = host.env().dokku_user();
        let uid = Owner::of(user)?.uid;
        let mut changes = vec![];
        for path in self.wanted() {
            match files::stat(&path)? {
                Some(stat) if !stat.directory => {
                    return Err(Error::new(format!("{path} is in the way: it is no directory"))
                        .hint(format!("Move it away: mv {path} {path}.old")));
                }
                Some(stat) if stat.uid != uid => {
                    return Err(Error::new(format!("{path} does not belong to {user}"))
                        .hint(format!("sudo chown -R {user}:{user} {root}")));
                }
                Some(stat) if stat.mode == 0o700 => {}
                Some(_) => {
                    let description = format!("chmod 0700 {path}");
                    changes.push(Change::new(description, move |host| {
                        files::set_mode(host, &path, 0o700)
                    }));
                }
                // Made before, for what is recorded in it.
                None if path == root => {}
                None => {
                    let description = format!("create the directory {path}");
                    changes.push(Change::new(description, move |host| {
                        files::make_directory(host, &path, 0o700)
                    }));
                }
            }
        }
        Ok(State::of(changes))
    }
}
