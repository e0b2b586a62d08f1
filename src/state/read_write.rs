//! How specs and statuses are read and written: `server.json`, `status.json`, `.host/host.json`.

use super::{
    Hold, HostStatus, Paths, Spec, Status, data_root, locks, paths::host_root, store, version1,
};
use crate::{
    error::{Error, Result},
    host::{Host, env::Env, files},
    names::ServerName,
};

/// What to do with a damaged or missing spec.
const RESTORE: &str = "Restore it from a backup.";
/// What to do with a damaged status. A hold that was in it would be lost with it.
const REMOVE_STATUS: &str =
    "If no restore, import, or upgrade was interrupted, remove it: what it tells is done again.";
/// What to do with a damaged status of the host.
const REMOVE_HOST_STATUS: &str = "Remove it: what it tells is done again.";

impl Spec {
    /// Reads what is recorded; `None` if that homeserver was never created.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or was written by a newer version of the plugin.
    pub fn read(env: &Env, server_name: &ServerName) -> Result<Option<Self>> {
        let path = Paths::new(env, server_name).spec();
        let Some(file) = store::read(&path, RESTORE)? else { return Ok(None) };
        match file.version {
            1 => Ok(Some(file.parse::<version1::Server>(&path)?.into())),
            _ => file.parse(&path).map(Some),
        }
    }

    /// Reads what must be recorded.
    pub fn load(env: &Env, server_name: &ServerName) -> Result<Self> {
        Self::read(env, server_name)?.ok_or_else(|| {
            let path = Paths::new(env, server_name).spec();
            Error::new(format!("{path} is missing")).hint(RESTORE)
        })
    }

    /// Whether an older version of the plugin wrote the file.
    pub fn is_outdated(env: &Env, server_name: &ServerName) -> Result<bool> {
        let file = store::read(&Paths::new(env, server_name).spec(), RESTORE)?;
        Ok(file.is_some_and(|file| file.version < store::VERSION))
    }

    /// Records it. Of a file of an older version, the part that belongs into the status is moved
    /// there first.
    pub fn write(&self, host: &Host) -> Result<()> {
        if Self::is_outdated(host.env(), &self.server_name)? {
            Status::update(host, &self.server_name, |_| ())?;
        }
        store::write(host, &self.paths(host.env()).spec(), self, files::PUBLIC)
    }

    /// All homeservers of this host, also those whose file cannot be read: what such a one needs is
    /// not known, so nothing that may belong to it is given away.
    pub fn all(env: &Env) -> Result<Vec<(ServerName, Result<Self>)>> {
        let mut all = vec![];
        for directory in files::list(&data_root(env))? {
            let Ok(name) = directory.replace('_', ":").parse::<ServerName>() else { continue };
            let spec = Self::read(env, &name).transpose();
            all.extend(spec.map(|spec| (name, spec)));
        }
        Ok(all)
    }
}

impl Status {
    /// Reads what is recorded; the default if nothing is.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or was written by a newer version of the plugin.
    pub fn read(env: &Env, server_name: &ServerName) -> Result<Self> {
        let paths = Paths::new(env, server_name);
        match store::read(&paths.status(), REMOVE_STATUS)? {
            Some(file) => file.parse(&paths.status()),
            None => version1::status(&paths),
        }
    }

    /// What must be finished before the homeserver may start. Files of version 1 hold no such thing,
    /// and are not read.
    pub fn hold(env: &Env, server_name: &ServerName) -> Result<Option<Hold>> {
        let path = Paths::new(env, server_name).status();
        let Some(file) = store::read(&path, REMOVE_STATUS)? else { return Ok(None) };
        file.parse::<Self>(&path).map(|status| status.hold)
    }

    /// Changes what is recorded. Steps of this process and triggers of others do so at the same
    /// time: none loses what another has written.
    pub fn update(
        host: &Host,
        server_name: &ServerName,
        change: impl FnOnce(&mut Self),
    ) -> Result<()> {
        let paths = Paths::new(host.env(), server_name);
        let _lock = locks::writing(host)?;
        let mut status = Self::read(host.env(), server_name)?;
        change(&mut status);
        // Of short secrets it holds digests.
        store::write(host, &paths.status(), &status, files::PRIVATE)?;
        version1::remove_status(host, &paths)
    }
}

impl HostStatus {
    /// Reads what is recorded; the default if nothing is.
    pub fn read(env: &Env) -> Result<Self> {
        let path = host_root(env).join("host.json");
        let old = version1::default_8448(env)?;
        let Some(file) = store::read(&path, REMOVE_HOST_STATUS)? else {
            return Ok(Self { default_8448: old });
        };
        let new: Self = file.parse(&path)?;
        // An older plugin has chosen another one since: which one nginx has must be found out.
        let agree = old.is_none() || old == new.default_8448;
        Ok(if agree { new } else { Self { default_8448: None } })
    }

    /// Records it, under [`locks::host`] only.
    pub fn write(&self, host: &Host) -> Result<()> {
        store::write(host, &host_root(host.env()).join("host.json"), self, files::PUBLIC)?;
        version1::remove_host_status(host)
    }

    /// Writes what an older version recorded in the format of this one.
    pub fn migrate(host: &Host) -> Result<()> {
        if version1::has_host_status(host.env())? {
            let _lock = locks::host(host)?;
            Self::read(host.env())?.write(host)?;
        }
        Ok(())
    }
}
