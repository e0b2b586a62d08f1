//! `nginx:*`, `proxy:*`, `scheduler:*`, `certs:*`: how an app is served.

use super::{report, tell, value};
use crate::{
    error::Result,
    host::{Host, files, net::Via},
    names::AppName,
};

/// The nginx properties of an app that the plugin cares for, as they are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// The largest request body, in nginx's words.
    pub body_size: String,
    /// How long nginx waits for an answer, in nginx's words.
    pub read_timeout: String,
    /// The one address that nginx listens on; empty if on all.
    pub bind_address: String,
}

/// The nginx properties of an app; `None` if there is no such app.
pub fn properties(host: &Host, app: &AppName) -> Result<Option<Properties>> {
    let all = report(host, &["nginx:report", app.as_str(), "--format", "json"])?;
    Ok(all.map(|all| {
        let word = |key: &str| all[key].as_str().unwrap_or_default().to_owned();
        Properties {
            body_size: word("computed-client-max-body-size"),
            read_timeout: word("computed-proxy-read-timeout"),
            bind_address: word("computed-bind-address-ipv4"),
        }
    }))
}

/// The way to this host's own nginx, where it serves an app.
pub fn way_to(host: &Host, app: &AppName) -> Result<Via> {
    Ok(Via::here(&properties(host, app)?.unwrap_or_default().bind_address))
}

/// Sets a property; takes effect at the next build of the configuration.
pub fn set(host: &Host, app: &AppName, name: &str, value: &str) -> Result<()> {
    tell(host, ["nginx:set", app.as_str(), name, value]).map(drop)
}

/// Builds the app's nginx configuration anew and has nginx read it.
pub fn build(host: &Host, app: &str) -> Result<()> {
    tell(host, ["proxy:build-config", app]).map(drop)
}

/// Takes the app's nginx configuration away and has nginx forget the app.
pub fn clear(host: &Host, app: &str) -> Result<()> {
    tell(host, ["proxy:clear-config", app]).map(drop)
}

/// The proxy of an app; `None` if there is no such app.
pub fn proxy(host: &Host, app: &AppName) -> Result<Option<String>> {
    value(host, &["proxy:report", app.as_str(), "--proxy-computed-type"])
}

/// The proxy that an app gets when it is made.
pub fn usual_proxy(host: &Host) -> Result<Option<String>> {
    value(host, &["proxy:report", "--global", "--proxy-computed-type"])
}

/// The scheduler that an app gets when it is made.
pub fn usual_scheduler(host: &Host) -> Result<Option<String>> {
    value(host, &["scheduler:report", "--global", "--scheduler-computed-selected"])
}

/// The scheduler of an app; `None` if there is no such app. Asked only where somebody has set one,
/// for the app or for all.
pub fn scheduler(host: &Host, app: &AppName) -> Result<Option<String>> {
    let folder = host.env().lib_root().join("config/scheduler");
    let set = |of: &str| files::stat(&folder.join(of).join("selected"));
    if set(app.as_str())?.is_none() && set("--global")?.is_none() {
        return Ok(Some("docker-local".to_owned()));
    }
    value(host, &["scheduler:report", app.as_str(), "--scheduler-computed-selected"])
}

/// Whether an app has a certificate; `None` if there is no such app.
pub fn has_certificate(host: &Host, app: &AppName) -> Result<Option<bool>> {
    let text = value(host, &["certs:report", app.as_str(), "--ssl-enabled"])?;
    Ok(text.map(|text| text == "true"))
}

/// The names that an app's certificate is for; none if it has no certificate.
pub fn certificate_names(host: &Host, app: &AppName) -> Result<Vec<String>> {
    let text = value(host, &["certs:report", app.as_str(), "--ssl-hostnames"])?;
    Ok(text.unwrap_or_default().split_whitespace().map(str::to_owned).collect())
}
