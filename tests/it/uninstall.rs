//! `uninstall`, which Dokku runs whenever any plugin is removed.

use std::fs;

use crate::plugin_copy::PluginCopy;
use crate::support::Output;

/// Where the markers are, and where they were before version 2 of the plugin's files.
const MARKERS: &str = ".host/apps";
const OLD_MARKERS: &str = ".apps";

/// A host with a homeserver, its Element Web, and the plugin's sudoers file.
fn host(name: &str, markers: &str) -> PluginCopy {
    let copy = PluginCopy::named(name);
    let lib = copy.path().join("lib");
    for (app, marker) in [("matrix", "synapse example.org\n"), ("chat", "element example.org\n")] {
        let directory = lib.join("data/matrix").join(markers);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(app), marker).unwrap();
    }
    fs::create_dir_all(lib.join("data/matrix/example.org")).unwrap();
    fs::write(copy.sudoers(), "dokku ALL=(root) NOPASSWD: /usr/sbin/ufw status\n").unwrap();
    copy
}

#[test]
fn names_the_homeservers_and_keeps_the_data() {
    for markers in [MARKERS, OLD_MARKERS] {
        let copy = host("matrix", markers);
        let output = copy.run("uninstall", &["matrix"]);
        let lib = copy.path().join("lib").display().to_string();
        assert_eq!(
            output.stderr,
            " !     These homeservers keep running without the plugin's deploy guard and nginx template:
 !       matrix (example.org)
 !     Nothing refuses a clone or a second process any more: these would corrupt the databases.
 !     The next build of their nginx configuration uses Dokku's own template.
 !     The admin API stays hidden: its rules are in the nginx.conf.d of each app.
 !     To manage them again: sudo dokku plugin:install <repository> --name matrix
"
        );
        assert_eq!(
            output.stdout,
            format!(
                "-----> Keeping the data of the Matrix homeservers
       Keys, media, and configuration: {lib}/data/matrix
       Markers of the apps: {lib}/data/matrix/{markers}
       Databases: services of the plugin postgres (dokku postgres:list)
"
            )
        );
        assert_eq!(output.code, Some(0));
        assert!(!copy.sudoers().exists());
        assert!(copy.path().join("lib/data/matrix/example.org").exists());
        assert!(copy.path().join("lib/data/matrix").join(markers).join("matrix").exists());
    }
}

#[test]
fn ignores_other_plugins_and_names() {
    let silent = Output { code: Some(0), stdout: String::new(), stderr: String::new() };
    for (name, removed) in [
        ("matrix", "postgres"),
        ("matrix", "matrix-bridge"),
        ("matrix.tar.gz", "matrix.tar.gz"),
        ("matrix.tar.gz", "matrix"),
    ] {
        let copy = host(name, MARKERS);
        assert_eq!(copy.run("uninstall", &[removed]), silent, "{name}: uninstall {removed}");
        assert!(copy.sudoers().exists());
    }
}

#[test]
fn silent_without_homeservers() {
    let copy = PluginCopy::new();
    let silent = Output { code: Some(0), stdout: String::new(), stderr: String::new() };
    assert_eq!(copy.run("uninstall", &["matrix"]), silent);
    assert_eq!(copy.run("uninstall", &[]), silent);
}

#[test]
fn reports_what_cannot_be_removed() {
    let copy = PluginCopy::new();
    fs::create_dir(copy.sudoers()).unwrap();
    let output = copy.run("uninstall", &["matrix"]);
    assert_eq!(output.code, Some(0));
    assert!(output.stderr.contains("by hand"), "{}", output.stderr);
}

/// dokku may put anything among the markers, and root reads them.
#[test]
fn follows_no_link_and_waits_for_no_pipe() {
    let copy = PluginCopy::new();
    let markers = copy.path().join("lib/data/matrix").join(MARKERS);
    fs::create_dir_all(&markers).unwrap();
    let outside = copy.path().join("outside");
    fs::write(&outside, "synapse secret\n").unwrap();
    std::os::unix::fs::symlink(&outside, markers.join("link")).unwrap();
    nix::unistd::mkfifo(&markers.join("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let output = copy.run("uninstall", &["matrix"]);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
}
