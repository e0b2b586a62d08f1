//! Installs a file into an app's `nginx.conf.d`, and restores the old one if nginx rejects it.
//!
//! A location that occurs twice stops nginx for every app of the host. Does not know the content
//! of the files.

use super::test;
use crate::{
    dokku::nginx,
    error::{Error, Result},
    host::{Host, files},
    plan::Change,
};
use camino::{Utf8Path, Utf8PathBuf};

/// The path of a file in an app's `nginx.conf.d`.
pub fn path(host: &Host, app: &str, name: &str) -> Utf8PathBuf {
    host.env().dokku_root().join(app).join("nginx.conf.d").join(name)
}

/// The backup of a file: its old content, empty if it did not exist. It exists while the file is
/// being changed, until nginx has tested the new content, or no longer serves a removed file. So a
/// killed run leaves neither a file that counts as tested nor one that is gone but still served.
fn backup(path: &Utf8Path) -> Utf8PathBuf {
    path.with_file_name(format!(".{}.before", path.file_name().unwrap_or_default()))
}

/// The change that gives the file this content; `None` if it has it and nginx has tested it.
pub fn change_to(host: &Host, app: &str, name: &'static str, text: &str) -> Result<Option<Change>> {
    let path = path(host, app, name);
    let is_tested = files::stat(&backup(&path))?.is_none();
    if is_tested && files::read(&path)?.is_some_and(|current| current == text) {
        return Ok(None);
    }
    let (app, text) = (app.to_owned(), text.to_owned());
    let description = format!("write {path}, and nginx -t");
    Ok(Some(Change::new(description, move |host| install(host, &app, name, &text))))
}

/// Writes the file and tests the whole configuration of the host with it.
///
/// # Errors
/// nginx rejects it: then the old file is restored.
pub fn install(host: &Host, app: &str, name: &str, text: &str) -> Result<()> {
    let path = path(host, app, name);
    if let Some(directory) = path.parent()
        && files::stat(directory)?.is_none()
    {
        files::make_directory(host, directory, 0o755)?;
    }
    let backup = backup(&path);
    let old = match files::read(&backup)? {
        Some(text) => Some(text).filter(|text| !text.is_empty()),
        None => files::read(&path)?,
    };
    files::write(host, &backup, old.as_deref().unwrap_or_default(), files::PUBLIC)?;
    files::write(host, &path, text, files::PUBLIC)?;
    let restore = |old: Option<&String>| match old {
        Some(old) => files::write(host, &path, old, files::PUBLIC),
        None => files::remove(host, &path),
    };
    let output = match test::refused(host, None) {
        Ok(None) => return files::remove(host, &backup),
        Ok(Some(output)) => output,
        Err(error) => {
            // Whatever it is, nothing untested stays.
            restore(old.as_ref())?;
            files::remove(host, &backup)?;
            return Err(error);
        }
    };
    // If the old content is the same, nginx rejects that by now: remove it instead.
    restore(old.as_ref().filter(|old| *old != text))?;
    let is_our_fault = matches!(test::refused(host, None), Ok(None));
    if !is_our_fault {
        restore(old.as_ref())?;
    }
    files::remove(host, &backup)?;
    let error = Error::new(format!("nginx rejects {path}; the change was undone"));
    let error = error.shown(output.lines);
    Err(if is_our_fault {
        error.hint(format!("Look for the same location in {}", path.with_file_name("")))
    } else {
        error.hint("nginx rejects this host's configuration without it, too: sudo nginx -t")
    })
}

/// The content of the file, or of one whose removal was interrupted, so that nginx may still serve
/// it; `None` if there is neither.
pub fn installed_or_pending(host: &Host, app: &str, name: &str) -> Result<Option<String>> {
    let path = path(host, app, name);
    Ok(files::read(&path)?.or(files::read(&backup(&path))?))
}

/// Whether a change of the file was interrupted: then nginx may serve the old content or the new one.
pub fn is_pending(host: &Host, app: &str, name: &str) -> Result<bool> {
    Ok(files::stat(&backup(&path(host, app, name)))?.is_some())
}

/// The content of the file that nginx has tested; `None` if there is none. While a change of it is
/// interrupted, that is the old content.
pub fn tested(host: &Host, app: &str, name: &str) -> Result<Option<String>> {
    let path = path(host, app, name);
    match files::read(&backup(&path))? {
        Some(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        None => files::read(&path),
    }
}

/// Removes the file and reloads nginx.
pub fn remove(host: &Host, app: &str, name: &str) -> Result<()> {
    let path = path(host, app, name);
    let backup = backup(&path);
    if let Some(text) = files::read(&path)? {
        files::write(host, &backup, &text, files::PUBLIC)?;
        files::remove(host, &path)?;
    }
    nginx::build(host, app)?;
    files::remove(host, &backup)
}
