//! The marker of an app: the one line that a trigger reads to know whether the app is ours.

use super::{paths::host_root, store, version1};
use crate::{
    error::{Error, Result},
    host::{Host, env::Env, files},
    names::{AppName, ServerName},
};
use camino::Utf8PathBuf;

/// The end of the marker of an app that has no label yet: it is being created or taken over.
const NEW: &str = " new";

/// What an app is to this plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marker {
    /// It runs a component of a homeserver.
    Component {
        /// The name of the component's kind.
        kind: String,
        /// Whose component it is.
        server: ServerName,
    },
    /// It is a copy of a homeserver's app and must never run.
    Clone,
}

impl Marker {
    /// The marker of a component.
    pub fn component(kind: &str, server: &ServerName) -> Self {
        Self::Component { kind: kind.to_owned(), server: server.clone() }
    }
}

/// The directory with a marker for each app.
///
/// Not `config/matrix/<app>`, where Dokku's plugins keep their properties: since 0.38 Dokku keeps
/// the environment of an app in `config/<app>` and removes it with the app. Destroying or renaming
/// an app named `matrix` would take the markers of all the others with it.
fn directory(env: &Env) -> Result<Utf8PathBuf> {
    let (new, old) = (host_root(env).join("apps"), version1::markers(env));
    let moved = files::stat(&new)?.is_some() || files::stat(&old)?.is_none();
    Ok(if moved { new } else { old })
}

/// The apps that have a marker.
pub fn apps(env: &Env) -> Result<Vec<String>> {
    let mut apps = files::list(&directory(env)?)?;
    // An interrupted run may leave the draft of a marker.
    apps.retain(|app| !app.starts_with('.'));
    Ok(apps)
}

/// Reads the marker of an app; `None` if the app is not ours.
pub fn read(env: &Env, app: &str) -> Result<Option<Marker>> {
    // The old place first: whatever a command that moves the markers has done, one of the two has it.
    let mut path = version1::markers(env).join(app);
    let mut text = files::read(&path)?;
    if text.is_none() {
        path = host_root(env).join("apps").join(app);
        text = files::read(&path)?;
    }
    let Some(text) = text else { return Ok(None) };
    let text = text.trim();
    let marker = match text.strip_suffix(NEW).unwrap_or(text).split_once(' ') {
        Some((kind, name)) => name.parse().ok().map(|name| Marker::component(kind, &name)),
        None if text == "clone" => Some(Marker::Clone),
        None => None,
    };
    marker.map(Some).ok_or_else(|| {
        Error::new(format!("{path} is damaged"))
            .hint("Remove it, then run matrix:create for its homeserver again.")
    })
}

/// Whether an app is marked as that component of that server.
pub fn is(env: &Env, app: &AppName, kind: &str, server: &ServerName) -> Result<bool> {
    Ok(read(env, app.as_str())? == Some(Marker::component(kind, server)))
}

/// The app that runs a component of a server, by the markers alone.
pub fn app_of(env: &Env, kind: &str, server: &ServerName) -> Result<Option<String>> {
    let wanted = Marker::component(kind, server);
    for app in apps(env)? {
        if read(env, &app)?.as_ref() == Some(&wanted) {
            return Ok(Some(app));
        }
    }
    Ok(None)
}

/// Whether an app is marked, and has nothing else yet that says whose it is.
pub fn is_new(env: &Env, app: &str) -> Result<bool> {
    let text = files::read(&host_root(env).join("apps").join(app))?;
    Ok(text.is_some_and(|text| text.trim_end().ends_with(NEW)))
}

/// Writes the marker of an app.
pub fn write(host: &Host, app: &str, marker: &Marker) -> Result<()> {
    write_text(host, app, &text_of(marker))
}

/// Writes the marker of an app that has nothing else yet that says whose it is.
pub fn write_new(host: &Host, app: &str, marker: &Marker) -> Result<()> {
    write_text(host, app, &(text_of(marker) + NEW))
}

fn text_of(marker: &Marker) -> String {
    match marker {
        Marker::Component { kind, server } => format!("{kind} {server}"),
        Marker::Clone => "clone".to_owned(),
    }
}

fn write_text(host: &Host, app: &str, text: &str) -> Result<()> {
    version1::move_markers(host)?;
    store::write_text(host, &directory(host.env())?.join(app), text, files::PUBLIC)
}

/// Removes the marker of an app.
pub fn remove(host: &Host, app: &str) -> Result<()> {
    version1::move_markers(host)?;
    files::remove(host, &directory(host.env())?.join(app))
}
