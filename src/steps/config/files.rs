//! Files with exactly this content and mode.

use crate::{
    component::{CATALOG, Component},
    error::{Error, Result},
    host::{Host, files, secret::Secret},
    plan::{Change, State, Step, StepId},
    steps::deploy::forget_start,
};
use camino::Utf8PathBuf;
use std::sync::Arc;

/// The files of a component.
#[derive(Debug)]
pub(super) struct Files(pub(super) Arc<Component>);

impl Step for Files {
    fn id(&self) -> StepId {
        self.0.step("config")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("server", "directories"), (CATALOG.homeserver().name, "validated")]
    }

    fn title(&self) -> String {
        format!("Writing the configuration of {}", self.0.app)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let mut changes = vec![];
        for file in self.0.current(host.env())?.files {
            let path = &file.path;
            if files::stat(path)?.is_some_and(|stat| stat.directory) {
                return Err(Error::new(format!("{path} is a directory, which Docker made"))
                    .hint(format!("sudo rmdir {path}")));
            }
            // Readable by all: the container may run as another user.
            let change = exactly(path.clone(), Secret::new(&file.text), files::PUBLIC)?;
            // A mounted file that is replaced stays the old one for the container, with whatever was
            // written into it by hand.
            let component = self.0.clone();
            let forget = move |host: &Host| forget_start(host, &component);
            changes.extend(change.map(|change| change.after(forget)));
        }
        Ok(State::of(changes))
    }
}

/// The change that gives a file exactly this content and mode; `None` if it has both.
pub fn exactly(path: Utf8PathBuf, text: Secret, mode: u32) -> Result<Option<Change>> {
    let same = files::read(&path)?.is_some_and(|now| now == text.expose());
    if same && files::stat(&path)?.is_some_and(|stat| stat.mode == mode) {
        return Ok(None);
    }
    Ok(Some(Change::new(format!("write {path}"), move |host| {
        files::write(host, &path, text.expose(), mode)
    })))
}
