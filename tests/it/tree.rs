//! The files of the plugin's directory, as Dokku sees them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::plugin_copy::run;

use dokku_matrix::{cmd, component::CATALOG, entry::TRIGGERS};

/// The shell scripts of the plugin and of its development.
const SCRIPTS: &[&str] =
    &["commands", "dev/bench", "dev/demo", "dev/deny", "dev/release", "install", "uninstall"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every path below `directory`, without what git ignores.
fn walk(directory: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let name = entry.file_name();
        if directory == root()
            && [".git", "bin", "dist", "prebuilt", "target"].iter().any(|n| name == *n)
        {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            paths.extend(walk(&path));
        }
        paths.push(path);
    }
    paths
}

/// The names of the symbolic links in `directory` that point to `target`.
fn links(directory: &Path, target: &str) -> BTreeSet<String> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| to == Path::new(target)))
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| String::from(*name)).collect()
}

fn subcommands() -> BTreeSet<String> {
    cmd::links(CATALOG).into_iter().collect()
}

fn version_in(file: &str) -> String {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let line = text.lines().find(|line| line.starts_with("version = ")).unwrap();
    line.trim_start_matches("version = ").trim_matches('"').into()
}

/// `dokku help` finds and runs every file with that name, at any depth.
#[test]
fn only_one_file_is_named_commands() {
    let named: Vec<PathBuf> =
        walk(root()).into_iter().filter(|path| path.ends_with("commands")).collect();
    assert_eq!(named, [root().join("commands")]);
}

#[test]
fn subcommands_are_links_to_the_binary() {
    let directory = root().join("subcommands");
    assert_eq!(links(&directory, "../bin/dokku-matrix"), subcommands());
    assert_eq!(fs::read_dir(directory).unwrap().count(), subcommands().len(), "and nothing else");
}

#[test]
fn triggers_are_links_to_the_binary() {
    let mut all = links(root(), "bin/dokku-matrix");
    all.extend(links(root(), "bin/trigger"));
    assert_eq!(all, names(&TRIGGERS));
    assert_eq!(links(root(), "install"), names(&["update"]));
}

/// Dokku runs commands whose name contains `plugin` as root, and those with `git` without quoting.
#[test]
fn dokku_treats_no_subcommand_specially() {
    assert!(subcommands().iter().all(|name| !name.contains("plugin") && !name.contains("git")));
}

#[test]
fn scripts_are_executable_and_valid() {
    for script in SCRIPTS {
        let path = root().join(script);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o100, 0o100, "{script}");
        let output = run(Command::new("bash").arg("-n").arg(&path));
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{script}");
        if which::which("shellcheck").is_ok() {
            let output = run(Command::new("shellcheck").arg(&path));
            assert_eq!(output.stdout, "", "{script}");
        }
    }
}

#[test]
fn plugin_and_package_versions_match() {
    assert_eq!(version_in("plugin.toml"), version_in("Cargo.toml"));
    let toml = fs::read_to_string(root().join("plugin.toml")).unwrap();
    assert!(toml.contains("[plugin.config]"), "plugn panics without it");
}

/// `install` considers a binary up to date if these directories are unchanged.
#[test]
fn included_files_trigger_a_rebuild() {
    for path in walk(&root().join("src")) {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for macro_name in ["include_str!(\"", "include_bytes!(\"", "include!(\""] {
            for (start, _) in text.match_indices(macro_name) {
                let file = text[start + macro_name.len()..].split('"').next().unwrap();
                let file = path.parent().unwrap().join(file).canonicalize().unwrap();
                let seen = ["src", "templates"].iter().any(|f| file.starts_with(root().join(f)));
                assert!(seen, "{} includes {}", path.display(), file.display());
            }
        }
    }
}
