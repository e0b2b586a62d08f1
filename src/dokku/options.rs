//! `docker-options:*`: the arguments that Dokku gives Docker for an app's containers.

use super::{change, json};
use crate::{
    error::Result,
    host::{Host, Reading},
    names::AppName,
};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// The options of an app, by phase. The administrator's may hold secrets: they are not printed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Options {
    /// For the containers that are deployed.
    #[serde(rename = "deploy-list")]
    pub deploy: Vec<String>,
    /// For the containers of `dokku run`.
    #[serde(rename = "run-list")]
    pub run: Vec<String>,
    /// For the containers of one process that are deployed, besides [`deploy`](Self::deploy).
    #[serde(flatten, deserialize_with = "of_processes")]
    pub of_process: BTreeMap<String, Vec<String>>,
}

/// The lists `deploy.<process>-list`; the report has each list as text, too.
fn of_processes<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    let mut lists = BTreeMap::new();
    for (key, value) in BTreeMap::<String, Value>::deserialize(from)? {
        let process = key.strip_prefix("deploy.").and_then(|rest| rest.strip_suffix("-list"));
        if let Some(process) = process {
            let list = serde_json::from_value(value).map_err(D::Error::custom)?;
            lists.insert(process.to_owned(), list);
        }
    }
    Ok(lists)
}

/// Where an option counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The phase: `deploy` or `run`.
    pub phase: &'static str,
    /// The one process that it counts for; `None` for all.
    pub process: Option<String>,
}

impl Scope {
    /// The words of a command that stand before the option.
    fn words<'a>(&'a self, app: &'a AppName) -> Vec<&'a str> {
        let process = self.process.iter().flat_map(|process| ["--process", process.as_str()]);
        process.chain([app.as_str(), self.phase]).collect()
    }

    /// The command that removes an option from it, for messages.
    pub fn removal(&self, app: &AppName, option: &str) -> String {
        format!("dokku docker-options:remove {} {option:?}", self.words(app).join(" "))
    }
}

impl Options {
    /// All options of containers that run, each with the scope that it counts in.
    pub fn all(&self) -> Vec<(Scope, &str)> {
        let scope = |phase, process: Option<&String>| Scope { phase, process: process.cloned() };
        let all = [(scope("deploy", None), &self.deploy), (scope("run", None), &self.run)];
        let processes = self.of_process.iter();
        let processes = processes.map(|(process, list)| (scope("deploy", Some(process)), list));
        let lists = all.into_iter().chain(processes);
        lists
            .flat_map(|(scope, list)| {
                list.iter().map(move |option| (scope.clone(), option.as_str()))
            })
            .collect()
    }
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

/// Removes an option from one scope.
pub fn remove_from(host: &Host, app: &AppName, scope: &Scope, option: &str) -> Result<()> {
    let words = ["docker-options:remove"].into_iter().chain(scope.words(app));
    change(host, words.chain([option])).map(drop)
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
            (r#"{"deploy-list":["-v /a:/b"],"run-list":[]}"#, Ok("deploy -v /a:/b")),
            (
                r#"{"build-list":["-x"],"deploy-list":[],"deploy.web":"-P","deploy.web-list":["-P"],"run":"-i","run-list":["-i"]}"#,
                Ok("run -i, deploy web -P"),
            ),
            (r#"{"deploy-list":["-v /a:/b"]}"#, Err("JSON without the field \"run-list\"")),
            (r#"{"deploy-list":"","run-list":[]}"#, Err("JSON with values of other types")),
            (r#"{"deploy-list":[5],"run-list":[]}"#, Err("JSON with values of other types")),
            (
                r#"{"deploy-list":[],"deploy.web-list":"","run-list":[]}"#,
                Err("JSON with values of other types"),
            ),
            (r#"{"deploy-list":["-v"#, Err("incomplete JSON")),
        ] {
            let got = what(parse::json::<Options>(&cmd(), &format!("{stdout}\n")));
            let got = got.map(|options| {
                let shown = |(scope, option): (Scope, &str)| match scope.process {
                    Some(process) => format!("{} {process} {option}", scope.phase),
                    None => format!("{} {option}", scope.phase),
                };
                options.all().into_iter().map(shown).collect::<Vec<_>>().join(", ")
            });
            assert_eq!(got, want.map(str::to_owned).map_err(str::to_owned), "{stdout}");
        }
    }

    #[test]
    fn hides_the_options() {
        let all = vec!["-e PASSWORD=hidden".to_owned()];
        let options = Options { deploy: all.clone(), run: all, ..Options::default() };
        assert_eq!(format!("{options:?}"), "Options(1 for deploy, 1 for run)");
    }
}
