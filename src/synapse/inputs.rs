//! What Synapse reads when it starts: the files below `/config`, and those that these name.
//!
//! Synapse reads everything once, when it starts; a `SIGHUP`, on which it reads certificates and
//! `log.config` again, is not sent. It reads some templates again at each use: a restart for one of
//! these is not needed, but does no harm. What it writes, and what it only serves, is not here: the
//! media, the templates of `user_consent`. Decides nothing about what changed.

use super::config::DIRECTORY;
use crate::{
    dokku::storage,
    error::Result,
    host::{digest::Digest, env::Env, files},
    state::Spec,
};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use std::collections::BTreeMap;

/// The settings whose paths Synapse does not read when it starts: it writes there, or reads later.
/// What a module does with its settings is not known.
const NOT_READ: [&str; 8] = [
    "media_store_path",
    "uploads_path",
    "backup_media_store_path",
    "media_storage_providers",
    "pid_file",
    "database",
    "user_consent",
    "modules",
];

/// The settings that name a directory of templates.
const DIRECTORIES: [&str; 2] = ["template_dir", "custom_template_directory"];

/// The files, by their paths in the container.
///
/// # Errors
/// A directory or a file of the configuration cannot be read.
pub fn files(env: &Env, spec: &Spec) -> Result<BTreeMap<String, Utf8PathBuf>> {
    let paths = spec.paths(env);
    let mut mounts =
        vec![("/config".to_owned(), paths.config()), ("/data".to_owned(), paths.data())];
    for mount in storage::recorded(env, spec.app.as_str())? {
        mounts.push((mount.container, mount.host.into()));
    }
    files_of(&paths.config(), &mounts)
}

/// Adds the files to a digest.
///
/// # Errors
/// As [`files`].
pub fn add_to(digest: &mut Digest, env: &Env, spec: &Spec) -> Result<()> {
    files(env, spec)?.iter().try_for_each(|(name, path)| digest.file(name, path))
}

fn files_of(
    config: &Utf8Path,
    mounts: &[(String, Utf8PathBuf)],
) -> Result<BTreeMap<String, Utf8PathBuf>> {
    let mut found = BTreeMap::new();
    collect(config, "/config", &mut found)?;
    let sources = found.iter().filter(|(name, _)| name.starts_with(DIRECTORY));
    let mut named = vec![];
    for (_, path) in sources {
        // Synapse rejects a file that is no YAML.
        let text = files::read(path)?.unwrap_or_default();
        if let Ok(content) = serde_yaml::from_str::<Value>(&text) {
            paths_in(&content, false, &mut named);
        }
    }
    for (name, is_directory) in named {
        let Some(path) = on_host(&name, mounts) else { continue };
        match files::stat(&path)? {
            Some(stat) if stat.directory && is_directory => collect(&path, &name, &mut found)?,
            Some(stat) if stat.directory => {}
            _ => drop(found.insert(name, path)),
        }
    }
    Ok(found)
}

/// All files of a directory but those of editors, and those that Synapse ignores.
fn collect(
    directory: &Utf8Path,
    name: &str,
    found: &mut BTreeMap<String, Utf8PathBuf>,
) -> Result<()> {
    for entry in files::list(directory)? {
        let (path, name) = (directory.join(&entry), format!("{name}/{entry}"));
        let is_ignored = entry.starts_with('.')
            || entry.ends_with('~')
            || (name.starts_with(DIRECTORY) && path.extension() != Some("yaml"));
        if files::stat(&path)?.is_some_and(|stat| stat.directory) {
            // Of its own directory Synapse reads no directories.
            if !name.starts_with(DIRECTORY) || name == DIRECTORY {
                collect(&path, &name, found)?;
            }
        } else if !is_ignored {
            found.insert(name, path);
        }
    }
    Ok(())
}

/// The absolute paths in a configuration, and whether each is that of a directory of templates.
fn paths_in(content: &Value, is_directory: bool, named: &mut Vec<(String, bool)>) {
    match content {
        Value::String(text) if text.starts_with('/') => named.push((text.clone(), is_directory)),
        Value::Array(items) => {
            items.iter().for_each(|item| paths_in(item, is_directory, named));
        }
        Value::Object(fields) => {
            for (key, value) in fields.iter().filter(|(key, _)| !NOT_READ.contains(&key.as_str())) {
                paths_in(value, DIRECTORIES.contains(&key.as_str()), named);
            }
        }
        _ => {}
    }
}

/// Where a path of the container is on the host, if it is in a mount.
fn on_host(path: &str, mounts: &[(String, Utf8PathBuf)]) -> Option<Utf8PathBuf> {
    let path = Utf8Path::new(path);
    // A mount may be inside another one.
    let inside = mounts.iter().filter(|(container, _)| path.starts_with(container));
    let (container, host) = inside.rev().max_by_key(|(container, _)| container.len())?;
    let below = path.strip_prefix(container).ok()?;
    Some(if below.as_str().is_empty() { host.clone() } else { host.join(below) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_the_configuration_names() {
        let (_guard, root) = files::scratch().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            files::write_scratch(&path, text).unwrap();
        };
        write("config/log.config", "");
        write(
            "config/homeserver.d/90-local.yaml",
            "\
            app_service_config_files: [/data/bridge.yaml, /bridge/registration.yaml, /gone/x.yaml]\n\
            media_store_path: /data/media\npid_file: /data/pid\nmodules: [{config: {f: /data/state}}]\n\
            listeners: [{port: 1, resources: [{names: [/data/bridge.yaml]}]}]\n\
            templates: {custom_template_directory: /data/templates}\nemail: {template_dir: /config/t}\n\
            user_consent: {template_dir: /data/consent}\nworker_replication_secret_path: /data/missing\n\
            oidc_providers: [{client_secret_path: /data/sub/secret}]\nsome_directory: /data/other\n",
        );
        for name in [
            "config/homeserver.d/90-local.yaml~",
            "config/homeserver.d/.90-local.yaml.swp",
            "config/homeserver.d/README",
            "config/homeserver.d/sub/x.yaml",
            "config/secrets/signing.key",
            "config/t/a.html",
            "data/bridge.yaml",
            "data/consent/a.html",
            "data/media/a",
            "data/other/a",
            "data/pid",
            "data/state",
            "data/sub/secret",
            "data/templates/sub/a.html",
            "data/templates/a.html",
            "other/registration.yaml",
        ] {
            write(name, "");
        }
        let mounts = [("/config", "config"), ("/data", "data"), ("/bridge", "other")]
            .map(|(container, host)| (container.to_owned(), root.join(host)));
        let found = files_of(&root.join("config"), &mounts).unwrap();
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "/bridge/registration.yaml",
                "/config/homeserver.d/90-local.yaml",
                "/config/log.config",
                "/config/secrets/signing.key",
                "/config/t/a.html",
                "/data/bridge.yaml",
                "/data/missing",
                "/data/sub/secret",
                "/data/templates/a.html",
                "/data/templates/sub/a.html",
            ]
        );
        assert_eq!(found["/bridge/registration.yaml"], root.join("other/registration.yaml"));
        // A file as a mount of its own, inside of another one.
        let file = ("/data/bridge.yaml".to_owned(), root.join("other/registration.yaml"));
        let mounts = [mounts[1].clone(), file];
        let path = on_host("/data/bridge.yaml", &mounts);
        assert_eq!(path, Some(root.join("other/registration.yaml")));
        assert_eq!(on_host("/database.yaml", &mounts), None);
    }
}
