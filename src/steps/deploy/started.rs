//! What the containers of a component were started with: whether the files are still those.
//!
//! The record is written right before each deploy that the guard sees, and says: each container but
//! those that ran then has read these files, or newer ones. That stays true whoever starts one
//! (Docker after a crash, a boot, somebody by hand), and where nothing could be recorded. So a
//! container is current if it is none of these and the files are as recorded; else it is restarted.
//! No clock and no time of a file is asked. Starts nothing.

use crate::{
    component::Component,
    dokku::{
        docker::{self, Container},
        postgres,
    },
    error::Result,
    host::{Host, digest::Digest},
    state::{Started, Status},
};

/// What differs between what a container was started with and what it would be started with now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// The files, or it is not known which ones it has read.
    Files,
    /// The container of the database.
    Database,
}

/// The difference; `None` if there is none.
pub(super) fn difference(
    host: &Host,
    component: &Component,
    container: &Container,
) -> Result<Option<Difference>> {
    let status = Status::read(host.env(), &component.spec.server_name)?;
    let started = status.started.get(component.kind.name);
    let Some(started) = started.filter(|started| !started.except.contains(&container.id)) else {
        return Ok(Some(Difference::Files));
    };
    let now = current(host, component)?;
    Ok(if started.files != now.files {
        Some(Difference::Files)
    } else if now.database.is_some() && started.database != now.database {
        Some(Difference::Database)
    } else {
        None
    })
}

/// Records what the next container of a component is started with. Nothing may be started between
/// this and the deploy.
///
/// # Errors
/// A file, or the record, cannot be read or written. The record then still tells the truth.
pub fn record_start(host: &Host, component: &Component) -> Result<()> {
    let (name, kind) = (&component.spec.server_name, component.kind.name);
    let mut now = current(host, component)?;
    let status = Status::read(host.env(), name)?;
    if status
        .started
        .get(kind)
        .is_some_and(|started| started.files == now.files && started.database == now.database)
    {
        return Ok(());
    }
    now.except = docker::running_ids(host, &component.app)?;
    Status::update(host, name, |status| drop(status.started.insert(kind.to_owned(), now)))
}

/// Forgets what the containers of a component were started with: from now on it is not known.
pub fn forget_start(host: &Host, component: &Component) -> Result<()> {
    let (name, kind) = (&component.spec.server_name, component.kind.name);
    if !Status::read(host.env(), name)?.started.contains_key(kind) {
        return Ok(());
    }
    Status::update(host, name, |status| drop(status.started.remove(kind)))
}

/// What a container would be started with now.
fn current(host: &Host, component: &Component) -> Result<Started> {
    let mut digest = Digest::default();
    for (name, path) in (component.read_at_start)(host.env(), component)? {
        digest.file(&name, &path)?;
    }
    let database = if component.uses_database {
        postgres::container_id(host, &component.spec.service).option()?
    } else {
        None
    };
    Ok(Started { files: digest.finish(), database, except: vec![] })
}
