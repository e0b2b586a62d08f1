//! Which other servers a homeserver talks to.

use crate::{
    error::{Error, Result},
    names::ServerName,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// Which other servers a homeserver talks to: `open`, `off`, or their names with commas between.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Federation {
    /// All.
    #[default]
    Open,
    /// None.
    Off,
    /// These.
    With(BTreeSet<ServerName>),
}

impl Federation {
    /// Whether it talks to all servers.
    pub fn is_open(&self) -> bool {
        *self == Self::Open
    }

    /// Whether it talks to that server.
    pub fn includes(&self, name: &str) -> bool {
        match self {
            Self::Open => true,
            Self::Off => false,
            Self::With(names) => names.iter().any(|one| one.as_str() == name),
        }
    }
}

impl FromStr for Federation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "open" => return Ok(Self::Open),
            "off" => return Ok(Self::Off),
            "" => {}
            _ => return text.split(',').map(str::parse).collect::<Result<_>>().map(Self::With),
        }
        Err(Error::usage("it must be open, off, or names of servers with commas between"))
    }
}

impl TryFrom<String> for Federation {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Federation> for String {
    fn from(federation: Federation) -> Self {
        federation.to_string()
    }
}

impl fmt::Display for Federation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Off => f.write_str("off"),
            Self::With(names) => {
                let names: Vec<_> = names.iter().map(ServerName::as_str).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_names() {
        for (text, wanted) in [
            ("open", "open"),
            ("off", "off"),
            ("b.example", "b.example"),
            ("b.example,a.example:8448,b.example", "a.example:8448,b.example"),
        ] {
            let federation: Federation = text.parse().unwrap();
            assert_eq!(federation.to_string(), wanted);
            let json = serde_json::to_string(&federation).unwrap();
            assert_eq!(json, format!("{wanted:?}"));
            assert_eq!(serde_json::from_str::<Federation>(&json).unwrap(), federation);
        }
        for text in ["", ",", "a.example,", "a.example, b.example", "Off", "https://a.example"] {
            assert!(text.parse::<Federation>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn includes_servers() {
        for (text, name, wanted) in [
            ("open", "a.example", true),
            ("off", "a.example", false),
            ("a.example", "a.example", true),
            ("a.example", "b.a.example", false),
        ] {
            assert_eq!(text.parse::<Federation>().unwrap().includes(name), wanted, "{text} {name}");
        }
    }
}
