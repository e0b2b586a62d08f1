//! The marker of an app: the one line that a trigger has to read to know whether it is ours.

use crate::{
    error::{Error, Result},
    host::{Host, env::Env, files},
    names::{AppName, ServerName},
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

/// The folder of an app's marker, which Dokku calls its properties.
pub fn folder(env: &Env, app: &str) -> Utf8PathBuf {
    env.lib_root().join("config/matrix").join(app)
}

fn path(env: &Env, app: &str) -> Utf8PathBuf {
    folder(env, app).join("server")
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

/// Writes the marker of an app.
pub fn write(host: &Host, app: &str, marker: &Marker) -> Result<()> {
    let text = match marker {
        Marker::Synapse(name) => format!("synapse {name}"),
        Marker::Element(name) => format!("element {name}"),
        Marker::Clone => "clone".to_owned(),
    };
    files::make_folder(host, &folder(host.env(), app), 0o755)?;
    files::write(host, &path(host.env(), app), &format!("{text}\n"), files::PUBLIC)
}

/// Takes the marker of an app away.
pub fn remove(host: &Host, app: &str) -> Result<()> {
    files::remove_folder(host, &folder(host.env(), app))
}
