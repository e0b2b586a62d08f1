//! The directories of recordings.

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;

/// The recordings in this repository.
pub(crate) fn committed() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/transcripts").into()
}

/// The recordings next to the checkout, or in `$DOKKU_TRANSCRIPTS`. Reports when there are none.
pub(crate) fn external() -> Option<PathBuf> {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/dokku-transcript");
    let configured = env::var_os("DOKKU_TRANSCRIPTS").map(PathBuf::from);
    let dir = configured.unwrap_or_else(|| shared.into());
    if dir.is_dir() {
        return Some(dir);
    }
    print_line("skipped: no transcripts beside the checkout");
    None
}

/// Prints a line even if the test passes: `cargo test` captures only the print macros.
pub(crate) fn print_line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
