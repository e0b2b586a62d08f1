//! What an app is to the plugin: its marker, together with the evidence for it.
//!
//! A marker only knows a name, and Dokku calls no trigger of a plugin that is disabled, or whose
//! files are restored from a backup: the name may be another app's by now. What an app has mounted,
//! and its label, go with the app through a rename and a clone, and are gone with it. Must not
//! destroy or change an app.

use super::{Catalog, LABEL, Role};
use crate::{
    dokku::{apps, options, storage},
    error::{Create, Error, Result},
    host::{Host, Reading},
    names::{AppName, ServerName},
    state::{Marker, Spec, data_root, marker},
};
use camino::Utf8Path;

/// What an app is to the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// It has nothing to do with a homeserver, or nothing that would do harm.
    Stranger,
    /// It runs a component of a homeserver.
    Component {
        /// The name of the component's kind.
        kind: String,
        /// Whose component it is.
        server: ServerName,
    },
    /// It is a copy of a homeserver's app, and must never run.
    Clone,
    /// A component is recorded under this name, and there is no app of this name.
    Gone {
        /// The name of the component's kind.
        kind: String,
        /// Whose component it was.
        server: ServerName,
    },
    /// A component is recorded under this name, and by now another app has the name.
    Replaced {
        /// The name of the component's kind.
        kind: String,
        /// Whose component it was.
        server: ServerName,
    },
    /// It is a component whose app was renamed while the plugin was not told.
    Renamed {
        /// The name of the component's kind.
        kind: String,
        /// Whose component it is.
        server: ServerName,
        /// The name that is recorded.
        old: AppName,
    },
}

/// What an app is.
///
/// # Errors
/// It cannot be known: then it may be anything.
pub fn of(host: &Host, catalog: Catalog, app: &str) -> Result<Identity> {
    with_marker(host, catalog, app, marker::read(host.env(), app)?)
}

/// What an app with this marker is, or without one.
///
/// # Errors
/// As [`of`].
pub fn with_marker(
    host: &Host,
    catalog: Catalog,
    app: &str,
    marker: Option<Marker>,
) -> Result<Identity> {
    match marker {
        None => unmarked(host, catalog, app),
        Some(marker) => Ok(match (marker.clone(), has_evidence(host, app, &marker)?) {
            (Marker::Clone, true) => Identity::Clone,
            (Marker::Clone, false) => Identity::Stranger,
            (Marker::Component { kind, server }, true) => Identity::Component { kind, server },
            (Marker::Component { kind, server }, false) if exists(host, app)? => {
                Identity::Replaced { kind, server }
            }
            (Marker::Component { kind, server }, false) => Identity::Gone { kind, server },
        }),
    }
}

/// An app that no marker names: it may have lost its marker, or have been renamed or cloned.
fn unmarked(host: &Host, catalog: Catalog, app: &str) -> Result<Identity> {
    let mounted = match component_mounted(host, catalog, app) {
        // On a host without a homeserver no app can be one.
        Err(_) if Spec::all(host.env())?.is_empty() => None,
        mounted => mounted?,
    };
    let Some((kind, server)) = mounted else { return Ok(Identity::Stranger) };
    // A kind that is not known may be one that must not run twice.
    let harmless = catalog.find(&kind).is_some_and(|kind| !kind.single_process);
    let copy = if harmless { Identity::Stranger } else { Identity::Clone };
    // Whose it is cannot be known where the record cannot be read.
    let Ok(Some(spec)) = Spec::read(host.env(), &server) else { return Ok(copy) };
    let Some(recorded) = recorded(catalog, &spec, &kind) else { return Ok(copy) };
    if recorded.as_str() == app {
        return Ok(Identity::Component { kind, server });
    }
    if is_there(host, recorded, &Marker::component(&kind, &server))? {
        return Ok(copy);
    }
    let old = recorded.clone();
    match &holders(host, catalog, &kind, &server)?[..] {
        [_] => Ok(Identity::Renamed { kind, server, old }),
        // Which of them it is nobody knows.
        _ => Ok(copy),
    }
}

/// The app that runs a component now: the recorded one, or the one that it was renamed to; `None` if
/// there is no such app any more.
///
/// # Errors
/// Several apps have its directories mounted, or it cannot be known.
pub fn current_app(
    host: &Host,
    catalog: Catalog,
    spec: &Spec,
    kind: &str,
) -> Result<Option<AppName>> {
    let server = &spec.server_name;
    let Some(recorded) = recorded(catalog, spec, kind) else { return Ok(None) };
    if is_there(host, recorded, &Marker::component(kind, server))? {
        return Ok(Some(recorded.clone()));
    }
    match &holders(host, catalog, kind, server)?[..] {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        [one, other, ..] => Err(Error::new(format!(
            "{one} and {other} both have the directories of the homeserver {server} mounted"
        ))
        .hint("Destroy the one that is a clone: dokku apps:destroy <app>")),
    }
}

/// Records the new name of a component's app. First the new marker: should this be interrupted, the
/// guard refuses the app rather than lets it pass.
pub fn record_rename(
    host: &Host,
    catalog: Catalog,
    (kind, server): (&str, &ServerName),
    old: &str,
    new: &AppName,
) -> Result<()> {
    let ours = Marker::component(kind, server);
    marker::write(host, new.as_str(), &ours)?;
    let mut spec = Spec::load(host.env(), server)?;
    match spec.components.get_mut(kind) {
        Some(component) if component.app.as_str() == old => component.app = new.clone(),
        None if kind == catalog.homeserver().name => spec.app = new.clone(),
        _ => {}
    }
    spec.write(host)?;
    if marker::read(host.env(), old)? == Some(ours) { marker::remove(host, old) } else { Ok(()) }
}

/// Records the new names of all components of a homeserver that were renamed while the plugin was
/// not told.
///
/// # Errors
/// As [`current_app`].
pub fn take_up(host: &Host, catalog: Catalog, spec: &Spec) -> Result<()> {
    let optional = spec.components.keys().map(String::as_str);
    for kind in std::iter::once(catalog.homeserver().name).chain(optional) {
        let now = current_app(host, catalog, spec, kind)?;
        if let (Some(old), Some(new)) = (recorded(catalog, spec, kind), now)
            && *old != new
        {
            record_rename(host, catalog, (kind, &spec.server_name), old.as_str(), &new)?;
        }
    }
    Ok(())
}

/// The error for an app that has the name of a component, and is another app.
pub fn replaced(app: &str, server: &ServerName) -> Error {
    Error::new(format!("{app} is another app by now, not the one of the homeserver {server}"))
        .hint("It has neither the directories of the homeserver mounted nor its label.")
        .hint("To run the homeserver in another app:")
        .hint_create("  ", Create::app("<app>").with("--server-name", server))
}

/// Whether an app is marked as that component of that server, and something of it says the same.
pub fn is(host: &Host, app: &AppName, kind: &str, server: &ServerName) -> Result<bool> {
    let wanted = Marker::component(kind, server);
    let is_marked = marker::read(host.env(), app.as_str())? == Some(wanted.clone());
    Ok(is_marked && has_evidence(host, app.as_str(), &wanted)?)
}

/// Whether an app has the name that the marker is for, and is another one.
pub fn is_replaced(host: &Host, app: &AppName, marker: &Marker) -> Result<bool> {
    Ok(!has_evidence(host, app.as_str(), marker)? && apps::exists(host, app)?)
}

/// Whether the app that the marker is for exists.
fn is_there(host: &Host, app: &AppName, marker: &Marker) -> Result<bool> {
    Ok(apps::exists(host, app)? && has_evidence(host, app.as_str(), marker)?)
}

/// Whether something of the app itself says the same as its marker.
fn has_evidence(host: &Host, app: &str, marker: &Marker) -> Result<bool> {
    let root = data_root(host.env());
    let (directory, name) = match marker {
        Marker::Component { server, .. } => (root.join(server.directory()), Some(server.as_str())),
        Marker::Clone => (root, None),
    };
    let directory = host.env().for_daemon(&directory);
    let is_below = |mount: &storage::Mount| Utf8Path::new(&mount.host).starts_with(&directory);
    if mounts(host, app)?.iter().any(is_below) {
        return Ok(true);
    }
    // An app that is being created has its marker first, and its label next.
    if marker::is_new(host.env(), app)? {
        return Ok(true);
    }
    Ok(label(host, app)?.is_some_and(|label| name.is_none_or(|name| name == label)))
}

/// The app that is recorded for a component.
fn recorded<'a>(catalog: Catalog, spec: &'a Spec, kind: &str) -> Option<&'a AppName> {
    if kind == catalog.homeserver().name {
        return Some(&spec.app);
    }
    spec.components.get(kind).map(|component| &component.app)
}

/// The component whose directory an app has mounted, as the component itself has it.
fn component_mounted(
    host: &Host,
    catalog: Catalog,
    app: &str,
) -> Result<Option<(String, ServerName)>> {
    let root = host.env().for_daemon(&data_root(host.env()));
    let component = |mount: &storage::Mount| {
        let below = Utf8Path::new(&mount.host).strip_prefix(&root).ok()?;
        let mut parts = below.components().map(|part| part.as_str());
        let server = parts.next()?.replace('_', ":").parse::<ServerName>().ok()?;
        let kind = match (parts.next()?, parts.next()) {
            ("config", None) if mount.container == "/config" => catalog.homeserver().name,
            (kind, _) => catalog.find(kind).filter(|kind| kind.role == Role::Optional)?.name,
        };
        Some((kind.to_owned(), server))
    };
    Ok(mounts(host, app)?.iter().find_map(component))
}

/// The apps that have the directory of a component mounted, and are not known to be clones.
fn holders(host: &Host, catalog: Catalog, kind: &str, server: &ServerName) -> Result<Vec<AppName>> {
    let mut holders = vec![];
    for app in storage::apps_with_mounts(host.env())? {
        let mounted = component_mounted(host, catalog, app.as_str())?;
        if mounted.is_some_and(|(its_kind, its_server)| its_kind == kind && its_server == *server)
            && marker::read(host.env(), app.as_str())? != Some(Marker::Clone)
            && apps::exists(host, &app)?
        {
            holders.push(app);
        }
    }
    Ok(holders)
}

/// The mounts of an app. Dokku accepts names of apps that this plugin does not.
fn mounts(host: &Host, app: &str) -> Result<Vec<storage::Mount>> {
    let mounts = match app.parse() {
        Ok(app) => storage::for_trigger(host, &app),
        Err(_) => storage::recorded(host.env(), app),
    };
    mounts.map_err(|error| error.hint(format!("dokku storage:list {app}")))
}

fn exists(host: &Host, app: &str) -> Result<bool> {
    app.parse().map_or(Ok(false), |app| apps::exists(host, &app))
}

/// The homeserver that an app's label names; `None` if it has no label, or if there is no such app.
pub fn label(host: &Host, app: &str) -> Result<Option<String>> {
    let Ok(app) = app.parse::<AppName>() else { return Ok(None) };
    let options: Reading<options::Options> = options::of(host, &app);
    let label = |options: options::Options| {
        options.deploy.iter().find_map(|option| label_value(option)).map(str::to_owned)
    };
    Ok(options.option()?.and_then(label))
}

/// The homeserver that a docker option names, if it is the label.
pub fn label_value(option: &str) -> Option<&str> {
    let label = option.strip_prefix("--label ").or_else(|| option.strip_prefix("--label="))?;
    label.strip_prefix(LABEL)?.strip_prefix('=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        component::CATALOG,
        host::{env::Env, files, run::Nowhere},
    };
    use std::sync::Arc;

    /// The old name may be another component's by now.
    #[test]
    fn a_rename_removes_its_own_marker_only() {
        let (_guard, lib) = files::scratch().unwrap();
        let env = Env::of(&[("DOKKU_LIB_ROOT", lib.as_str())]);
        let host = Host::new(env, Arc::new(Nowhere), false);
        let spec = lib.join("data/matrix/example.org/server.json");
        let kind = CATALOG.homeserver().name;
        let [server, other] = ["example.org", "example.com"].map(|name| name.parse().unwrap());
        let [ours, theirs] = [&server, &other].map(|server| Marker::component(kind, server));
        for (old_marker, left) in [(&theirs, Some(theirs.clone())), (&ours, None)] {
            files::make_directory(&host, spec.parent().unwrap(), 0o755).unwrap();
            let text = include_str!("../state/fixtures/version2/example.org/server.json");
            files::write_scratch(&spec, text).unwrap();
            marker::write(&host, "matrix", old_marker).unwrap();
            let new = "talk".parse().unwrap();
            record_rename(&host, CATALOG, (kind, &server), "matrix", &new).unwrap();
            assert_eq!(marker::read(host.env(), "matrix").unwrap(), left);
            assert_eq!(marker::read(host.env(), "talk").unwrap().as_ref(), Some(&ours));
            assert_eq!(Spec::load(host.env(), &server).unwrap().app, new);
        }
    }
}
