//! Digests: whether texts and files have the content that they had before, whatever the clock says.
//!
//! A digest of few or short secrets could be guessed: it belongs into a private file.

use super::random::hex;
use crate::error::{Doing, Result};
use camino::Utf8Path;
use sha2::Sha256;
use std::{fs::File, io::Read};

/// A digest in the making. Each part has its length before it, so that two lists of parts with the
/// same concatenation differ.
#[derive(Debug, Default)]
pub struct Digest(Sha256);

impl Digest {
    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        self.length(text.len() as u64);
        sha2::Digest::update(&mut self.0, text);
    }

    /// Adds the content of a file under a name. What is there, but no regular file, has none: it is
    /// not opened.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn file(&mut self, name: &str, path: &Utf8Path) -> Result<()> {
        self.text(name);
        let doing = || format!("cannot read {path}");
        match std::fs::metadata(path) {
            Ok(data) if data.is_file() => {}
            Ok(_) => {
                self.text("no file");
                return Ok(());
            }
            Err(error) if super::files::absent(&error) => {
                self.text("absent");
                return Ok(());
            }
            Err(error) => return Err(super::files::cannot_read(path, &error)),
        }
        let mut file = File::open(path).map_err(|error| super::files::cannot_read(path, &error))?;
        let (mut buffer, mut length) = (vec![0; 1 << 16], 0);
        self.text("file");
        loop {
            let read = file.read(&mut buffer).doing(doing)?;
            if read == 0 {
                // At the end, for it may grow while it is read.
                self.length(length);
                return Ok(());
            }
            sha2::Digest::update(&mut self.0, &buffer[..read]);
            length += read as u64;
        }
    }

    fn length(&mut self, length: u64) {
        sha2::Digest::update(&mut self.0, length.to_le_bytes());
    }

    /// The digest, in hexadecimal digits.
    pub fn finish(self) -> String {
        hex(&sha2::Digest::finalize(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files;
    use std::collections::BTreeSet;

    fn of(add: impl FnOnce(&mut Digest)) -> String {
        let mut digest = Digest::default();
        add(&mut digest);
        digest.finish()
    }

    #[test]
    fn parts_are_kept_apart() {
        let all = [
            of(|_| ()),
            of(|d| d.text("")),
            of(|d| d.text("ab")),
            of(|d| ["a", "b"].iter().for_each(|text| d.text(text))),
            of(|d| ["b", "a"].iter().for_each(|text| d.text(text))),
        ];
        assert_eq!(BTreeSet::from(all.clone()).len(), all.len());
    }

    #[test]
    fn depends_on_the_content_of_a_file_alone() {
        let (_guard, directory) = files::scratch().unwrap();
        let path = directory.join("file");
        let digest = || of(|d| d.file("name", &path).unwrap());
        let absent = digest();
        files::write_scratch(&path, "one").unwrap();
        let one = digest();
        files::write_scratch(&path, "two").unwrap();
        let two = digest();
        files::write_scratch(&path, "one").unwrap();
        assert_eq!(digest(), one);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(digest(), absent);
        std::fs::create_dir(&path).unwrap();
        let directory = digest();
        assert_eq!(BTreeSet::from([absent, one, two, directory]).len(), 4);
    }
}
