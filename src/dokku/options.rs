//! `docker-options:*`: the arguments that Dokku gives Docker for an app's containers.

use super::{change, json};
use crate::{
    error::Result,
    host::{Host, Reading},
    names::AppName,
};
use serde::Deserialize;
use std::fmt;

/// The options of an app, by phase. The administrator's may hold secrets: they are not printed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Options {
    /// For the containers that are deployed.
    #[serde(rename = "deploy-list")]
    pub deploy: Vec<String>,
    /// For the containers of `dokku run`.
    #[serde(rename = "run-list")]
    pub run: Vec<String>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Options({} for deploy, {} for run)", self.deploy.len(), self.run.len())
    }
}

/// The options of an app; absent if there is no such app.
pub fn of(host: &Host, app: &AppName) -> Reading<Options> {
    json(host, &["docker-options:report", app.as_str(), "--format", "json"])
}

/// Adds an option for some phases, such as `deploy,run`.
pub fn add(host: &Host, app: &AppName, phases: &str, option: &str) -> Result<()> {
    change(host, ["docker-options:add", app.as_str(), phases, option]).map(drop)
}

/// Removes an option from some phases.
pub fn remove(host: &Host, app: &AppName, phases: &str, option: &str) -> Result<()> {
    change(host, ["docker-options:remove", app.as_str(), phases, option]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dokku::parse::{
        self,
        tests::{cmd, what},
    };

    #[test]
    fn requires_both_lists() {
        for (stdout, want) in [
            (r#"{"deploy-list":["-v /a:/b"],"run-list":[]}"#, Ok("-v /a:/b")),
            (r#"{"deploy-list":["-v /a:/b"]}"#, Err("JSON without the field \"run-list\"")),
            (r#"{"deploy-list":"","run-list":[]}"#, Err("JSON with values of other types")),
            (r#"{"deploy-list":[5],"run-list":[]}"#, Err("JSON with values of other types")),
            (r#"{"deploy-list":["-v"#, Err("incomplete JSON")),
        ] {
            let got = what(parse::json::<Options>(&cmd(), &format!("{stdout}\n")));
            let got = got.map(|options| options.deploy.join(" "));
            assert_eq!(got, want.map(str::to_owned).map_err(str::to_owned), "{stdout}");
        }
    }

    #[test]
    fn hides_the_options() {
        let all = vec!["-e PASSWORD=hidden".to_owned()];
        let options = Options { deploy: all.clone(), run: all };
        assert_eq!(format!("{options:?}"), "Options(1 for deploy, 1 for run)");
    }
}
