//! dokku-letsencrypt.

use super::{NO_APP, domains, reading, tell, value};
use crate::{
    error::{Error, Result},
    host::{
        Host,
        cmd::{Cmd, Ran},
        files,
    },
    names::{AppName, Email},
};

/// What dokku-letsencrypt tells of an app in its report, which is slow: it asks each of its
/// properties in turn, dozens of programs in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether certificates are renewed by themselves.
    pub autorenew: bool,
    /// The e-mail address of the app alone.
    pub email: String,
    /// The address that serves when the app has none.
    pub computed_email: String,
}

/// Asks what dokku-letsencrypt knows of an app; `None` if there is no such app.
pub fn of(host: &Host, app: &AppName) -> Result<Option<Report>> {
    let cmd = reading(["letsencrypt:report", app.as_str(), "--format", "json"]);
    let ran = host.run(&cmd)?;
    // Unlike the rest of Dokku it looks at the list of apps, and has words of its own.
    let absent = ran.says("does not exist") || ran.says("You haven't deployed any applications");
    if ran.code == NO_APP || (ran.code != 0 && absent) {
        return Ok(None);
    }
    if ran.code != 0 {
        return Err(host.failure(&cmd, &ran));
    }
    let all: serde_json::Value = serde_json::from_str(ran.answer())
        .map_err(|_| Error::new(format!("`{cmd}` did not answer with JSON")))?;
    Ok(Some({
        let word = |key: &str| all[key].as_str().unwrap_or_default().to_owned();
        Report {
            autorenew: word("autorenew") == "true",
            email: word("email"),
            computed_email: word("computed-email"),
        }
    }))
}

/// Whether the app's certificate is dokku-letsencrypt's; `None` if there is no such app. Looks at
/// the files that it compares itself, and asks it only where these two are not the same.
pub fn active(host: &Host, app: &AppName) -> Result<Option<bool>> {
    let home = host.env().dokku_root().join(app.as_str());
    if let Some(domain) = domains::of(host, app)?.unwrap_or_default().first() {
        let folder = home.join("letsencrypt/certs/current/certificates");
        let theirs = files::read(&folder.join(format!("{domain}.crt")))?;
        if theirs.is_some() && files::read(&home.join("tls/server.crt"))? == theirs {
            return Ok(Some(true));
        }
    }
    let text = value(host, &["letsencrypt:active", app.as_str()])?;
    Ok(text.map(|text| text == "true"))
}

/// Whether the certificate of an app has run out: Dokku goes on serving it.
pub fn expired(host: &Host, app: &AppName) -> Result<bool> {
    let path = host.env().dokku_root().join(app.as_str()).join("tls/server.crt");
    let cmd =
        Cmd::reads("openssl").args(["x509", "-checkend", "0", "-noout", "-in", path.as_str()]);
    // It fails in the same way for a file that is none: what it says tells the two apart.
    host.run(&cmd).map(|ran| ran.code == 1 && ran.says("Certificate will expire"))
}

/// Whether certificates are renewed by themselves. The mark that newer versions keep is looked at
/// first, for the report is slow.
pub fn autorenews(host: &Host, app: &AppName) -> Result<bool> {
    let mark = host.env().lib_root().join("data/letsencrypt/--global/autorenew");
    Ok(files::stat(&mark)?.is_some() || of(host, app)?.is_some_and(|now| now.autorenew))
}

/// Whether an app has this e-mail address of its own. Dokku's file is looked at first, for the
/// report is slow.
pub fn has_email(host: &Host, app: &AppName, email: &Email) -> Result<bool> {
    let property = host.env().lib_root().join("config/letsencrypt").join(app.as_str());
    let recorded = files::read(&property.join("email"))?;
    Ok(recorded.is_some_and(|text| text.trim() == email.as_str())
        || of(host, app)?.is_some_and(|now| now.email == email.as_str()))
}

/// Sets the e-mail address of an app.
pub fn set_email(host: &Host, app: &AppName, email: &Email) -> Result<()> {
    tell(host, ["letsencrypt:set", app.as_str(), "email", email.as_str()]).map(drop)
}

/// Requests a certificate; that it is refused is an answer, not an error.
pub fn enable(host: &Host, app: &AppName) -> Result<Ran> {
    host.run(&Cmd::changes("dokku").args(["letsencrypt:enable", app.as_str()]))
}

/// Has certificates renewed by themselves.
pub fn add_cron_job(host: &Host) -> Result<()> {
    tell(host, ["letsencrypt:cron-job", "--add"]).map(drop)
}

/// Whether the host has an e-mail address for the apps that have none.
pub fn global_email(host: &Host) -> Result<bool> {
    let args = ["letsencrypt:report", "--global", "--format", "json"];
    // Not every version reports on the host; then Dokku's own error tells in time.
    let ran = host.run(&reading(args))?;
    let all: serde_json::Value = serde_json::from_str(ran.answer()).unwrap_or_default();
    let word = |key: &str| all[key].as_str().is_some_and(|text| !text.is_empty());
    Ok(word("email") || word("global-email") || word("computed-email"))
}
