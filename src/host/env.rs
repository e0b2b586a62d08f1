//! The environment variables and the caller of this process, and Dokku's directories.

use super::files;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;

/// The environment variables that the plugin uses, with Dokku's defaults.
#[derive(Clone, Debug)]
pub struct Env {
    vars: BTreeMap<String, String>,
}

impl Env {
    /// Reads the process's environment.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn read() -> Self {
        const NAMES: [&str; 15] = [
            "DOCKER_BIN",
            "DOKKU_APP_NAME",
            "DOKKU_LIB_HOST_ROOT",
            "DOKKU_LIB_ROOT",
            "DOKKU_MATRIX_DNS",
            "DOKKU_MATRIX_HTTP_PORT",
            "DOKKU_MATRIX_HTTPS_PORT",
            "DOKKU_MATRIX_8448_PORT",
            "DOKKU_MATRIX_LANES",
            "DOKKU_MATRIX_PATIENCE",
            "DOKKU_PID",
            "DOKKU_QUIET_OUTPUT",
            "DOKKU_ROOT",
            "DOKKU_SYSTEM_USER",
            "PLUGIN_ENABLED_PATH",
        ];
        let present = |name: &&str| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
            Some(((*name).to_owned(), value))
        };
        Self { vars: NAMES.iter().filter_map(present).collect() }
    }

    /// An environment with these variables, for tests.
    pub fn of(vars: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self { vars: vars.iter().map(owned).collect() }
    }

    /// The value of a variable; `None` if it is unset or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str)
    }

    fn path(&self, name: &str, default: &str) -> Utf8PathBuf {
        self.get(name).unwrap_or(default).into()
    }

    /// `/home/dokku`: one directory for each app.
    pub fn dokku_root(&self) -> Utf8PathBuf {
        self.path("DOKKU_ROOT", "/home/dokku")
    }

    /// `/var/lib/dokku`: properties and data of plugins.
    pub fn lib_root(&self) -> Utf8PathBuf {
        self.path("DOKKU_LIB_ROOT", "/var/lib/dokku")
    }

    /// A path below [`lib_root`](Self::lib_root) as the Docker daemon sees it: another one where
    /// Dokku itself runs in a container.
    pub fn for_daemon(&self, path: &Utf8Path) -> Utf8PathBuf {
        match (self.get("DOKKU_LIB_HOST_ROOT"), path.strip_prefix(self.lib_root())) {
            (Some(root), Ok(below)) => Utf8Path::new(root).join(below),
            _ => path.to_owned(),
        }
    }

    /// The directory of the enabled plugins.
    pub fn plugins(&self) -> Utf8PathBuf {
        self.path("PLUGIN_ENABLED_PATH", "/var/lib/dokku/plugins/enabled")
    }

    /// The name of the Docker client.
    pub fn docker(&self) -> &str {
        self.get("DOCKER_BIN").unwrap_or("docker")
    }

    /// The user that Dokku runs as.
    pub fn dokku_user(&self) -> &str {
        self.get("DOKKU_SYSTEM_USER").unwrap_or("dokku")
    }
}

/// The command line of the parent process, word by word; empty if it cannot be read.
pub fn caller() -> Vec<String> {
    let parent = nix::unistd::getppid();
    let line = files::read(format!("/proc/{parent}/cmdline").as_str().into());
    line.ok().flatten().unwrap_or_default().split('\0').map(str::to_owned).collect()
}
