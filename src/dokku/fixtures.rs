//! The files of Dokku and its plugins that are read without asking them, as Dokku 0.38.27 and
//! dokku-postgres 1.48.0 wrote them on a real host; only the names were changed.
//!
//! For each: what it says, and that another form and a file that cannot be read are errors.

use super::{domains, letsencrypt, nginx, postgres, ps, storage};
use crate::host::{Host, env::Env, files, run::Nowhere};
use camino::{Utf8Path, Utf8PathBuf};
use std::{fs, sync::Arc};

/// A copy of the fixtures that a test may damage.
fn copy() -> (tempfile::TempDir, Utf8PathBuf, Host) {
    let (guard, root) = files::scratch().unwrap();
    let from = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dokku/fixtures");
    copy_into(&from, &root);
    let (home, lib) = (root.join("home"), root.join("lib"));
    let env = Env::of(&[("DOKKU_ROOT", home.as_str()), ("DOKKU_LIB_ROOT", lib.as_str())]);
    (guard, root, Host::new(env, Arc::new(Nowhere), true))
}

fn copy_into(from: &Utf8Path, to: &Utf8Path) {
    for entry in from.read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_into(entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What the files say, in one line; an error instead where one of them is not what it should be.
type Read = fn(&Host) -> Result<String, String>;

const READS: [(&str, Read, &str, &str); 5] = [
    (
        "home/matrix/VHOST",
        |host| {
            domains::owners(host, "m.example.test")
                .map(|all| all.join(" "))
                .map_err(|error| text(&error))
        },
        "matrix",
        "a b",
    ),
    (
        "home/matrix/CONTAINER.web.1",
        |host| {
            ps::recorded_ids(host, &app()).map(|all| all.join(" ")).map_err(|error| text(&error))
        },
        "03855ea9c3dfd2d3534b0814d1f67e89f8ec513dbde54745d94aed147d807005",
        "03855ea9c3df",
    ),
    (
        "lib/config/ps/matrix/scale",
        |host| {
            ps::recorded_scale(host.env(), "matrix")
                .map(|all| format!("{all:?}"))
                .map_err(|error| text(&error))
        },
        r#"{"web": 1}"#,
        "web",
    ),
    ("lib/config/storage/matrix/mounts", mounts, MOUNTS, "/a:/b"),
    (
        "lib/data/storage-registry/entries/media.json",
        mounts,
        MOUNTS,
        r#"{"schema_version":2,"host_path":"/a"}"#,
    ),
];

const MOUNTS: &str = "/var/lib/dokku/data/matrix/example.test/config:/config:ro \
    /var/lib/dokku/data/matrix/example.test/data:/data";

fn mounts(host: &Host) -> Result<String, String> {
    let mounts = storage::recorded(host.env(), "matrix").map_err(|error| text(&error))?;
    Ok(mounts.iter().map(storage::Mount::spec).collect::<Vec<_>>().join(" "))
}

fn app() -> crate::names::AppName {
    "matrix".parse().unwrap()
}

fn text(error: &crate::error::Error) -> String {
    error.message().to_owned()
}

#[test]
fn reads_what_dokku_has_written() {
    let (_guard, _, host) = copy();
    for (path, read, wanted, _) in READS {
        assert_eq!(read(&host), Ok(wanted.to_owned()), "{path}");
    }
    // These two say yes; where they do not, the plugin is asked.
    let email = "a@example.test".parse().unwrap();
    assert!(letsencrypt::has_email(&host, &app(), &email).unwrap());
    assert!(postgres::linked(&host, &"matrix-db".parse().unwrap(), &app()).unwrap());
}

#[test]
fn refuses_another_form() {
    for (path, read, _, other) in READS {
        let (_guard, root, host) = copy();
        files::write_scratch(&root.join(path), other).unwrap();
        let error = read(&host).unwrap_err();
        assert!(error.contains(root.as_str()), "{path}: {error}");
    }
}

#[test]
fn refuses_a_file_that_cannot_be_read() {
    for (path, read, ..) in READS {
        let (_guard, root, host) = copy();
        fs::remove_file(root.join(path)).unwrap();
        fs::create_dir(root.join(path)).unwrap();
        let error = read(&host).unwrap_err();
        assert!(error.contains("cannot read"), "{path}: {error}");
    }
}

/// An app that has no such file has nothing recorded; an entry of a mount must be there.
#[test]
fn a_missing_file_is_absent() {
    for (path, read, ..) in READS {
        let (_guard, root, host) = copy();
        fs::remove_file(root.join(path)).unwrap();
        let is_entry = path.ends_with("media.json");
        assert_eq!(read(&host).is_err(), is_entry, "{path}");
    }
}

/// These two answer without a program: an empty mark that is there, and a setting that is not.
#[test]
fn a_mark_is_read_by_its_presence() {
    let (_guard, root, host) = copy();
    assert!(letsencrypt::autorenews(&host, &app()).unwrap());
    fs::remove_file(root.join("lib/config/scheduler/matrix/selected")).unwrap();
    let scheduler = nginx::scheduler(&host, &app()).option().unwrap();
    assert_eq!(scheduler.as_deref(), Some("docker-local"));
}
