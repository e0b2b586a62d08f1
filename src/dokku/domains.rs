//! `domains:*` and `ports:*`: what an app answers to.

use super::{config, tell, value};
use crate::{
    error::Result,
    host::{Host, files},
    names::{AppName, Domain},
};

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The domains of an app; `None` if there is no such app, none if its vhosts are disabled. Whether
/// they are is in its environment: in a report that one word costs Dokku ten times as much.
pub fn of(host: &Host, app: &AppName) -> Result<Option<Vec<String>>> {
    let Some(text) = value(host, &["domains:report", app.as_str(), "--domains-app-vhosts"])? else {
        return Ok(None);
    };
    let disabled = config::get(host, app, "NO_VHOST")?.is_some_and(|word| word.expose() == "1");
    Ok(Some(if disabled { vec![] } else { words(&text) }))
}

/// The domains that every new app gets a name below.
pub fn global(host: &Host) -> Result<Vec<String>> {
    let text = value(host, &["domains:report", "--global", "--domains-global-vhosts"])?;
    Ok(words(&text.unwrap_or_default()))
}

/// Makes this the app's only domain.
pub fn set(host: &Host, app: &AppName, domain: &Domain) -> Result<()> {
    tell(host, ["domains:set", app.as_str(), domain.as_str()]).map(drop)
}

/// Adds a domain to the app's.
pub fn add(host: &Host, app: &AppName, domain: &Domain) -> Result<()> {
    tell(host, ["domains:add", app.as_str(), domain.as_str()]).map(drop)
}

/// The port map of an app, sorted; `None` if there is no such app.
pub fn ports(host: &Host, app: &AppName) -> Result<Option<Vec<String>>> {
    let text = value(host, &["ports:report", app.as_str(), "--ports-map"])?;
    Ok(text.map(|text| {
        let mut map = words(&text);
        map.sort();
        map
    }))
}

/// Sets the whole port map of an app.
pub fn set_ports(host: &Host, app: &AppName, map: &[String]) -> Result<()> {
    let words = ["ports:set", app.as_str()].into_iter().chain(map.iter().map(String::as_str));
    tell(host, words).map(drop)
}

/// Takes the port map of an app away.
pub fn clear_ports(host: &Host, app: &AppName) -> Result<()> {
    tell(host, ["ports:clear", app.as_str()]).map(drop)
}

/// The apps that answer to a domain. Read from Dokku's own files: its commands would have to be
/// asked once for each app of the host. A folder that is no app's need not be ours to read.
pub fn owners(host: &Host, domain: &str) -> Result<Vec<String>> {
    let root = host.env().dokku_root();
    let mut owners = vec![];
    for app in files::list(&root)? {
        let vhosts = match files::read(&root.join(&app).join("VHOST")) {
            Err(_) if app.parse::<AppName>().is_err() => continue,
            read => read?.unwrap_or_default(),
        };
        if words(&vhosts).iter().any(|one| one == domain) {
            owners.push(app);
        }
    }
    Ok(owners)
}
