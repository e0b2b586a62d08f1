//! Files with exactly this content and mode, and the administrator's own file beside them.
//!
//! What somebody wrote into a generated file by hand is kept beside it, and told.

use crate::{
    component::{CATALOG, Component, File, local},
    error::{Error, Result},
    host::{Host, digest::Digest, files, secret::Secret},
    plan::{Change, State, Step, StepId},
    state::Status,
    steps::deploy::forget_start,
};
use camino::{Utf8Path, Utf8PathBuf};
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
        let component = &self.0.current(host.env())?;
        let mut changes = vec![];
        if let Some(local) = component.local_file(host.env())
            && files::stat(&local)?.is_none()
        {
            let description = format!("write {local}, which is yours");
            changes.push(Change::new(description, move |host| {
                files::write_new(host, &local, local::EMPTY, files::PUBLIC)
            }));
        }
        for file in &component.files {
            changes.extend(write(host, component, file)?);
        }
        Ok(State::of(changes))
    }
}

/// The change that writes a file; `None` if it is right, and recorded.
fn write(host: &Host, component: &Component, file: &File) -> Result<Option<Change>> {
    let (now, text) = (current(&file.path)?, (file.text)(host.env(), component)?);
    let Some(change) = exactly(file.path.clone(), Secret::new(&text), files::PUBLIC)? else {
        // A run was killed after it had written the file, or the record was lost.
        let status = Status::read(host.env(), &component.spec.server_name)?;
        let is_recorded = is_written(&status, component, file, &text);
        let description = format!("record {}", file.path);
        let record = record(component, file, &text);
        return Ok((!is_recorded).then(|| Change::new(description, record)));
    };
    let keep = by_hand(host, component, file, now.as_deref(), &text)?.zip(now);
    // A mounted file that is replaced stays the old one for the container.
    let forget = component.clone();
    let change = change.after(move |host| {
        forget_start(host, &forget)?;
        match &keep {
            Some((kept, text)) => files::write(host, kept, text, files::PUBLIC),
            None => Ok(()),
        }
    });
    Ok(Some(change.before(record(component, file, &text))))
}

/// What is told of the files of a component before they are replaced.
///
/// # Errors
/// The administrator's own file cannot be used, or a file cannot be read.
pub fn replaced(host: &Host, component: &Component) -> Result<Vec<String>> {
    let mut told = vec![];
    for file in &component.files {
        let (now, text) = (current(&file.path)?, (file.text)(host.env(), component)?);
        if let Some(kept) = by_hand(host, component, file, now.as_deref(), &text)? {
            let kept = kept.file_name().unwrap_or_default();
            let own = component.local_file(host.env());
            let own = own.map(|own| format!("; settings of your own belong in {own}"));
            told.push(format!(
                "{} has another content than the plugin wrote: it is replaced, and kept as {kept}{}",
                file.path,
                own.unwrap_or_default(),
            ));
        }
    }
    Ok(told)
}

/// Where the content of a file is kept that somebody else wrote; `None` if it is the plugin's.
fn by_hand(
    host: &Host,
    component: &Component,
    file: &File,
    now: Option<&str>,
    text: &str,
) -> Result<Option<Utf8PathBuf>> {
    let Some(now) = now.filter(|now| *now != text) else { return Ok(None) };
    let status = Status::read(host.env(), &component.spec.server_name)?;
    if is_written(&status, component, file, now) {
        return Ok(None);
    }
    let mut kept = Utf8PathBuf::from(format!("{}.old", file.path));
    let mut number = 1;
    while files::read(&kept)?.is_some_and(|other| other != now) {
        number += 1;
        kept = format!("{}.old{number}", file.path).into();
    }
    Ok(Some(kept))
}

fn current(path: &Utf8Path) -> Result<Option<String>> {
    if files::stat(path)?.is_some_and(|stat| stat.directory) {
        return Err(Error::new(format!("{path} is a directory, which Docker made"))
            .hint(format!("sudo rmdir {path}")));
    }
    files::read(path)
}

/// The name of a file in the record, and the digest of a content.
fn entry(component: &Component, file: &File, text: &str) -> (String, String) {
    let mut digest = Digest::default();
    digest.text(text);
    let name = file.path.file_name().unwrap_or_default();
    (format!("{}/{name}", component.kind.name), digest.finish())
}

fn is_written(status: &Status, component: &Component, file: &File, text: &str) -> bool {
    let (name, digest) = entry(component, file, text);
    status.written.get(&name) == Some(&digest)
}

/// Records what was written.
fn record(
    component: &Component,
    file: &File,
    text: &str,
) -> impl FnOnce(&Host) -> Result<()> + Send + 'static {
    let server = component.spec.server_name.clone();
    let (name, digest) = entry(component, file, text);
    move |host| Status::update(host, &server, |status| drop(status.written.insert(name, digest)))
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
