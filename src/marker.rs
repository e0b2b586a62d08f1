//! The marker of an app: the one line that a trigger has to read to know whether it is ours.

use crate::{
    error::{Error, Result},
    host::{Host, env::Env, files},
    names::{AppName, ServerName},
    server,
};
use camino::Utf8PathBuf;

/// What an app is to this plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marker {
    /// It runs Synapse for this server.
    Synapse(ServerName),
    /// It runs Element Web for this server.
    Element(ServerName),
    /// It is a copy of a homeserver's app and must never run.
    Clone,
}

/// The folder with a marker for each app of ours.
///
/// Not `config/matrix/<app>`, where Dokku's plugins keep their properties: since 0.38 Dokku keeps
/// the environment of an app in `config/<app>`, and removes that folder with the app. Destroying
/// or renaming an app named `matrix` would take the markers of all the others with it.
fn folder(env: &Env) -> Utf8PathBuf {
    server::data_root(env).join(".apps")
}

fn path(env: &Env, app: &str) -> Utf8PathBuf {
    folder(env).join(app)
}

/// The apps that have a marker.
pub fn apps(env: &Env) -> Result<Vec<String>> {
    let mut apps = files::list(&folder(env))?;
    // A run that was killed may leave the draft of a marker.
    apps.retain(|app| !app.starts_with('.'));
    Ok(apps)
}

/// Reads the marker of an app; `None` if the app is not ours.
pub fn read(env: &Env, app: &str) -> Result<Option<Marker>> {
    let path = path(env, app);
    let Some(text) = files::read(&path)? else { return Ok(None) };
    let marker = match text.trim().split_once(' ') {
        Some(("synapse", name)) => name.parse().ok().map(Marker::Synapse),
        Some(("element", name)) => name.parse().ok().map(Marker::Element),
        None if text.trim() == "clone" => Some(Marker::Clone),
        _ => None,
    };
    marker.map(Some).ok_or_else(|| Error::new(format!("{path} is damaged")))
}

/// The server that an app runs Synapse for.
pub fn server_of(env: &Env, app: &AppName) -> Result<Option<ServerName>> {
    Ok(match read(env, app.as_str())? {
        Some(Marker::Synapse(name)) => Some(name),
        _ => None,
    })
}

/// The app that runs Synapse for a server, by the markers alone.
pub fn app_of(env: &Env, name: &ServerName) -> Result<Option<String>> {
    let runs = Marker::Synapse(name.clone());
    for app in apps(env)? {
        if read(env, &app)?.as_ref() == Some(&runs) {
            return Ok(Some(app));
        }
    }
    Ok(None)
}

/// Writes the marker of an app.
pub fn write(host: &Host, app: &str, marker: &Marker) -> Result<()> {
    let text = match marker {
        Marker::Synapse(name) => format!("synapse {name}"),
        Marker::Element(name) => format!("element {name}"),
        Marker::Clone => "clone".to_owned(),
    };
    let folder = folder(host.env());
    if files::stat(&folder)?.is_none() {
        files::make_folder(host, &folder, 0o755)?;
    }
    files::write(host, &path(host.env(), app), &format!("{text}\n"), files::PUBLIC)
}

/// Takes the marker of an app away.
pub fn remove(host: &Host, app: &str) -> Result<()> {
    files::remove(host, &path(host.env(), app))
}
