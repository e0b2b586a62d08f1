//! A copy of the plugin's scripts that runs on a fake host: PATH contains only harmless programs
//! and fake ones, which record their calls.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::Output;
use dokku_matrix::entry::TRIGGERS;
use stand_in::Scratch;

/// The programs of the machine that the scripts may use.
const TOOLS: &[&str] = &[
    "bash",
    "cat",
    "chmod",
    "cp",
    "dirname",
    "env",
    "git",
    "grep",
    "head",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "sha256sum",
    "sort",
    "stat",
    "tail",
    "tar",
];

/// The files of the plugin that are copied. Nothing is built, so the sources are not needed.
const FILES: &[&str] = &[
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "commands",
    "install",
    "plugin.toml",
    "uninstall",
    "update",
];

pub(crate) struct PluginCopy {
    dir: Scratch,
    name: String,
    env: Vec<(String, String)>,
}

impl PluginCopy {
    /// On an x86-64 host without cargo, docker, curl, and ufw.
    pub(crate) fn new() -> Self {
        Self::named("matrix")
    }

    pub(crate) fn named(name: &str) -> Self {
        let copy = Self { dir: Scratch::new().unwrap(), name: name.into(), env: Vec::new() };
        for directory in ["fakes", "tools", "home", "sudoers.d"] {
            fs::create_dir(copy.dir.path().join(directory)).unwrap();
        }
        for tool in TOOLS {
            symlink(which::which(tool).unwrap(), copy.dir.path().join("tools").join(tool)).unwrap();
        }
        fs::create_dir_all(copy.root()).unwrap();
        for file in FILES {
            fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), copy.root().join(file))
                .unwrap();
        }
        copy.write("src/main.rs", "fn main() {}\n");
        copy.fake("uname", "echo x86_64");
        copy.fake("chown", "");
        // As whoever runs the test; the calls say as whom.
        copy.fake("runuser", "while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"");
        copy.env("DOKKU_MATRIX_CARGO", "none")
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Adds a fake program that records its call and then runs `script`.
    pub(crate) fn fake(&self, name: &str, script: &str) {
        let path = self.dir.path().join("fakes").join(name);
        let text =
            format!("#!/bin/sh\necho \"{name} $*\" >>'{}'\n{script}\n", self.log().display());
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Adds a C compiler, and a cargo that builds a binary and lacks the musl target.
    pub(crate) fn with_cargo(self) -> Self {
        self.fake("cc", "");
        self.fake("rustc", "echo /nonexistent");
        self.fake(
            "cargo",
            &format!(
                r#"case "$1" in
                    --version) echo "cargo 1.95.0 (f2d3ce0bd 2026-03-21)"; exit ;;
                    -vV) echo "host: x86_64-unknown-linux-gnu"; exit ;;
                esac
                while [ $# -gt 0 ]; do
                    case "$1" in --target) target=$2 ;; --target-dir) directory=$2 ;; esac
                    shift
                done
                mkdir -p "$directory/$target/release"
                echo '{}' >"$directory/$target/release/dokku-matrix""#,
                binary("cargo")
            ),
        );
        self.env("DOKKU_MATRIX_CARGO", "")
    }

    /// Adds a Docker whose containers read the sources and return a binary.
    pub(crate) fn with_docker(self) -> Self {
        let sources = self.dir.path().join("sources");
        let script = format!("tar -tf - >'{}'\necho '{}'", sources.display(), binary("docker"));
        self.fake("docker", &script);
        self
    }

    /// Adds a curl that finds only these files in the release.
    pub(crate) fn with_release(self, files: &[(&str, &str)]) -> Self {
        let release = self.dir.path().join("release");
        fs::create_dir(&release).unwrap();
        for (name, content) in files {
            fs::write(release.join(name), content).unwrap();
        }
        let script = format!(
            r#"while [ $# -gt 1 ]; do
                case "$1" in --output) output=$2 ;; esac
                shift
            done
            cp '{}'/"${{1##*/}}" "$output" 2>/dev/null || exit 22"#,
            release.display()
        );
        self.fake("curl", &script);
        self
    }

    /// Turns the copy into a checkout of `tag`, cloned from `origin`.
    pub(crate) fn with_git(self, tag: &str, origin: &str) -> Self {
        self.git(&["init", "--quiet"]);
        self.git(&["remote", "add", "origin", origin]);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "A version"]);
        self.git(&["tag", tag]);
        self
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = run(Command::new("git")
            .args(["-c", "user.name=A", "-c", "user.email=a@example.org"])
            .args(["-c", "safe.directory=*", "-C"])
            .arg(self.root())
            .args(args)
            .env("HOME", self.dir.path().join("home")));
        assert_eq!(output.code, Some(0), "git {args:?}: {}", output.stderr);
        output.stdout
    }

    pub(crate) fn run(&self, script: &str, args: &[&str]) -> Output {
        let path = self.dir.path();
        run(Command::new(self.root().join(script))
            .args(args)
            .env_clear()
            .env("PATH", format!("{0}/fakes:{0}/tools", path.display()))
            .env("HOME", path.join("home"))
            .env("DOKKU_LIB_ROOT", path.join("lib"))
            .env("DOKKU_MATRIX_SUDOERS", self.sudoers())
            .envs(self.env.iter().map(|(name, value)| (name, value))))
    }

    /// Runs `install`, which always exits with 0.
    pub(crate) fn install(&self) -> Output {
        let output = self.run("install", &[]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        output
    }

    /// Adds the links of the triggers.
    pub(crate) fn copy_triggers(&self) {
        for name in TRIGGERS {
            let link = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            symlink(fs::read_link(link).unwrap(), self.root().join(name)).unwrap();
        }
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// What built the installed binary.
    pub(crate) fn builder(&self) -> Option<String> {
        let text = fs::read_to_string(self.root().join("bin/dokku-matrix")).ok()?;
        Some(text.split("built by ").nth(1)?.trim().into())
    }

    /// The calls of fake programs since the last time this was called.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let _ = fs::remove_file(self.log());
        text.lines().map(String::from).collect()
    }

    /// Whether one of these programs was called since the last time the calls were read.
    pub(crate) fn called_any(&self, programs: &[&str]) -> bool {
        self.calls()
            .iter()
            .any(|call| programs.contains(&call.split(' ').next().unwrap_or_default()))
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("plugins/enabled").join(&self.name)
    }

    pub(crate) fn sudoers(&self) -> PathBuf {
        self.dir.path().join("sudoers.d/dokku-matrix")
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("calls")
    }
}

/// The text of a fake binary.
pub(crate) fn binary(builder: &str) -> String {
    format!("#!/bin/sh\n# built by {builder}")
}

pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
