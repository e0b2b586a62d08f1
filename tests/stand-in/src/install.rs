//! Installs the plugin on a stand-in host, as `plugin:install` and the plugin's own `install` do.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result};

use crate::scene::Scene;

impl Scene {
    /// Installs the plugin from a repository with a prebuilt binary. The binary is linked or, with
    /// real parts, copied to a place that the user dokku can read.
    pub fn install_plugin(&self, repository: &Path, binary: &Path) -> Result<()> {
        let to = self.path().join("plugin");
        fs::create_dir_all(to.join("bin"))?;
        let own = to.join("bin/dokku-matrix");
        if self.address().is_some() {
            copy(binary, &own, 0o755)?;
        } else {
            symlink(binary, &own)?;
        }
        symlink("dokku-matrix", to.join("bin/trigger"))?;
        for dir in ["", "subcommands"] {
            fs::create_dir_all(to.join(dir))?;
            for entry in repository.join(dir).read_dir()? {
                let entry = entry?;
                if let Ok(target) = fs::read_link(entry.path()) {
                    symlink(target, to.join(dir).join(entry.file_name()))?;
                }
            }
        }
        for (file, mode) in [("commands", 0o755), ("plugin.toml", 0o644)] {
            copy(&repository.join(file), &to.join(file), mode)?;
        }
        let data = self.lib().join("data/matrix");
        fs::create_dir_all(&data)?;
        self.give_to_dokku(&self.lib().join("data"))?;
        self.link_plugin(&to)
    }
}

/// Copies a file with the mode that it has on a host, not that of a private checkout.
fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    Ok(fs::set_permissions(to, Permissions::from_mode(mode))?)
}
