//! `config:*`: an app's environment. Values are secrets until somebody knows better.

use super::{NO_APP, reading};
use crate::{
    error::{Error, Result},
    host::{Host, cmd::Cmd, secret::Secret},
    names::AppName,
};
use std::collections::BTreeMap;

/// The whole environment of an app; `None` if there is no such app.
pub fn all(host: &Host, app: &AppName) -> Result<Option<BTreeMap<String, Secret>>> {
    let cmd = reading(["config:export", "--format", "json", app.as_str()]);
    let ran = host.run(&cmd)?;
    match ran.code {
        NO_APP => Ok(None),
        0 => {
            let pairs: BTreeMap<String, String> = serde_json::from_str(ran.answer())
                .map_err(|_| Error::new(format!("`{cmd}` did not answer with JSON")))?;
            Ok(Some(pairs.into_iter().map(|(name, value)| (name, Secret::new(value))).collect()))
        }
        _ => Err(host.failure(&cmd, &ran)),
    }
}

/// One value; `None` if it is not set or there is no such app. Asks for the whole environment,
/// which others ask for as well.
pub fn get(host: &Host, app: &AppName, name: &str) -> Result<Option<Secret>> {
    let value = all(host, app)?.and_then(|mut all| all.remove(name));
    if let Some(value) = &value {
        host.scrubber().learn(value);
    }
    Ok(value)
}

/// Sets a variable that is no secret, without a restart.
pub fn set(host: &Host, app: &AppName, name: &str, value: &str) -> Result<()> {
    let pair = format!("{name}={value}");
    let cmd = Cmd::changes("dokku").args(["config:set", "--no-restart", app.as_str(), &pair]);
    // Dokku echoes what it sets unless it is told to be quiet.
    host.must(&cmd.env("DOKKU_QUIET_OUTPUT", "1")).map(drop)
}

/// Takes a variable away, without a restart.
pub fn unset(host: &Host, app: &AppName, name: &str) -> Result<()> {
    super::tell(host, ["config:unset", "--no-restart", app.as_str(), name]).map(drop)
}
