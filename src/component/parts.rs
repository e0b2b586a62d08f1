//! The parts of a component: what it sees, writes, needs of nginx, and is asked.

use super::Component;
use crate::{
    error::Result,
    host::{Host, env::Env, net::Reply},
    synapse::health::Readiness,
};
use camino::Utf8PathBuf;
use std::collections::BTreeMap;

/// A file or directory of the host that a container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The path on the host.
    pub source: Utf8PathBuf,
    /// The path in the container.
    pub target: &'static str,
    /// Whether the container may only read it.
    pub readonly: bool,
    /// The last part of the name of its storage entry. `None` for a file: Dokku's named entries are
    /// directories.
    pub entry: Option<&'static str>,
}

/// A file that is written for a component. It holds no secret: everybody may read it.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it is.
    pub path: Utf8PathBuf,
    /// Its content, from what is recorded and from the administrator's own file by then.
    pub text: Text,
}

/// Makes the content of a file.
pub type Text = fn(&Env, &Component) -> Result<String>;

/// Whom a container runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Dokku's own user: no file of it needs root.
    Dokku,
    /// Whom its image says.
    OfImage,
}

/// A property of Dokku's nginx that must have at least a value; what is more stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtLeast {
    /// The property of `nginx:set`.
    pub property: &'static str,
    /// The value, as nginx writes it.
    pub value: String,
    /// What the value measures.
    pub measure: Measure,
}

/// What the value of an nginx property measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A size, `50m`; 0 is "without a limit".
    Size,
    /// A time, `180s`.
    Time,
}

/// Asks the component at an address, `ip:port`, whether it is ready.
pub type Probe = fn(&Host, &str) -> Result<Readiness>;

/// The files that the container of a component reads when it starts, by names that do not depend on
/// the host.
pub type ReadAtStart = fn(&Env, &Component) -> Result<BTreeMap<String, Utf8PathBuf>>;

/// The files that are written for a component.
#[expect(clippy::unnecessary_wraps, reason = "others can fail")]
pub(super) fn own_files(_: &Env, component: &Component) -> Result<BTreeMap<String, Utf8PathBuf>> {
    let name = |path: &Utf8PathBuf| path.file_name().unwrap_or_default().to_owned();
    let paths = component.files.iter().map(|file| &file.path);
    Ok(paths.map(|path| (name(path), path.clone())).collect())
}

/// What is asked of a component in public.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The path.
    pub path: &'static str,
    /// On which port.
    pub port: QuestionPort,
    /// Whether an answer is right.
    pub expect: fn(&Reply) -> bool,
}

/// The port that a public question goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuestionPort {
    /// 443, or 80 as long as there is no certificate.
    Web,
    /// 443; not asked as long as there is no certificate.
    Https,
    /// 8448; not asked as long as there is no certificate.
    Federation,
}
