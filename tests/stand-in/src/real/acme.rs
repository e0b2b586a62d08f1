//! Certificates: a real client of ACME, which is what dokku-letsencrypt runs in a container, and what
//! a certificate says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::app::Cert;
use crate::call::Call;

/// Where the answers to challenges lie, which nginx serves meanwhile.
fn webroot(call: &Call, app: &str) -> PathBuf {
    call.lib.join("data/letsencrypt").join(app)
}

/// The location that dokku-letsencrypt adds to an app for the time of a request.
pub(crate) fn location(call: &Call, app: &str) -> Result<String> {
    let root = webroot(call, app);
    fs::create_dir_all(&root)?;
    for folder in [call.lib.join("data/letsencrypt"), root.clone()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    let root = root.display();
    Ok(format!(
        "location /.well-known/acme-challenge {{ allow all; auth_basic off; root {root}; }}\n"
    ))
}

/// Requests a certificate for these domains and puts it into the app's `tls/`; false if the authority
/// refuses, with its words on the call's output.
pub(crate) fn request(
    call: &Call,
    app: &str,
    domains: &[String],
    email: &str,
    server: &str,
) -> Result<bool> {
    let root = webroot(call, app);
    if let Some(domain) = domains.first() {
        until_served(&root, domain)?;
    }
    let mut lego = Command::new("lego");
    lego.args(["--accept-tos", "--http", "--http.webroot"]).arg(&root).arg("--path").arg(&root);
    lego.args(["--email", email, "--server", server]);
    lego.args(domains.iter().map(|domain| format!("--domains={domain}")));
    let output = lego.arg("run").output().context("lego: run dev/setup")?;
    call.print(String::from_utf8_lossy(&output.stderr));
    let Some(first) = domains.first().filter(|_| output.status.success()) else { return Ok(false) };
    let tls = call.home(app).join("tls");
    fs::create_dir_all(&tls)?;
    for (from, to) in [("crt", "server.crt"), ("key", "server.key")] {
        fs::copy(root.join("certificates").join(format!("{first}.{from}")), tls.join(to))?;
    }
    Ok(true)
}

/// nginx takes the location up a moment after it was told to. A real host needs longer than that to
/// start the container of the client.
fn until_served(root: &Path, domain: &str) -> Result<()> {
    let folder = root.join(".well-known/acme-challenge");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("served"), "")?;
    let since = Instant::now();
    let mut in_a_row = 0;
    // For a while the old worker of nginx takes connections beside the new one.
    while in_a_row < 10 && since.elapsed() < Duration::from_secs(5) {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--connect-to", "::127.0.0.1:"]);
        let url = format!("http://{domain}/.well-known/acme-challenge/served");
        let served = curl.arg(url).output().context("curl: run dev/setup")?.status.success();
        in_a_row = if served { in_a_row + 1 } else { 0 };
        sleep(Duration::from_millis(20));
    }
    // If it never is, that is for the authority to say.
    crate::files::remove(&folder.join("served"))
}

/// What a certificate says.
pub(crate) fn read(file: &Path) -> Result<Cert> {
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-noout", "-issuer", "-dates", "-ext", "subjectAltName", "-in"]);
    let output = openssl.arg(file).output().context("openssl: run dev/setup")?;
    if !output.status.success() {
        bail!("openssl: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout)?;
    let value = |key: &str| text.lines().find_map(|line| line.trim().strip_prefix(key));
    let date = |key: &str| -> Result<i64> {
        let written = value(key).context("stand-in: no date in a certificate")?;
        let time = jiff::civil::DateTime::strptime("%b %e %H:%M:%S %Y GMT", written)?;
        Ok(time.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp().as_second())
    };
    let names = text.lines().find(|line| line.contains("DNS:")).unwrap_or_default();
    let mut hostnames: Vec<String> = names
        .split(',')
        .filter_map(|name| name.trim().strip_prefix("DNS:").map(str::to_owned))
        .collect();
    hostnames.sort();
    Ok(Cert {
        hostnames,
        issuer: value("issuer=").unwrap_or_default().to_owned(),
        starts_at: date("notBefore=")?,
        expires_at: date("notAfter=")?,
        letsencrypt: None,
    })
}
