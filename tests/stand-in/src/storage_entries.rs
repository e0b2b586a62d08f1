//! The named entries of `storage:create`: they belong to the host, and survive the apps.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::{Call, fail};

/// A named entry.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct StorageEntry {
    pub host: String,
    /// `Retain`, `Delete`, or empty.
    pub reclaim: String,
}

/// Dokku's file of an entry, which is also what `storage:info` prints.
pub(crate) fn text(name: &str, entry: &StorageEntry) -> String {
    let value = |text: &str| Value::from(text).to_string();
    let reclaim = match entry.reclaim.as_str() {
        "" => String::new(),
        policy => format!("  \"reclaim_policy\": {},\n", value(policy)),
    };
    format!(
        "{{\n  \"name\": {},\n  \"scheduler\": \"docker-local\",\n  \"host_path\": {},\n{reclaim}  \
         \"schema_version\": 1\n}}",
        value(name),
        value(&entry.host)
    )
}

pub(crate) fn path(call: &Call, name: &str) -> PathBuf {
    call.lib.join("data/storage-registry/entries").join(format!("{name}.json"))
}

/// Says that it leaves an entry in place, and replaces it all the same.
pub(crate) fn create(call: &Call, name: &str, host: &str, reclaim: Option<&str>) -> Result<()> {
    let default = call.lib.join("data/storage").join(name).display().to_string();
    let host = if host.is_empty() { default } else { host.to_owned() };
    if call.state()?.storage_entries.contains_key(name) {
        call.info1(format!("Storage entry {name} already exists, leaving in place"));
    }
    match fs::metadata(&host) {
        Ok(data) if !data.is_dir() => {
            return fail(format!("storage entry path {host} exists but is not a directory"));
        }
        Ok(_) => {}
        Err(_) => {
            fs::create_dir_all(&host)?;
            call.verbose(format!("Created {host}"));
        }
    }
    let entry = StorageEntry { host, reclaim: reclaim.unwrap_or_default().to_owned() };
    let file = path(call, name);
    fs::create_dir_all(file.parent().unwrap_or(Path::new("/")))?;
    fs::write(file, text(name, &entry))?;
    call.update(|state| {
        // The mounts have only the name of the entry.
        for mount in state.apps.values_mut().flat_map(|app| &mut app.mounts) {
            if mount.entry == name {
                mount.host.clone_from(&entry.host);
            }
        }
        state.storage_entries.insert(name.to_owned(), entry);
        Ok(())
    })?;
    call.info1(format!("Storage entry {name} created"));
    Ok(())
}

fn existing(call: &Call, name: &str) -> Result<StorageEntry> {
    match call.state()?.storage_entries.remove(name) {
        Some(entry) => Ok(entry),
        None => fail(format!("storage entry {name:?} does not exist")),
    }
}

pub(crate) fn info(call: &Call, name: &str, as_json: bool) -> Result<()> {
    let entry = existing(call, name)?;
    if as_json {
        call.line(text(name, &entry));
        return Ok(());
    }
    call.info1(format!("Storage entry {name}"));
    call.verbose("Scheduler:        docker-local");
    call.verbose(format!("Host path:        {}", entry.host));
    if !entry.reclaim.is_empty() {
        call.verbose(format!("Reclaim policy:   {}", entry.reclaim));
    }
    Ok(())
}

/// The directory stays.
pub(crate) fn destroy(call: &Call, name: &str) -> Result<()> {
    existing(call, name)?;
    let state = call.state()?;
    let using: Vec<&str> = state
        .apps
        .iter()
        .filter(|(_, app)| app.mounts.iter().any(|mount| mount.entry == name))
        .map(|(app, _)| app.as_str())
        .collect();
    if !using.is_empty() {
        let using = using.join(", ");
        return fail(format!("storage entry {name:?} is still mounted by app(s): {using}"));
    }
    call.update(|state| Ok(state.storage_entries.remove(name)))?;
    fs::remove_file(path(call, name))?;
    call.info1(format!("Storage entry {name} destroyed"));
    Ok(())
}
