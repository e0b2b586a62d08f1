//! Versions of Dokku and of its plugins.

use super::value;
use crate::{
    error::{Error, Result},
    host::{Host, files},
};
use std::{fmt, str::FromStr};

/// A version, `0.38.27`; what stands behind the three numbers does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let start = text.trim().trim_start_matches('v');
        let end = start.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(start.len());
        let mut numbers = start[..end].split('.').map(str::parse);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(a)), Some(Ok(b)), c) => Ok(Self(a, b, c.and_then(Result::ok).unwrap_or(0))),
            _ => Err(Error::new(format!("{text:?} is not a version"))),
        }
    }
}

/// The version of Dokku: from its file, as `dokku version` itself does, else asked.
pub fn dokku(host: &Host) -> Result<Version> {
    for name in ["STABLE_VERSION", "VERSION"] {
        if let Some(text) = files::read(&host.env().lib_root().join(name))?
            && let Ok(version) = text.parse()
        {
            return Ok(version);
        }
    }
    let text = value(host, &["version"])?.unwrap_or_default();
    text.rsplit(' ').next().unwrap_or_default().parse()
}

/// The version of an enabled plugin; `None` if it is not enabled.
pub fn plugin(host: &Host, name: &str) -> Result<Option<Version>> {
    let text = files::read(&host.env().plugins().join(name).join("plugin.toml"))?;
    let Some(text) = text else { return Ok(None) };
    let field = text.lines().find_map(|line| line.trim().strip_prefix("version"));
    let version = field.and_then(|rest| rest.trim().strip_prefix('='));
    let version = version.map(|value| value.trim().trim_matches('"'));
    // A plugin that does not tell its version is there all the same.
    Ok(Some(version.and_then(|text| text.parse().ok()).unwrap_or(Version(0, 0, 0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare() {
        let parse = |text: &str| text.parse::<Version>().unwrap();
        assert_eq!(parse("0.38.27\n"), Version(0, 38, 27));
        assert_eq!(parse("v0.39-rc1"), Version(0, 39, 0));
        assert!(parse("0.38.22") > parse("0.9.40"));
        assert!("dev".parse::<Version>().is_err());
    }
}
