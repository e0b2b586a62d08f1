//! `config:*`: an app's environment. Every value is treated as a secret.

use super::{change, json};
use crate::{
    error::Result,
    host::{Host, Reading, cmd::Cmd, secret::Secret},
    names::AppName,
};
use std::collections::BTreeMap;

/// The whole environment of an app; absent if there is no such app.
pub fn all(host: &Host, app: &AppName) -> Reading<BTreeMap<String, Secret>> {
    let pairs = json(host, &["config:export", "--format", "json", app.as_str()]);
    pairs.map(|pairs: BTreeMap<String, String>| {
        pairs.into_iter().map(|(name, value)| (name, Secret::new(value))).collect()
    })
}

/// One variable; absent if it is not set or there is no such app. Reads the whole environment,
/// which other callers read as well.
pub fn get(host: &Host, app: &AppName, name: &str) -> Reading<Secret> {
    all(host, app).and_then(|mut all| match all.remove(name) {
        Some(value) => {
            host.scrubber().learn(&value);
            Reading::Value(value)
        }
        None => Reading::Absent,
    })
}

/// Sets a variable that is not a secret, without a restart.
pub fn set(host: &Host, app: &AppName, name: &str, value: &str) -> Result<()> {
    let pair = format!("{name}={value}");
    let cmd = Cmd::changes("dokku").args(["config:set", "--no-restart", app.as_str(), &pair]);
    // Otherwise Dokku prints the value.
    host.must(&cmd.env("DOKKU_QUIET_OUTPUT", "1")).map(drop)
}

/// Removes a variable, without a restart.
pub fn unset(host: &Host, app: &AppName, name: &str) -> Result<()> {
    change(host, ["config:unset", "--no-restart", app.as_str(), name]).map(drop)
}
