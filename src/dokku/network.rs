//! `network:*`: which networks an app's containers are in, and whether Dokku publishes their ports.

use super::{change, json};
use crate::{
    error::Result,
    host::{Host, Reading},
    names::AppName,
};
use serde::Deserialize;

/// The network of an app: its own value of a property overrules the host's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Network {
    #[serde(rename = "computed-bind-all-interfaces")]
    bind_all_interfaces: String,
    /// The network that its containers are created in; empty for Docker's default one.
    #[serde(rename = "computed-initial-network")]
    pub initial: String,
}

impl Network {
    /// Whether Dokku publishes the ports of its map on all interfaces.
    pub fn is_public(&self) -> bool {
        self.bind_all_interfaces == "true"
    }
}

/// The network of an app; absent if there is no such app.
pub fn of(host: &Host, app: &AppName) -> Reading<Network> {
    json(host, &["network:report", app.as_str(), "--format", "json"])
}

/// Sets a property of an app.
pub fn set(host: &Host, app: &AppName, property: &str, value: &str) -> Result<()> {
    change(host, ["network:set", app.as_str(), property, value]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dokku::parse::{
        self,
        tests::{cmd, what},
    };

    #[test]
    fn requires_both_properties() {
        for (stdout, want) in [
            (
                r#"{"computed-bind-all-interfaces":"true","computed-initial-network":"host"}"#,
                Ok((true, "host")),
            ),
            (
                r#"{"bind-all-interfaces":"true","computed-bind-all-interfaces":"false","computed-initial-network":""}"#,
                Ok((false, "")),
            ),
            (
                r#"{"computed-initial-network":""}"#,
                Err("JSON without the field \"computed-bind-all-interfaces\""),
            ),
            (
                r#"{"computed-bind-all-interfaces":true,"computed-initial-network":""}"#,
                Err("JSON with values of other types"),
            ),
            (r#"{"computed"#, Err("incomplete JSON")),
        ] {
            let got = what(parse::json::<Network>(&cmd(), &format!("{stdout}\n")));
            let got = got.map(|network| (network.is_public(), network.initial));
            let want = want.map(|(public, initial)| (public, initial.to_owned()));
            assert_eq!(got, want.map_err(str::to_owned), "{stdout}");
        }
    }
}
