//! The files that Dokku writes for an app below `$DOKKU_ROOT` and `$DOKKU_LIB_ROOT`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use crate::app::App;
use crate::call::Call;
use crate::storage_entries::{self, StorageEntry};

impl Call {
    /// `$DOKKU_ROOT/<app>`.
    pub(crate) fn home(&self, app: &str) -> PathBuf {
        self.root.join(app)
    }

    /// Writes `VHOST`, or removes it if the app has no domains.
    pub(crate) fn write_vhost(&self, name: &str, app: &App) -> Result<()> {
        let path = self.home(name).join("VHOST");
        if app.domains.is_empty() {
            remove(&path)
        } else {
            Ok(fs::write(path, lines(&app.domains))?)
        }
    }

    /// Writes `config/ps/<app>/scale`.
    pub(crate) fn write_scale(&self, name: &str, app: &App) -> Result<()> {
        let dir = self.lib.join("config/ps").join(name);
        fs::create_dir_all(&dir)?;
        let rows: Vec<String> =
            app.scale.iter().map(|(process, count)| format!("{process}={count}")).collect();
        Ok(fs::write(dir.join("scale"), lines(&rows))?)
    }

    /// Writes `config/nginx/<app>/<property>`: the directory exists with the app.
    pub(crate) fn write_nginx(&self, name: &str, app: &App) -> Result<()> {
        let dir = self.lib.join("config/nginx").join(name);
        remove(&dir)?;
        fs::create_dir_all(&dir)?;
        for (property, value) in &app.nginx {
            let path = dir.join(property);
            fs::write(&path, value)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        }
        Ok(())
    }

    /// Writes `config/storage/<app>/mounts` and the storage entries that it refers to.
    pub(crate) fn write_mounts(&self, name: &str, app: &App) -> Result<()> {
        let (dir, entries) = (
            self.lib.join("config/storage").join(name),
            self.lib.join("data/storage-registry/entries"),
        );
        fs::create_dir_all(&dir)?;
        fs::create_dir_all(&entries)?;
        let mut rows = Vec::new();
        for mount in &app.mounts {
            // Those of named entries are there since `storage:create`.
            if mount.entry.starts_with("legacy-") {
                let entry = StorageEntry { host: mount.host.clone(), ..StorageEntry::default() };
                let file = entries.join(format!("{}.json", mount.entry));
                fs::write(file, storage_entries::text(&mount.entry, &entry))?;
            }
            let mut row = json!({
                "entry_name": mount.entry, "container_path": mount.container,
                "phases": ["deploy", "run"], "process_type": "_default_",
            });
            if mount.readonly {
                row["readonly"] = true.into();
            }
            rows.push(row.to_string());
        }
        Ok(fs::write(dir.join("mounts"), lines(&rows))?)
    }

    /// The container ids in the files `CONTAINER.<process>.<index>`, sorted by process and index.
    pub(crate) fn container_files(&self, name: &str) -> Vec<(String, u32, String)> {
        let mut ids = Vec::new();
        let Ok(dir) = self.home(name).read_dir() else { return ids };
        for entry in dir.flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            let Some((process, index)) =
                file.strip_prefix("CONTAINER.").and_then(|rest| rest.rsplit_once('.'))
            else {
                continue;
            };
            if let (Ok(index), Ok(id)) = (index.parse(), fs::read_to_string(entry.path())) {
                ids.push((process.to_owned(), index, id.trim().to_owned()));
            }
        }
        ids.sort();
        ids
    }

    pub(crate) fn container_file(&self, name: &str, process: &str, index: u32) -> PathBuf {
        self.home(name).join(format!("CONTAINER.{process}.{index}"))
    }
}

/// Joins rows, each terminated by a newline.
pub(crate) fn lines(rows: &[String]) -> String {
    rows.iter().flat_map(|row| [row.as_str(), "\n"]).collect()
}

/// Removes a file or a directory. A missing path is not an error.
pub(crate) fn remove(path: &Path) -> Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path)?;
    } else if path.exists() {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Copies the contents of a directory, except the entries in `skip`.
pub(crate) fn copy(from: &Path, to: &Path, skip: &[&str]) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in from.read_dir()?.flatten() {
        let name = entry.file_name();
        if skip.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to.join(name), &[])?;
        } else {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}
