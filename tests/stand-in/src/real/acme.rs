//! Certificates: requests them with lego, the ACME client that dokku-letsencrypt runs in a
//! container, and parses them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::app::Cert;
use crate::call::Call;

/// The webroot for ACME challenges, which nginx serves during a request.
fn webroot(call: &Call, app: &str) -> PathBuf {
    call.lib.join("data/letsencrypt").join(app)
}

/// The nginx location that dokku-letsencrypt adds to an app during a request.
pub(crate) fn location(call: &Call, app: &str) -> Result<String> {
    let root = webroot(call, app);
    fs::create_dir_all(&root)?;
    for dir in [call.lib.join("data/letsencrypt"), root.clone()] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    }
    let root = root.display();
    Ok(format!(
        "location /.well-known/acme-challenge {{ allow all; auth_basic off; root {root}; }}\n"
    ))
}

/// Requests a certificate for these domains and writes it to the app's `tls/`. Returns false if the
/// authority refuses; lego's output is printed either way.
pub(crate) fn request(
    call: &Call,
    app: &str,
    domains: &[String],
    email: &str,
    server: &str,
) -> Result<bool> {
    let root = webroot(call, app);
    if let Some(domain) = domains.first() {
        wait_until_served(&root, domain)?;
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

/// Waits until nginx serves the location: a reload is asynchronous. On a real host nginx is ready
/// by the time the client's container has started.
fn wait_until_served(root: &Path, domain: &str) -> Result<()> {
    let dir = root.join(".well-known/acme-challenge");
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("served"), "")?;
    let since = Instant::now();
    let mut in_a_row = 0;
    // For a while the old nginx worker accepts connections as well.
    while in_a_row < 10 && since.elapsed() < Duration::from_secs(5) {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--connect-to", "::127.0.0.1:"]);
        let url = format!("http://{domain}/.well-known/acme-challenge/served");
        let served = curl.arg(url).output().context("curl: run dev/setup")?.status.success();
        in_a_row = if served { in_a_row + 1 } else { 0 };
        sleep(Duration::from_millis(20));
    }
    // If nginx never serves it, the certificate authority reports the error.
    crate::files::remove(&dir.join("served"))
}

/// Parses a certificate.
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
        let text = value(key).context("stand-in: no date in a certificate")?;
        let time = jiff::civil::DateTime::strptime("%b %e %H:%M:%S %Y GMT", text)?;
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
