//! Puts a file into an app's `nginx.conf.d`, and takes it back at once if nginx rejects it: a
//! location that is there twice stops nginx for every app of the host.

use crate::{
    dokku::nginx as words,
    error::{Error, Result},
    host::{Host, cmd::Cmd, files},
    plan::Change,
};
use camino::{Utf8Path, Utf8PathBuf};

/// Where a file of an app's `nginx.conf.d` is.
pub fn path(host: &Host, app: &str, name: &str) -> Utf8PathBuf {
    host.env().dokku_root().join(app).join("nginx.conf.d").join(name)
}

/// What stood there before, empty if nothing: kept beside a file that is being changed until nginx
/// has judged it, or has forgotten one that went. A run that is killed thus leaves no file that
/// passes for one that was accepted, and none that is gone and served all the same.
fn before(path: &Utf8Path) -> Utf8PathBuf {
    path.with_file_name(format!(".{}.before", path.file_name().unwrap_or_default()))
}

/// The change that makes the file so, if it is not, or if nobody knows what nginx says of it.
pub fn missing(host: &Host, app: &str, name: &'static str, text: &str) -> Result<Option<Change>> {
    let path = path(host, app, name);
    let judged = files::stat(&before(&path))?.is_none();
    if judged && files::read(&path)?.is_some_and(|now| now == text) {
        return Ok(None);
    }
    let (app, text) = (app.to_owned(), text.to_owned());
    let says = format!("write {path}, and nginx -t");
    Ok(Some(Change::new(says, move |host| put(host, &app, name, &text))))
}

/// Writes the file and has nginx judge the whole host's configuration with it.
///
/// # Errors
/// nginx rejects it: then the file is as it was before.
pub fn put(host: &Host, app: &str, name: &str, text: &str) -> Result<()> {
    let path = path(host, app, name);
    if let Some(folder) = path.parent()
        && files::stat(folder)?.is_none()
    {
        files::make_folder(host, folder, 0o755)?;
    }
    let kept = before(&path);
    let old = match files::read(&kept)? {
        Some(text) => Some(text).filter(|text| !text.is_empty()),
        None => files::read(&path)?,
    };
    files::write(host, &kept, old.as_deref().unwrap_or_default(), files::PUBLIC)?;
    files::write(host, &path, text, files::PUBLIC)?;
    let Some(why) = test(host)? else { return files::remove(host, &kept) };
    let put_back = |old: Option<&String>| match old {
        Some(old) => files::write(host, &path, old, files::PUBLIC),
        None => files::remove(host, &path),
    };
    // What nginx rejects by now is nothing to go back to.
    put_back(old.as_ref().filter(|old| *old != text))?;
    let ours = test(host)?.is_none();
    if !ours {
        put_back(old.as_ref())?;
    }
    files::remove(host, &kept)?;
    let error = Error::new(format!("nginx rejects {path}, which was taken back")).shown(why);
    Err(if ours {
        error.hint(format!("Look for the same location in {}", path.with_file_name("")))
    } else {
        error.hint("nginx rejects this host's configuration without it, too: sudo nginx -t")
    })
}

/// Whether Dokku has built the app's configuration since the file was written.
pub fn is_built(host: &Host, app: &str, name: &str) -> Result<bool> {
    let built = files::stat(&host.env().dokku_root().join(app).join("nginx.conf"))?;
    let file = files::stat(&path(host, app, name))?;
    Ok(matches!((built, file), (Some(built), Some(file)) if built.changed >= file.changed))
}

/// The text of the file, also of one that is being taken away while nginx may still serve it.
pub fn served(host: &Host, app: &str, name: &str) -> Result<Option<String>> {
    let path = path(host, app, name);
    Ok(files::read(&path)?.or(files::read(&before(&path))?))
}

/// Takes the file away and has nginx read its configuration again.
pub fn remove(host: &Host, app: &str, name: &str) -> Result<()> {
    let path = path(host, app, name);
    let kept = before(&path);
    if let Some(text) = files::read(&path)? {
        files::write(host, &kept, &text, files::PUBLIC)?;
        files::remove(host, &path)?;
    }
    words::build(host, app)?;
    files::remove(host, &kept)
}

/// Has nginx judge the host's configuration; `None` if it accepts it, else what it says.
fn test(host: &Host) -> Result<Option<Vec<String>>> {
    let ran = host.run(&Cmd::reads("sudo").args(["-n", "nginx", "-t"]))?;
    Ok((ran.code != 0).then_some(ran.lines))
}
