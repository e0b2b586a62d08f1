//! `nginx:*`, `proxy:*`, `scheduler:*`, `certs:*`: how an app is served.

use super::{change, flag, json, value};
use crate::{
    error::{Error, Result},
    host::{Host, Reading, digest::Digest, files, net::Via},
    names::AppName,
};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The nginx properties of an app, as Dokku reports them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    /// The value that is in effect: the app's own, or the host's, or Dokku's default.
    ///
    /// # Errors
    /// Dokku does not report such a property.
    pub fn computed(&self, property: &str) -> Result<&str> {
        let value = self.0.get(&format!("computed-{property}"));
        value.map(String::as_str).ok_or_else(|| {
            Error::new(format!("`dokku nginx:report` does not tell the property {property}"))
        })
    }
}

/// The nginx properties of an app; absent if there is no such app.
pub fn properties(host: &Host, app: &AppName) -> Reading<Properties> {
    json(host, &["nginx:report", app.as_str(), "--format", "json"])
}

/// Adds the properties of an app and those of the host to a digest. Reads Dokku's files, because a
/// trigger asks at each build.
///
/// # Errors
/// A file cannot be read.
pub fn add_properties(digest: &mut Digest, host: &Host, app: &AppName) -> Result<()> {
    for of in ["--global", app.as_str()] {
        let directory = host.env().lib_root().join("config/nginx").join(of);
        for name in files::list(&directory)? {
            digest.file(&name, &directory.join(&name))?;
        }
        digest.text("end");
    }
    Ok(())
}

/// How this host's own nginx is reached for an app.
pub fn via(host: &Host, app: &AppName) -> Result<Via> {
    // Without an app there is nothing that listens elsewhere.
    let properties = properties(host, app).option()?;
    let address = match &properties {
        Some(properties) => properties.computed("bind-address-ipv4")?,
        None => "",
    };
    Ok(Via::here(address))
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
    fn requires_a_whole_report_and_the_property() {
        const REPORT: &str = r#"{"computed-client-max-body-size":"50m","hsts":""}"#;
        for (stdout, property, wanted) in [
            (REPORT, "client-max-body-size", Some("50m")),
            (REPORT, "proxy-read-timeout", None),
            ("{}", "client-max-body-size", None),
            (&REPORT[..30], "client-max-body-size", None),
            ("", "client-max-body-size", None),
            (r#"{"computed-client-max-body-size":5}"#, "client-max-body-size", None),
        ] {
            let report = what(parse::json::<Properties>(&cmd(), &format!("{stdout}\n")));
            let got =
                report.ok().and_then(|report| report.computed(property).ok().map(str::to_owned));
            assert_eq!(got.as_deref(), wanted, "{stdout}");
        }
    }
}
