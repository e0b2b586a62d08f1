//! `install` and `update`, run unchanged on a fake host.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use sha2::{Digest, Sha256};

use crate::plugin_copy::{PluginCopy, binary};
use crate::support::Output;

use dokku_matrix::entry::TRIGGERS;

const ASSET: &str = "dokku-matrix-x86_64-unknown-linux-musl";
const ORIGIN: &str = "https://example.org/someone/dokku-matrix.git";
const BUILDERS: &[&str] = &["cargo", "curl", "docker", "rustc"];

fn sums(content: &str) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(content) {
        write!(hex, "{byte:02x}").unwrap();
    }
    format!("0000  dokku-matrix-aarch64-unknown-linux-musl\n{hex}  {ASSET}\n")
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn uses_the_binary_of_a_tarball() {
    let copy = PluginCopy::new().with_cargo().with_docker().with_release(&[]);
    copy.write(&format!("prebuilt/{ASSET}"), &binary("the release"));
    let output = copy.install();
    assert_eq!(
        output.stdout,
        "-----> Installing the matrix plugin from the binary of its release\n       \
         Installed dokku-matrix 0.1.0\n"
    );
    assert_eq!(output.stderr, "");
    assert_eq!(copy.builder().unwrap(), "the release");
    assert_eq!(mode(&copy.root().join("bin/dokku-matrix")), 0o755);
    assert!(!copy.called_any(BUILDERS));
}

#[test]
fn checkout_ignores_prebuilt_binaries() {
    let copy = PluginCopy::new().with_git("other", ORIGIN).with_cargo();
    copy.write(&format!("prebuilt/{ASSET}"), &binary("the release"));
    copy.install();
    assert_eq!(copy.builder().unwrap(), "cargo");
}

#[test]
fn downloads_the_asset_of_a_released_tag() {
    let asset = binary("the release");
    let copy = PluginCopy::new()
        .with_git("v0.1.0", "https://user:secret@example.org/someone/dokku-matrix.git/")
        .with_release(&[(ASSET, &asset), ("SHA256SUMS", &sums(&asset))])
        .with_cargo();
    let output = copy.install();
    assert_eq!(output.stderr, "");
    assert_eq!(copy.builder().unwrap(), "the release");
    let calls = copy.calls();
    let curls: Vec<&String> = calls.iter().filter(|call| call.starts_with("curl")).collect();
    assert_eq!(curls.len(), 2, "{calls:?}");
    for (call, file) in curls.iter().zip(["SHA256SUMS", ASSET]) {
        let url =
            format!(" https://example.org/someone/dokku-matrix/releases/download/v0.1.0/{file}");
        assert!(call.ends_with(&url), "{call}");
        assert!(call.contains("--fail") && call.contains("--max-time"), "{call}");
    }
    assert!(!calls.iter().any(|call| call.starts_with("cargo")), "{calls:?}");
}

#[test]
fn rejects_an_asset_with_a_wrong_checksum() {
    let copy = PluginCopy::new()
        .with_git("v0.1.0", ORIGIN)
        .with_release(&[(ASSET, &binary("somebody else")), ("SHA256SUMS", &sums("the real one"))])
        .with_cargo();
    let output = copy.install();
    assert!(output.stderr.contains("does not match its SHA256SUMS"), "{}", output.stderr);
    assert_eq!(copy.builder().unwrap(), "cargo");
}

#[test]
fn builds_when_the_release_has_no_asset() {
    let copy = PluginCopy::new().with_git("v0.1.0", ORIGIN).with_release(&[]).with_cargo();
    let output = copy.install();
    assert!(output.stderr.contains("of the release v0.1.0"), "{}", output.stderr);
    assert_eq!(copy.builder().unwrap(), "cargo");
}

#[test]
fn downloads_nothing_for_a_changed_or_local_checkout() {
    let between = PluginCopy::new().with_git("nightly", ORIGIN);
    let changed = PluginCopy::new().with_git("v0.1.0", ORIGIN);
    changed.write("Cargo.lock", "# changed\n");
    let local = PluginCopy::new().with_git("v0.1.0", "file:///srv/dokku-matrix.git");
    for copy in [between, changed, local] {
        let copy = copy.with_release(&[]).with_cargo();
        copy.install();
        assert_eq!(copy.builder().unwrap(), "cargo");
        assert!(!copy.called_any(&["curl"]));
    }
}

#[test]
fn reads_a_checkout_of_another_user() {
    if !nix::unistd::geteuid().is_root() {
        return; // Only root can change the owner of files.
    }
    let asset = binary("the release");
    let copy = PluginCopy::new()
        .with_git("v0.1.0", ORIGIN)
        .with_release(&[(ASSET, &asset), ("SHA256SUMS", &sums(&asset))]);
    for path in ["", ".git", ".git/config"] {
        std::os::unix::fs::chown(copy.root().join(path), Some(1001), Some(1001)).unwrap();
    }
    copy.install();
    assert_eq!(copy.builder().unwrap(), "the release");
}

#[test]
fn cargo_build_leaves_the_checkout_clean() {
    let copy = PluginCopy::new().with_git("other", ORIGIN).with_cargo().with_docker();
    let output = copy.install();
    assert_eq!(output.stderr, "");
    assert_eq!(copy.builder().unwrap(), "cargo");
    let calls = copy.calls();
    assert!(
        calls.iter().any(|call| call.starts_with("cargo build --release --locked ")),
        "{calls:?}"
    );
    assert!(!calls.iter().any(|call| call.starts_with("docker")), "{calls:?}");
    assert!(!copy.root().join("target").exists());
    assert_eq!(copy.git(&["status", "--porcelain"]), "");
    let left: Vec<_> = fs::read_dir(copy.root().join("bin"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn cargo_prefers_musl() {
    let copy = PluginCopy::new().with_cargo();
    copy.fake("rustc", &format!("echo '{}'", copy.path().display()));
    copy.install();
    let calls = copy.calls();
    assert!(
        calls.iter().any(|call| call.contains("--target x86_64-unknown-linux-musl --manifest")),
        "{calls:?}"
    );
}

#[test]
fn builds_in_a_container_when_cargo_is_unusable() {
    let old = PluginCopy::new().with_cargo();
    old.fake("cargo", "echo 'cargo 1.63.0'");
    let failing = PluginCopy::new().with_cargo();
    failing.fake(
        "cargo",
        "case $1 in -*) echo cargo 1.95.0 ;; *) echo no memory >&2; exit 101 ;; esac",
    );
    for (copy, message) in
        [(old, "its version is 1.63.0, and the plugin needs 1.89"), (failing, "no memory")]
    {
        let copy = copy.with_docker();
        let output = copy.install();
        assert!(output.stderr.contains(message), "{}", output.stderr);
        assert_eq!(copy.builder().unwrap(), "docker");
    }
}

#[test]
fn container_build_gets_only_the_sources() {
    let copy = PluginCopy::new()
        .env("DOKKU_GLOBAL_RUN_ARGS", "--label=a=b --label=dokku")
        .with_git("other", ORIGIN)
        .with_docker();
    let output = copy.install();
    assert_eq!(output.stderr, "");
    assert_eq!(copy.builder().unwrap(), "docker");
    let call = copy.calls().into_iter().find(|call| call.starts_with("docker")).unwrap();
    assert!(call.starts_with("docker run --rm -i --label=a=b --label=dokku --label="), "{call}");
    assert!(call.contains(" rust:1-alpine sh -c"), "{call}");
    let sources = fs::read_to_string(copy.path().join("sources")).unwrap();
    assert!(sources.lines().any(|line| line == "./Cargo.lock"), "{sources}");
    assert!(!sources.contains("./.git/") && !sources.contains("./bin"), "{sources}");
}

#[test]
fn explains_what_to_install() {
    let copy = PluginCopy::new().with_git("other", ORIGIN);
    let output = copy.install();
    assert_eq!(output.stdout, "");
    assert_eq!(
        output.stderr,
        " !     The matrix plugin does not work yet: it has no binary, and none could be built.
 !     Do one of these:
 !     - install Rust 1.89 or newer (https://rustup.rs) and a C compiler, then run:
 !         sudo dokku plugin:install
 !     - install the tarball of a release, which contains binaries for x86_64 and aarch64:
 !         sudo dokku plugin:uninstall matrix
 !         sudo dokku plugin:install https://example.org/someone/dokku-matrix/releases/download/v0.1.0/dokku-matrix-0.1.0.tar.gz --name matrix
"
    );
    assert!(!copy.root().join("bin/dokku-matrix").exists());
}

#[test]
fn failed_build_keeps_the_old_binary() {
    let copy = PluginCopy::new().with_cargo();
    copy.install();
    copy.write("src/main.rs", "fn main() { broken }\n");
    copy.fake("cargo", "case $1 in -*) echo cargo 1.95.0 ;; *) exit 101 ;; esac");
    let output = copy.install();
    assert!(output.stderr.contains("the old binary stays in use"), "{}", output.stderr);
    assert_eq!(copy.builder().unwrap(), "cargo");
    assert!(!copy.root().join("target").exists());
}

/// Between `git pull` and a new binary, and after a failed build, Dokku calls the old one by the new
/// links. The first binaries had these triggers, and failed for any other.
#[test]
fn new_triggers_wait_for_a_new_binary() {
    const FIRST: [&str; 9] = [
        "nginx-app-template-source",
        "post-app-clone-setup",
        "post-app-rename",
        "post-app-rename-setup",
        "post-delete",
        "post-deploy",
        "pre-delete",
        "report",
        "scheduler-deploy",
    ];
    let copy = PluginCopy::new();
    // As Dokku finds them: it skips what is not a file.
    let found = || TRIGGERS.into_iter().filter(|name| copy.root().join(name).is_file());
    copy.copy_triggers();
    let old = copy.root().join("bin/dokku-matrix");
    copy.write("bin/dokku-matrix", &binary("the first version"));
    fs::set_permissions(old, fs::Permissions::from_mode(0o755)).unwrap();
    let output = copy.install();
    assert!(output.stderr.contains("the old binary stays in use"), "{}", output.stderr);
    assert!(found().eq(FIRST), "{:?}", found().collect::<Vec<_>>());

    let copy = copy.with_cargo();
    copy.install();
    assert!(TRIGGERS.iter().all(|name| copy.root().join(name).is_file()));
    // A binary that is up to date, from before there was such a link.
    fs::remove_file(copy.root().join("bin/trigger")).unwrap();
    copy.install();
    assert!(TRIGGERS.iter().all(|name| copy.root().join(name).is_file()));
}

#[test]
fn does_nothing_when_up_to_date() {
    let copy = PluginCopy::new().with_cargo();
    copy.install();
    copy.calls();
    for script in ["install", "update"] {
        let silent = Output { code: Some(0), stdout: String::new(), stderr: String::new() };
        assert_eq!(copy.run(script, &[]), silent);
    }
    assert!(!copy.called_any(BUILDERS));

    copy.write("src/main.rs", "fn main() { changed }\n");
    copy.run("update", &[]);
    assert!(copy.called_any(&["cargo"]), "changed sources are built");
    copy.fake("uname", "echo aarch64");
    copy.install();
    assert!(copy.called_any(&["cargo"]), "a binary is built for another machine");
}

#[test]
fn rejects_a_binary_that_does_not_run() {
    let copy = PluginCopy::new().with_cargo();
    copy.write(&format!("prebuilt/{ASSET}"), "\x7fELF of another machine\0");
    let output = copy.install();
    assert!(output.stderr.contains("does not run on this host"), "{}", output.stderr);
    assert_eq!(copy.builder().unwrap(), "cargo");
}

#[test]
fn exits_with_zero_after_an_unexpected_failure() {
    let copy = PluginCopy::new().with_cargo();
    copy.fake("sha256sum", "exit 3");
    let output = copy.install();
    assert!(output.stderr.contains("failed (exit code 3)"), "{}", output.stderr);
}

#[test]
fn reports_a_wrong_plugin_name() {
    let copy = PluginCopy::named("dokku-matrix.tar.gz").with_git("v0.1.0", ORIGIN).with_cargo();
    let output = copy.install();
    assert_eq!(
        output.stderr,
        format!(
            " !     The matrix plugin was installed as dokku-matrix.tar.gz: Dokku finds its commands only under the name matrix.
 !     To fix this:
 !       sudo dokku plugin:uninstall dokku-matrix.tar.gz
 !       sudo dokku plugin:install {ORIGIN} --name matrix
"
        )
    );
    assert_eq!(copy.builder(), None);
}

#[test]
fn directories_belong_to_the_dokku_user() {
    let copy = PluginCopy::new()
        .env("DOKKU_SYSTEM_USER", "paas")
        .env("DOKKU_SYSTEM_GROUP", "hosts")
        .with_cargo();
    copy.fake("ufw", "");
    copy.fake("visudo", "");
    copy.install();
    let lib = copy.path().join("lib");
    let data = lib.join("data/matrix");
    let calls: Vec<String> =
        copy.calls().into_iter().filter(|call| call.contains(" paas ")).collect();
    let data_path = data.display();
    assert_eq!(
        calls,
        [
            format!("runuser -u paas -g hosts -- mkdir -p -- {data_path}"),
            format!("runuser -u paas -g hosts -- chmod 0755 -- {data_path}"),
        ]
    );
    assert_eq!(mode(&data), 0o755);
    assert!(fs::read_to_string(copy.sudoers()).unwrap().contains("\npaas ALL=(root) NOPASSWD: "));
}

#[test]
fn sudoers_allows_only_the_firewall_commands() {
    let copy = PluginCopy::new();
    copy.fake("ufw", "");
    copy.fake("visudo", "");
    copy.install();
    let ufw = copy.path().join("fakes/ufw");
    let ufw = ufw.display();
    assert_eq!(
        fs::read_to_string(copy.sudoers()).unwrap(),
        format!(
            "# Written by the Dokku plugin matrix, which removes it when it is uninstalled.
dokku ALL=(root) NOPASSWD: {ufw} status
dokku ALL=(root) NOPASSWD: {ufw} allow 8448/tcp
dokku ALL=(root) NOPASSWD: {ufw} delete allow 8448/tcp
"
        )
    );
    assert_eq!(mode(&copy.sudoers()), 0o440);
    let calls: Vec<String> =
        copy.calls().into_iter().filter(|call| call.starts_with("visudo")).collect();
    assert!(
        calls[0].starts_with(&format!("visudo -cf {}.", copy.sudoers().display())),
        "a draft is validated, under a name that sudo does not read: {calls:?}"
    );

    copy.install();
    assert!(!copy.called_any(&["visudo"]), "an unchanged file is not written again");
    fs::set_permissions(copy.sudoers(), fs::Permissions::from_mode(0o644)).unwrap();
    copy.install();
    assert_eq!(mode(&copy.sudoers()), 0o440);
}

#[test]
fn real_visudo_accepts_the_sudoers_file() {
    let Ok(visudo) = which::which("visudo") else { return };
    let copy = PluginCopy::new();
    copy.fake("ufw", "");
    copy.fake("visudo", &format!("exec '{}' \"$@\"", visudo.display()));
    copy.install();
    assert!(copy.sudoers().exists());
}

/// The existing file was validated when it was written, and stays in use.
#[test]
fn removes_a_rejected_draft() {
    for visudo in ["exit 1", "exit 127"] {
        let copy = PluginCopy::new().with_cargo();
        copy.fake("ufw", "");
        copy.fake("visudo", visudo);
        fs::write(copy.sudoers(), "# of an older version\n").unwrap();
        let output = copy.install();
        assert!(output.stderr.contains("open port 8448 by hand"), "{}", output.stderr);
        assert_eq!(fs::read_to_string(copy.sudoers()).unwrap(), "# of an older version\n");
        assert_eq!(fs::read_dir(copy.sudoers().parent().unwrap()).unwrap().count(), 1);
        assert_eq!(copy.builder().unwrap(), "cargo", "the rest of the installation continues");
    }
}

#[test]
fn writes_no_sudoers_file_without_a_firewall() {
    let copy = PluginCopy::new();
    copy.fake("visudo", "");
    copy.install();
    assert!(!copy.sudoers().exists());
}

/// Whatever dokku may have put in the place of its directory: root follows no link there.
#[test]
fn changes_the_data_directory_only_as_dokku() {
    let copy = PluginCopy::new();
    let outside = copy.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o700)).unwrap();
    fs::create_dir_all(copy.path().join("lib/data")).unwrap();
    let data = copy.path().join("lib/data/matrix");
    symlink(&outside, &data).unwrap();
    // As dokku, who owns none of these directories.
    copy.fake("runuser", "echo 'chmod: Operation not permitted' >&2; exit 1");
    let output = copy.install();
    assert_eq!(mode(&outside), 0o700);
    assert!(!copy.called_any(&["chown", "chmod"]), "and its owner stays, too");
    assert!(
        output.stderr.contains(&format!(
            " !     {0} is no directory of dokku with mode 0755, and dokku cannot make it one.
 !     If it is not a link to another place: sudo chown dokku:dokku {0}
",
            data.display()
        )),
        "{}",
        output.stderr
    );
}

/// The same with the real `runuser`, which only root may call.
#[test]
fn root_follows_no_link_to_a_directory_of_root() {
    if !nix::unistd::geteuid().is_root() {
        return; // `changes_the_data_directory_only_as_dokku` covers the calls.
    }
    let copy =
        PluginCopy::new().env("DOKKU_SYSTEM_USER", "nobody").env("DOKKU_SYSTEM_GROUP", "nogroup");
    let runuser = which::which("runuser").unwrap();
    copy.fake("runuser", &format!("exec '{}' \"$@\"", runuser.display()));
    copy.fake("chown", "exec /bin/chown \"$@\"");
    let outside = copy.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o700)).unwrap();
    fs::create_dir_all(copy.path().join("lib/data")).unwrap();
    symlink(&outside, copy.path().join("lib/data/matrix")).unwrap();
    let output = copy.install();
    assert_eq!(mode(&outside), 0o700);
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&fs::metadata(&outside).unwrap()), 0);
    assert!(output.stderr.contains("cannot make it one"), "{}", output.stderr);
}

#[test]
fn writes_nothing_through_a_linked_directory() {
    for name in ["bin", "target"] {
        let copy = PluginCopy::new().with_cargo();
        let outside = copy.path().join("outside");
        fs::create_dir_all(outside.join("install/kept")).unwrap();
        let link = copy.root().join(name);
        symlink(&outside, &link).unwrap();
        let output = copy.install();
        assert_eq!(
            output.stderr,
            format!(
                " !     Not installing the binary: {0} is a link to {1}
 !     To remove the link and resume: sudo rm {0} && sudo dokku plugin:install
",
                link.display(),
                outside.display()
            )
        );
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "{name}");
        assert!(outside.join("install/kept").exists(), "{name}");
        assert!(!copy.called_any(&["cargo"]));
    }
}

/// `mv` into a directory that a link leads to would put the file there.
#[test]
fn replaces_a_link_in_the_place_of_the_binary() {
    let copy = PluginCopy::new().with_cargo();
    let outside = copy.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::create_dir(copy.root().join("bin")).unwrap();
    for file in ["dokku-matrix", "built-from"] {
        symlink(&outside, copy.root().join("bin").join(file)).unwrap();
    }
    let output = copy.install();
    assert_eq!(output.stderr, "");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(copy.builder().unwrap(), "cargo");
}

/// A link could make any file the binary, which everybody can read.
#[test]
fn copies_no_prebuilt_binary_behind_a_link() {
    let copy = PluginCopy::new().with_cargo();
    let outside = copy.path().join("outside");
    fs::write(&outside, binary("somebody else")).unwrap();
    fs::create_dir(copy.root().join("prebuilt")).unwrap();
    symlink(&outside, copy.root().join("prebuilt").join(ASSET)).unwrap();
    copy.install();
    assert_eq!(copy.builder().unwrap(), "cargo");
}
