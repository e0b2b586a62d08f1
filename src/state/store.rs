//! The one reader and the one writer of the plugin's own files: whole, versioned, strict.

use crate::{
    error::{Doing, Error, Result},
    host::{Host, files},
};
use camino::Utf8Path;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// The version that this program writes into its files.
pub(super) const VERSION: u64 = 2;

/// A file of the plugin as it was read.
pub(super) struct Versioned {
    /// The version of the program's files that wrote it.
    pub version: u64,
    repair: &'static str,
    fields: Map<String, Value>,
}

impl Versioned {
    /// The content, in the form of this version.
    pub(super) fn parse<T: DeserializeOwned>(self, path: &Utf8Path) -> Result<T> {
        serde_json::from_value(Value::Object(self.fields))
            .map_err(|error| damaged(path, &error, self.repair))
    }
}

/// Reads a file; `None` if there is none. `repair` says what to do with a damaged one.
///
/// # Errors
/// It cannot be read, is damaged, or was written by a newer version of the plugin.
pub(super) fn read(path: &Utf8Path, repair: &'static str) -> Result<Option<Versioned>> {
    #[derive(Deserialize)]
    struct File {
        version: u64,
        #[serde(flatten)]
        fields: Map<String, Value>,
    }
    let Some(text) = files::read(path)? else { return Ok(None) };
    let file: File = serde_json::from_str(&text).map_err(|error| damaged(path, &error, repair))?;
    if file.version > VERSION {
        return Err(Error::new(format!("{path} was written by a newer version of this plugin"))
            .hint("sudo dokku plugin:update matrix"));
    }
    Ok(Some(Versioned { version: file.version, repair, fields: file.fields }))
}

/// Writes a file with the version of this program.
pub(super) fn write<T: Serialize>(
    host: &Host,
    path: &Utf8Path,
    content: &T,
    mode: u32,
) -> Result<()> {
    #[derive(Serialize)]
    struct File<'a, T> {
        version: u64,
        #[serde(flatten)]
        content: &'a T,
    }
    let file = File { version: VERSION, content };
    let text = serde_json::to_string_pretty(&file).doing(|| format!("cannot write {path}"))?;
    write_text(host, path, &text, mode)
}

/// Writes a file of text; the directory is made if it is not there.
pub(super) fn write_text(host: &Host, path: &Utf8Path, text: &str, mode: u32) -> Result<()> {
    if let Some(directory) = path.parent()
        && files::stat(directory)?.is_none()
    {
        files::make_directory(host, directory, 0o755)?;
    }
    files::write(host, path, &format!("{text}\n"), mode)
}

fn damaged(path: &Utf8Path, error: &serde_json::Error, repair: &str) -> Error {
    Error::new(format!("{path} is damaged: {error}")).hint(repair)
}
