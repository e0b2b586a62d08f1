//! `docker-options:*`: what containers are started with.

use super::{report, tell};
use crate::{error::Result, host::Host, names::AppName};

/// The options of an app, by phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Of the containers that serve.
    pub deploy: Vec<String>,
    /// Of `dokku run`.
    pub run: Vec<String>,
}

/// The options of an app; `None` if there is no such app.
pub fn of(host: &Host, app: &AppName) -> Result<Option<Options>> {
    let all = report(host, &["docker-options:report", app.as_str(), "--format", "json"])?;
    Ok(all.map(|all| {
        let list = |key: &str| {
            let items = all[key].as_array().into_iter().flatten();
            items.filter_map(|item| item.as_str()).map(str::to_owned).collect()
        };
        Options { deploy: list("deploy-list"), run: list("run-list") }
    }))
}

/// Adds an option for some phases, as in `deploy,run`.
pub fn add(host: &Host, app: &AppName, phases: &str, option: &str) -> Result<()> {
    tell(host, ["docker-options:add", app.as_str(), phases, option]).map(drop)
}

/// Takes an option away.
pub fn remove(host: &Host, app: &AppName, phases: &str, option: &str) -> Result<()> {
    tell(host, ["docker-options:remove", app.as_str(), phases, option]).map(drop)
}
