//! Where recordings lie, and how it is told which are not there.

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;

/// This repository's recordings.
pub(crate) fn committed() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/transcripts").into()
}

/// Recordings beside the checkout, or in `$DOKKU_TRANSCRIPTS`; it is said when there are none.
pub(crate) fn beside() -> Option<PathBuf> {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/dokku-transcript");
    let given = env::var_os("DOKKU_TRANSCRIPTS").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| shared.into());
    if folder.is_dir() {
        return Some(folder);
    }
    tell("skipped: no transcripts beside the checkout");
    None
}

/// Says something that a test which passes may not keep to itself.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
