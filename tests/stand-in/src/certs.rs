//! `certs:report`, and the effect of a certificate on its app.

use std::fs;

use anyhow::Result;

use crate::app::Cert;
use crate::call::Call;
use crate::files;
use crate::ports;
use crate::proxy;
use crate::report::{Keys, Report, of_apps};

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    match verb {
        "report" => of_apps(call, args, |name| report(call, name))?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn report(call: &Call, name: &str) -> Result<Report> {
    let cert = call.app(name)?.cert;
    let dir = call.home(name).join("tls").display().to_string();
    let report = Report::new("ssl", "ssl-", Keys::Plain)
        .row("dir", dir)
        .row("enabled", cert.is_some().to_string());
    let cert = cert.unwrap_or_default();
    let has_issuer = !cert.issuer.is_empty();
    let date = |at: i64| if has_issuer { date(at) } else { String::new() };
    Ok(report
        .row("hostnames", cert.hostnames.join(" "))
        .row("expires-at", date(cert.expires_at))
        .row("issuer", cert.issuer.clone())
        .row("starts-at", date(cert.starts_at))
        .row("subject", "")
        .row("verified", if has_issuer { "self signed" } else { "" }))
}

/// A date in the format of openssl.
fn date(at: i64) -> String {
    let Ok(stamp) = jiff::Timestamp::from_second(at) else { return String::new() };
    stamp.strftime("%b %e %H:%M:%S %Y GMT").to_string()
}

/// Updates the port map and nginx for a certificate whose files are there.
pub(crate) fn put(call: &Call, name: &str, cert: Cert) -> Result<()> {
    call.change(name, |app| {
        app.cert = Some(cert);
        ports::certificate_added(app);
    })?;
    call.fire("post-certs-update", &[name])?;
    call.fire("post-domains-update", &[name])?;
    proxy::build(call, name)
}

/// Writes the files of a certificate.
pub(crate) fn write(call: &Call, name: &str, cert: &Cert) -> Result<()> {
    let dir = call.home(name).join("tls");
    fs::create_dir_all(&dir)?;
    // With real parts, lego has written the files already.
    if call.state()?.parts.is_none() {
        for file in ["server.crt", "server.key"] {
            let provided = call.store.root().join("tls").join(file);
            // openssl reads its date; it is valid for a century.
            let pem = include_str!("certs.pem");
            let dummy =
                || format!("stand-in: {file} of {}\n{pem}", cert.hostnames.join(" ")).into_bytes();
            fs::write(dir.join(file), fs::read(provided).unwrap_or_else(|_| dummy()))?;
        }
    }
    Ok(())
}

/// Removes the certificate of an app.
pub(crate) fn remove(call: &Call, name: &str) -> Result<()> {
    files::remove(&call.home(name).join("tls"))?;
    call.change(name, |app| {
        app.cert = None;
        ports::certificate_removed(app);
    })?;
    call.fire("post-certs-remove", &[name])?;
    call.fire("post-domains-update", &[name])?;
    proxy::build(call, name)
}
