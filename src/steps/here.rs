//! Which app of this host answers for a host name, and how this host's own nginx is asked.

use crate::{
    dokku::{domains, nginx},
    error::Result,
    host::{Host, net::Via},
    names::AppName,
};

/// The app of this host that has the name as a domain, also by a wildcard.
pub(super) fn app(host: &Host, name: &str) -> Result<Option<AppName>> {
    let parents = name.match_indices('.').map(|(dot, _)| format!("*{}", &name[dot..]));
    for domain in std::iter::once(name.to_owned()).chain(parents) {
        let owners = domains::owners(host, &domain)?;
        if let Some(app) = owners.iter().find_map(|owner| owner.parse().ok()) {
            return Ok(Some(app));
        }
    }
    Ok(None)
}

/// Where to ask for a name as this host sees it: its own nginx, if one of its apps has the name.
///
/// # Errors
/// Dokku cannot be asked: the reason, as a short phrase.
pub(super) fn via(host: &Host, name: &str) -> Result<Via, String> {
    let via = || match app(host, name)? {
        Some(app) => nginx::via(host, &app),
        None => Ok(Via::Dns),
    };
    via().map_err(|error| error.lines().join(" "))
}
