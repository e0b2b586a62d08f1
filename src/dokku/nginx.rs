//! `nginx:*`, `proxy:*`, `scheduler:*`, `certs:*`: how an app is served.

use super::{change, flag, json, value};
use crate::{
    error::Result,
    host::{Host, Reading, files, net::Via},
    names::AppName,
};
use serde::Deserialize;

/// The nginx properties of an app that the plugin uses, as Dokku computes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Properties {
    /// `client-max-body-size`, as nginx writes it: `50m`.
    #[serde(rename = "computed-client-max-body-size")]
    pub body_size: String,
    /// `proxy-read-timeout`, as nginx writes it: `60s`.
    #[serde(rename = "computed-proxy-read-timeout")]
    pub read_timeout: String,
    /// The only IPv4 address that nginx listens on; empty if it listens on all.
    #[serde(rename = "computed-bind-address-ipv4")]
    pub bind_address: String,
}

/// The nginx properties of an app; absent if there is no such app.
pub fn properties(host: &Host, app: &AppName) -> Reading<Properties> {
    json(host, &["nginx:report", app.as_str(), "--format", "json"])
}

/// How this host's own nginx is reached for an app.
pub fn via(host: &Host, app: &AppName) -> Result<Via> {
    let properties = properties(host, app).or_absent(Properties::default())?;
    Ok(Via::here(&properties.bind_address))
}

/// Sets a property. It takes effect with the next [`build`].
pub fn set(host: &Host, app: &AppName, name: &str, value: &str) -> Result<()> {
    change(host, ["nginx:set", app.as_str(), name, value]).map(drop)
}

/// Rebuilds the nginx configuration of an app and reloads nginx.
pub fn build(host: &Host, app: &str) -> Result<()> {
    change(host, ["proxy:build-config", app]).map(drop)
}

/// Removes the nginx configuration of an app and reloads nginx.
pub fn clear(host: &Host, app: &str) -> Result<()> {
    change(host, ["proxy:clear-config", app]).map(drop)
}

/// The proxy of an app, such as `nginx`; absent if there is no such app.
pub fn proxy(host: &Host, app: &AppName) -> Reading<String> {
    value(host, &["proxy:report", app.as_str(), "--proxy-computed-type"])
}

/// The proxy that new apps get.
pub fn global_proxy(host: &Host) -> Reading<String> {
    value(host, &["proxy:report", "--global", "--proxy-computed-type"])
}

/// The scheduler that new apps get.
pub fn global_scheduler(host: &Host) -> Reading<String> {
    value(host, &["scheduler:report", "--global", "--scheduler-computed-selected"])
}

/// The scheduler of an app, such as `docker-local`; absent if there is no such app. Runs Dokku
/// only where one is set, for the app or globally.
pub fn scheduler(host: &Host, app: &AppName) -> Reading<String> {
    let directory = host.env().lib_root().join("config/scheduler");
    let is_set = |of: &str| files::stat(&directory.join(of).join("selected"));
    match is_set(app.as_str()).and_then(|app| Ok(app.or(is_set("--global")?))) {
        Ok(None) => Reading::Value("docker-local".to_owned()),
        Ok(Some(_)) => {
            value(host, &["scheduler:report", app.as_str(), "--scheduler-computed-selected"])
        }
        Err(error) => Reading::Unknown(error),
    }
}

/// Whether an app has a certificate; absent if there is no such app.
pub fn has_certificate(host: &Host, app: &AppName) -> Reading<bool> {
    flag(host, &["certs:report", app.as_str(), "--ssl-enabled"])
}

/// The host names in the certificate of an app; an empty list if it has none.
pub fn certificate_names(host: &Host, app: &AppName) -> Result<Vec<String>> {
    let text = value(host, &["certs:report", app.as_str(), "--ssl-hostnames"]);
    text.map(|text| text.split_whitespace().map(str::to_owned).collect()).or_absent(vec![])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dokku::parse::{
        self,
        tests::{cmd, what},
    };

    #[test]
    fn requires_every_property() {
        const SIZE: &str = r#""computed-client-max-body-size":"50m""#;
        const TIME: &str = r#""computed-proxy-read-timeout":"60s""#;
        const BIND: &str = r#""computed-bind-address-ipv4":"""#;
        for (stdout, want) in [
            (format!("{{{SIZE},{TIME},{BIND}}}\n"), Ok("50m")),
            (
                format!("{{{SIZE},{TIME}}}\n"),
                Err("JSON without the field \"computed-bind-address-ipv4\""),
            ),
            (format!("{{{SIZE},{}\n", &TIME[..8]), Err("incomplete JSON")),
            ("{}\n".to_owned(), Err("JSON without the field \"computed-client-max-body-size\"")),
        ] {
            let got = what(parse::json::<Properties>(&cmd(), &stdout)).map(|all| all.body_size);
            assert_eq!(got, want.map(str::to_owned).map_err(str::to_owned), "{stdout}");
        }
    }
}
