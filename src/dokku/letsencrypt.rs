//! dokku-letsencrypt: certificates and their renewal.

use super::{NO_APP, change, domains, flag, parse, read_cmd};
use crate::{
    error::Result,
    host::{
        Host, Reading,
        cmd::{Cmd, Output},
        files,
    },
    names::{AppName, Email},
};
use camino::Utf8PathBuf;
use serde::Deserialize;

/// What `letsencrypt:report` says about an app. It is slow: it starts a program for each property,
/// dozens in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether certificates are renewed automatically.
    pub autorenew: bool,
    /// The e-mail address that is set for the app; empty if none is.
    pub email: String,
    /// The e-mail address in use: the app's, else the global one; empty if there is none.
    pub computed_email: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ReportJson {
    autorenew: String,
    email: String,
    computed_email: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct GlobalJson {
    global_email: String,
}

fn report(cmd: &Cmd, stdout: &str) -> Result<Report> {
    let json: ReportJson = parse::json(cmd, stdout)?;
    Ok(Report {
        autorenew: parse::flag(cmd, &json.autorenew)?,
        email: json.email,
        computed_email: json.computed_email,
    })
}

/// What Dokku says where it is to list apps and there is none.
const NO_APPS: &str = "You haven't deployed any applications";

/// The report on an app; absent if there is no such app.
pub fn of(host: &Host, app: &AppName) -> Reading<Report> {
    let cmd = read_cmd(["letsencrypt:report", app.as_str(), "--format", "json"]);
    let output = match host.run(&cmd) {
        Ok(output) => output,
        Err(error) => return Reading::Unknown(error),
    };
    // It lists the apps before it looks for this one, and fails with 1 on a host without any.
    let absent = output.says("does not exist") || output.says(NO_APPS);
    match output.code {
        0 => report(&cmd, &output.stdout).into(),
        NO_APP => Reading::Absent,
        _ if absent => Reading::Absent,
        _ => Reading::Unknown(host.failure(&cmd, &output)),
    }
}

/// Whether the certificate of an app is dokku-letsencrypt's; absent if there is no such app.
/// Compares the same files as dokku-letsencrypt, and runs its command only where they differ.
pub fn active(host: &Host, app: &AppName) -> Reading<bool> {
    match has_its_certificate(host, app) {
        Ok(true) => Reading::Value(true),
        Ok(false) => flag(host, &["letsencrypt:active", app.as_str()]),
        Err(error) => Reading::Unknown(error),
    }
}

fn has_its_certificate(host: &Host, app: &AppName) -> Result<bool> {
    let home = host.env().dokku_root().join(app.as_str());
    let domains = domains::of(host, app).option()?;
    let Some(first) = domains.as_ref().and_then(|domains| domains.first()) else {
        return Ok(false);
    };
    let directory = home.join("letsencrypt/certs/current/certificates");
    let requested = files::read(&directory.join(format!("{first}.crt")))?;
    Ok(requested.is_some() && files::read(&home.join("tls/server.crt"))? == requested)
}

/// Whether an app has a certificate that dokku-letsencrypt has not made. Its own answer does not
/// tell: it compares a copy that it keeps, which a certificate that was added by hand leaves as it
/// is. So the file that is served is compared with all that were ever made for the app, and with
/// that copy, which is all that a rename leaves.
///
/// # Errors
/// A file cannot be read.
pub fn is_of_others(host: &Host, app: &AppName) -> Result<bool> {
    let home = host.env().dokku_root().join(app.as_str());
    let Some(served) = files::read(&home.join("tls/server.crt"))? else { return Ok(false) };
    let is_served = |path: Utf8PathBuf| Ok(files::read(&path)?.is_some_and(|made| made == served));
    if is_served(home.join("tls/server.letsencrypt.crt"))? {
        return Ok(false);
    }
    let requests = home.join("letsencrypt/certs");
    for request in files::list(&requests)? {
        let directory = requests.join(request).join("certificates");
        // The bundle `.pem` is served for a moment, and stays if that is interrupted.
        for name in files::list(&directory)? {
            if is_served(directory.join(name))? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Whether the next renewal would replace a certificate that dokku-letsencrypt has not made: it goes by
/// a copy of its own one, which adding another leaves as it is.
///
/// # Errors
/// A file cannot be read, or dokku-letsencrypt does not answer.
pub fn would_replace_that_of_others(host: &Host, app: &AppName) -> Result<bool> {
    let copy = host.env().dokku_root().join(app.as_str()).join("tls/server.letsencrypt.crt");
    Ok(files::stat(&copy)?.is_some()
        && is_of_others(host, app)?
        && active(host, app).option()? == Some(true))
}

/// Whether the certificate of an app has expired: Dokku goes on serving it. Not if it has none.
pub fn expired(host: &Host, app: &AppName) -> Result<bool> {
    let path = host.env().dokku_root().join(app.as_str()).join("tls/server.crt");
    if files::stat(&path)?.is_none() {
        return Ok(false);
    }
    let cmd =
        Cmd::reads("openssl").args(["x509", "-checkend", "0", "-noout", "-in", path.as_str()]);
    let output = host.run(&cmd)?;
    // The exit code alone does not tell an expired certificate from a file that is none.
    match output.code {
        0 if output.says("Certificate will not expire") => Ok(false),
        1 if output.says("Certificate will expire") => Ok(true),
        0 => Err(parse::malformed(&cmd, "no result")),
        _ => Err(host.failure(&cmd, &output)),
    }
}

/// Whether certificates are renewed automatically. Looks first at the file with which newer
/// versions mark it, because the report is slow.
pub fn autorenews(host: &Host, app: &AppName) -> Result<bool> {
    let mark = host.env().lib_root().join("data/letsencrypt/--global/autorenew");
    if files::stat(&mark)?.is_some() {
        return Ok(true);
    }
    of(host, app).map(|report| report.autorenew).or_absent(false)
}

/// Whether this e-mail address is set for an app. Looks first at the file in which Dokku keeps it,
/// because the report is slow.
pub fn has_email(host: &Host, app: &AppName, email: &Email) -> Result<bool> {
    let property = host.env().lib_root().join("config/letsencrypt").join(app.as_str());
    let recorded = files::read(&property.join("email"))?;
    if recorded.is_some_and(|text| text.trim() == email.as_str()) {
        return Ok(true);
    }
    of(host, app).map(|report| report.email == email.as_str()).or_absent(false)
}

/// Sets the e-mail address of an app.
pub fn set_email(host: &Host, app: &AppName, email: &Email) -> Result<()> {
    change(host, ["letsencrypt:set", app.as_str(), "email", email.as_str()]).map(drop)
}

/// Requests a certificate. A refusal is not an error: the caller looks at the exit code.
pub fn enable(host: &Host, app: &AppName) -> Result<Output> {
    host.run(&Cmd::changes("dokku").args(["letsencrypt:enable", app.as_str()]))
}

/// Turns the automatic renewal of all certificates on.
pub fn add_cron_job(host: &Host) -> Result<()> {
    change(host, ["letsencrypt:cron-job", "--add"]).map(drop)
}

/// Whether there is a global e-mail address, for the apps that have none.
pub fn global_email(host: &Host) -> Result<bool> {
    let cmd = read_cmd(["letsencrypt:report", "--global", "--format", "json"]);
    let output = host.run(&cmd)?;
    // It lists the apps first, and fails with 1 on a host without any: then its file tells.
    if output.code == 1 && output.says(NO_APPS) {
        let file = host.env().lib_root().join("config/letsencrypt/--global/email");
        return Ok(files::read(&file)?.is_some_and(|email| !email.trim().is_empty()));
    }
    if output.code != 0 {
        return Err(host.failure(&cmd, &output));
    }
    let json: GlobalJson = parse::json(&cmd, &output.stdout)?;
    Ok(!json.global_email.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dokku::parse::tests::{cmd, what};

    #[test]
    fn reads_reports() {
        let good = Report {
            autorenew: true,
            email: String::new(),
            computed_email: "a@b.example".to_owned(),
        };
        for (stdout, want) in [
            (
                r#"{"active":"true","autorenew":"true","computed-email":"a@b.example","email":""}"#,
                Ok(good),
            ),
            (r#"{"autorenew":"","computed-email":"","email":""}"#, Err("neither true nor false")),
            (
                r#"{"autorenew":"true","email":""}"#,
                Err("JSON without the field \"computed-email\""),
            ),
            (r#"{"autorenew":"true","ema"#, Err("incomplete JSON")),
            ("[]", Err("JSON with values of other types")),
        ] {
            let got = what(report(&cmd(), &format!("{stdout}\n")));
            assert_eq!(got, want.map_err(str::to_owned), "{stdout}");
        }
    }
}
