//! `apps:*`: creates and destroys apps. Does not decide whether that is right.

use super::{change, json, nginx};
use crate::{
    error::{Error, Result},
    host::{Host, files},
    names::AppName,
};

/// Whether an app exists. Every app has a proxy, and other callers read that as well, so this
/// answer is often in the cache.
pub fn exists(host: &Host, app: &AppName) -> Result<bool> {
    nginx::proxy(host, app).option().map(|proxy| proxy.is_some())
}

/// Of these apps, those that the user may see: a plugin with the trigger `user-auth-app` hides
/// others. Without such a plugin, Dokku is not asked.
pub fn visible(host: &Host, mut apps: Vec<String>) -> Result<Vec<String>> {
    if !apps.is_empty() && has_hidden(host)? {
        let list = json::<Vec<String>>(host, &["apps:list", "--format", "json"]);
        let seen = list.required(|| Error::new("Dokku does not list its apps"))?;
        apps.retain(|app| seen.contains(app));
    }
    Ok(apps)
}

/// Whether an app exists and the user may not see it. Dokku says that it does not exist, and yet would
/// create another one in its place.
pub fn is_hidden(host: &Host, app: &AppName) -> Result<bool> {
    let home = host.env().dokku_root().join(app.as_str());
    Ok(files::stat(&home)?.is_some() && visible(host, vec![app.to_string()])?.is_empty())
}

/// Whether any plugin decides which apps a user may see. Dokku does not count its own for events.
fn has_hidden(host: &Host) -> Result<bool> {
    let plugins = host.env().plugins();
    for plugin in files::list(&plugins)? {
        let trigger = plugins.join(&plugin).join("user-auth-app");
        if plugin != "20_events" && files::stat(&trigger)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The error for an app that cannot be created, in Dokku's words.
///
/// # Errors
/// The app exists, and the user may not see it.
pub fn must_not_be_hidden(host: &Host, app: &AppName) -> Result<()> {
    if is_hidden(host, app)? { Err(Error::new("Name is already taken")) } else { Ok(()) }
}

/// Creates an app.
pub fn create(host: &Host, app: &AppName) -> Result<()> {
    change(host, ["apps:create", app.as_str()]).map(drop)
}

/// Destroys an app.
pub fn destroy(host: &Host, app: &AppName) -> Result<()> {
    change(host, ["apps:destroy", app.as_str(), "--force"]).map(drop)
}
