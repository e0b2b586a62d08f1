//! Versions of Dokku and of its plugins. Does not decide which ones are supported.

use super::value;
use crate::{
    error::{Doing, Error, Result},
    host::{Host, Reading, files},
};
use std::{fmt, str::FromStr};

/// A version, `0.38.27`; whatever follows the three numbers is ignored.
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
        match (numbers.next(), numbers.next(), numbers.next().unwrap_or(Ok(0))) {
            (Some(Ok(a)), Some(Ok(b)), Ok(c)) => Ok(Self(a, b, c)),
            _ => Err(Error::new(format!("{text:?} is not a version"))),
        }
    }
}

/// The version of Dokku: from the files that `dokku version` itself reads, else from that command.
pub fn dokku(host: &Host) -> Result<Version> {
    for name in ["STABLE_VERSION", "VERSION"] {
        if let Some(text) = files::read(&host.env().lib_root().join(name))?
            && let Ok(version) = text.parse()
        {
            return Ok(version);
        }
    }
    let text = value(host, &["version"])
        .required(|| Error::new("`dokku version` does not print a version"))?;
    // `dokku version 0.38.27`
    let version = text.rsplit_once(' ').map_or(text.as_str(), |(_, version)| version);
    version.parse::<Version>().doing(|| "`dokku version`".to_owned())
}

/// The version of a plugin, 0.0.0 if the plugin does not give one; absent if the plugin is not
/// enabled.
pub fn plugin(host: &Host, name: &str) -> Reading<Version> {
    let path = host.env().plugins().join(name).join("plugin.toml");
    Reading::from(files::read(&path))
        .and_then(|text: String| in_plugin_toml(&text).map_err(|error| error.context(&path)).into())
}

fn in_plugin_toml(text: &str) -> Result<Version> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let mut versions = pairs.filter(|(key, _)| key.trim() == "version");
    let Some((_, value)) = versions.next() else { return Ok(Version(0, 0, 0)) };
    // Without its closing quote the file is cut off.
    let quoted = ['"', '\''].into_iter().find_map(|quote| {
        value.trim().strip_prefix(quote)?.split_once(quote).map(|(version, _)| version)
    });
    match quoted.ok_or_else(|| Error::new("the version is malformed"))? {
        "" => Ok(Version(0, 0, 0)),
        version => version.parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_versions() {
        let parse = |text: &str| text.parse::<Version>().unwrap();
        assert_eq!(parse("0.38.27\n"), Version(0, 38, 27));
        assert_eq!(parse("v0.39-rc1"), Version(0, 39, 0));
        assert!(parse("0.38.22") > parse("0.9.40"));
        for bad in ["dev", "", "0", "0.38.", "0..1"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_plugin_toml() {
        for (text, want) in [
            ("[plugin]\ndescription = \"x\"\nversion = \"0.25.1\"\n", Some(Version(0, 25, 1))),
            ("[plugin]\nversion=\"1.2\"", Some(Version(1, 2, 0))),
            ("[plugin]\ndescription = \"version\"\n", Some(Version(0, 0, 0))),
            ("", Some(Version(0, 0, 0))),
            ("[plugin]\nversion = '1.2.3' # now\n", Some(Version(1, 2, 3))),
            ("[plugin]\nversion = \"0.2", None),
            ("[plugin]\nversion = \"\"\n", Some(Version(0, 0, 0))),
            ("[plugin]\nversion = \"unknown\"\n", None),
        ] {
            assert_eq!(in_plugin_toml(text).ok(), want, "{text:?}");
        }
    }
}
