//! The files of version 1, which hosts still have: they load for ever, and each is replaced when
//! what it holds is written again.
//!
//! Then the status was spread over `server.json`, `judged`, `nginx/proved` and `making-service`,
//! and the markers were in `.apps`.

use super::{
    ComponentSpec, Federation, Paths, Spec, Status, Support, Tls, Verification, data_root,
    paths::host_root, store,
};
use crate::{
    error::{Error, Result},
    host::{Host, env::Env, files, lock},
    names::{AppName, Domain, Email, ImageRef, ServerName, ServiceName},
};
use camino::Utf8PathBuf;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `server.json` of version 1.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are those of the file")]
pub(super) struct Server {
    server_name: ServerName,
    app: AppName,
    domain: Domain,
    service: ServiceName,
    image: ImageRef,
    tls: Tls,
    port_8448: bool,
    email: Option<Email>,
    timeout: u32,
    support: Option<Support>,
    element: Option<ComponentSpec>,
    failed_image: Option<ImageRef>,
}

impl From<Server> for Spec {
    fn from(old: Server) -> Self {
        Self {
            server_name: old.server_name,
            app: old.app,
            domain: old.domain,
            service: old.service,
            image: old.image,
            tls: old.tls,
            port_8448: old.port_8448,
            federation: Federation::Open,
            email: old.email,
            timeout: old.timeout,
            support: old.support,
            components: old
                .element
                .map(|element| ("element".to_owned(), element))
                .into_iter()
                .collect(),
        }
    }
}

fn validated(paths: &Paths) -> Utf8PathBuf {
    paths.root().join("judged")
}

fn verified(paths: &Paths) -> Utf8PathBuf {
    paths.nginx().join("proved")
}

fn creating_service(paths: &Paths) -> Utf8PathBuf {
    paths.root().join("making-service")
}

/// The status of a homeserver that has no `status.json` yet.
pub(super) fn status(paths: &Paths) -> Result<Status> {
    let failed_image = match store::read(&paths.spec(), "Restore it from a backup.")? {
        Some(file) if file.version == 1 => file.parse::<Server>(&paths.spec())?.failed_image,
        _ => None,
    };
    let path = creating_service(paths);
    let creating_service = files::read(&path)?.map(|text| text.trim().parse());
    Ok(Status {
        plugin: None,
        validated: files::read(&validated(paths))?.map(|text| text.trim().to_owned()),
        settings: None,
        template: verification(paths)?,
        failed_image,
        started: BTreeMap::new(),
        written: BTreeMap::new(),
        served: BTreeMap::new(),
        creating_service: creating_service
            .transpose()
            .map_err(|error: Error| error.context(format!("{path} is damaged")))?,
        hold: None,
    })
}

/// One line with the digest; of a template that was refused `refused <digest>`, and why.
fn verification(paths: &Paths) -> Result<Option<Verification>> {
    let path = verified(paths);
    let (Some(text), Some(stat)) = (files::read(&path)?, files::stat(&path)?) else {
        return Ok(None);
    };
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let (digest, refused) = match first.strip_prefix("refused ") {
        Some(digest) => (digest, Some(rest.trim().to_owned())),
        None => (first, None),
    };
    Ok(Some(Verification { digest: digest.to_owned(), at: stat.changed, refused }))
}

/// Removes what `status.json` holds by now.
pub(super) fn remove_status(host: &Host, paths: &Paths) -> Result<()> {
    remove(host, [validated(paths), verified(paths), creating_service(paths)])
}

fn remove(host: &Host, files: impl IntoIterator<Item = Utf8PathBuf>) -> Result<()> {
    for path in files {
        if files::stat(&path)?.is_some() {
            files::remove(host, &path)?;
        }
    }
    Ok(())
}

/// The file of version 1. A directory of that name is a homeserver's: its server name is the same.
fn default_8448_file(env: &Env) -> Result<Option<Utf8PathBuf>> {
    let path = data_root(env).join("default-8448");
    let is_file = files::stat(&path)?.is_some_and(|stat| !stat.directory);
    Ok(is_file.then_some(path))
}

/// The default server on 8448 that version 1 recorded. One that is damaged counts as none: then it is
/// chosen again.
pub(super) fn default_8448(env: &Env) -> Result<Option<ServerName>> {
    let Some(path) = default_8448_file(env)? else { return Ok(None) };
    Ok(files::read(&path)?.and_then(|text| text.trim().parse().ok()))
}

/// Whether the file of version 1 is there.
pub(super) fn has_host_status(env: &Env) -> Result<bool> {
    Ok(default_8448_file(env)?.is_some())
}

/// Removes what `host.json` holds by now.
pub(super) fn remove_host_status(host: &Host) -> Result<()> {
    remove(host, default_8448_file(host.env())?)
}

/// Takes a lock file of version 1 once more, for an older plugin or what it left behind may still
/// hold it, and removes it.
pub(super) fn retire_lock(host: &Host, name: &str, command: &str) -> Result<()> {
    let path = data_root(host.env()).join(format!(".{name}.lock"));
    if files::stat(&path)?.is_some() {
        let _lock = lock::exclusive(host, &path, command)?;
        files::remove(host, &path)?;
    }
    Ok(())
}

/// Removes the lock files of version 1 of homeservers that have no directory any more: no command
/// will take them once more.
pub(super) fn remove_unused_locks(host: &Host) -> Result<()> {
    let root = data_root(host.env());
    for name in files::list(&root)? {
        let server = name.strip_prefix('.').and_then(|name| name.strip_suffix(".lock"));
        if let Some(server) = server
            && files::stat(&root.join(server))?.is_none()
        {
            lock::remove_unused(host, &root.join(&name))?;
        }
    }
    Ok(())
}

/// The markers, where they were.
pub(super) fn markers(env: &Env) -> Utf8PathBuf {
    data_root(env).join(".apps")
}

/// Moves the markers to where they are now. A link stays behind: an older version of the plugin,
/// should it be put back, must find them, and then refuse what a newer one has written.
pub(super) fn move_markers(host: &Host) -> Result<()> {
    let (old, new) = (markers(host.env()), host_root(host.env()).join("apps"));
    if files::stat(&new)?.is_some() || files::stat(&old)?.is_none() {
        return Ok(());
    }
    let parent = host_root(host.env());
    if files::stat(&parent)?.is_none() {
        files::make_directory(host, &parent, 0o755)?;
    }
    if let Err(error) = files::rename(host, &old, &new) {
        // Another process may have been faster.
        return if files::stat(&new)?.is_some() {
            Ok(())
        } else {
            Err(error.context("cannot move the markers"))
        };
    }
    files::link(host, ".host/apps".into(), &old)
}
