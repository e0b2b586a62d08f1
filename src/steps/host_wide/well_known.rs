//! Delegation: the well-known files of a server name whose domain another app of this host has.
//!
//! Only those that nobody serves there yet are written. What is served in the end, and whether it is
//! right, the self-check asks: a file that was written is no answer.

use crate::{
    component::{CATALOG, identity},
    dokku::{domains, nginx},
    error::{Error, Result},
    host::{Host, clock, files},
    names::{AppName, ServerName},
    nginx::{
        install,
        locations::{self, WellKnown},
        served::{Extent, Served},
    },
    plan::{Change, Refusal, State, Step, StepId},
    state::{Settings, Spec},
    steps::here,
    synapse::well_known::{self, File},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// The file in the other app's `nginx.conf.d`.
const FILE: &str = "matrix-well-known.conf";

/// The app that has the server name's domain serves what it does not serve by itself.
#[derive(Debug)]
pub(super) struct WellKnownFiles {
    spec: Arc<Spec>,
    refusal: Refusal,
}

impl WellKnownFiles {
    pub(super) fn new(spec: &Arc<Spec>) -> Self {
        Self { spec: spec.clone(), refusal: Refusal::default() }
    }

    /// The app of this host that has the server name's domain, if it can serve https.
    fn owner(&self, host: &Host) -> Result<Option<AppName>> {
        for owner in domains::owners(host, self.spec.server_name.host())? {
            let Ok(app) = owner.parse::<AppName>() else { continue };
            if app != self.spec.app && nginx::has_certificate(host, &app).option()? == Some(true) {
                return Ok(Some(app));
            }
        }
        Ok(None)
    }

    fn changes(&self, host: &Host, owner: Option<&AppName>) -> Result<Vec<Change>> {
        let mut changes = vec![];
        for stale in stale(host, &self.spec.server_name, owner)? {
            let description = format!("remove {FILE} from {stale}");
            changes.push(Change::new(description, move |host| install::remove(host, &stale, FILE)));
        }
        Ok(changes)
    }
}

/// The content of the file with these well-known files.
fn text(name: &ServerName, known: &WellKnown<'_>, wanted: &BTreeSet<File>) -> String {
    let wanted = |name: &str| wanted.iter().any(|file| file.name() == name);
    first_line(name) + &locations::sibling(known, wanted)
}

/// Those of the well-known files that the text has.
fn written(name: &ServerName, known: &WellKnown<'_>, text: &str) -> BTreeSet<File> {
    let ours = text.starts_with(&first_line(name));
    let has = |file: &File| ours && locations::has_file(text, file.name());
    published(known).into_iter().filter(has).collect()
}

/// The well-known files that the homeserver publishes.
fn published(known: &WellKnown<'_>) -> Vec<File> {
    let names = known.names();
    let all = [File::Server, File::Client, File::Support].into_iter();
    all.filter(|file| names.contains(&file.name())).collect()
}

/// Whether this host answers right for the server name.
fn is_right(host: &Host, spec: &Spec, file: File) -> bool {
    well_known::check(host, file, spec, &|name| here::via(host, name)).is_ok()
}

/// Writes the file with as many of the missing ones as nginx accepts beside those that are there.
/// Gives what nginx says of the others.
fn install_each(
    host: &Host,
    app: &AppName,
    text: impl Fn(&BTreeSet<File>) -> String,
    mut there: BTreeSet<File>,
    missing: &BTreeSet<File>,
) -> Vec<Error> {
    let mut refused = vec![];
    let mut add = |there: &mut BTreeSet<File>, more: &BTreeSet<File>| {
        let all: BTreeSet<_> = there.union(more).copied().collect();
        match install::install(host, app.as_str(), FILE, &text(&all)) {
            Ok(()) => *there = all,
            Err(error) => refused.push(error),
        }
        there.is_superset(more)
    };
    // One that the app has already is no reason to leave out the others.
    if !add(&mut there, missing) && missing.len() > 1 {
        for file in missing {
            add(&mut there, &BTreeSet::from([*file]));
        }
        refused.remove(0);
    }
    refused
}

/// What nginx serves of these files.
fn served<'a>(spec: &'a Spec, app: &'a AppName) -> Served<'a> {
    Served { spec, what: "well-known", app, extent: Extent::File, file: FILE }
}

/// The line by which a file is known to be of this server.
fn first_line(name: &ServerName) -> String {
    format!("# For the Matrix server {name}.\n")
}

/// The other homeserver of this host whose well-known files an app serves. nginx has one location for
/// all domains of an app, so the app can serve those of one homeserver.
fn other_server(host: &Host, app: &AppName, name: &ServerName) -> Result<Option<ServerName>> {
    let text = install::installed_or_pending(host, app.as_str(), FILE)?.unwrap_or_default();
    for (other, spec) in Spec::all(host.env())? {
        if other != *name && text.starts_with(&first_line(&other)) {
            // What one needs that cannot be read is not known.
            let Ok(spec) = spec else { return Ok(Some(other)) };
            let kind = CATALOG.homeserver().name;
            let is_alive = identity::is(host, &spec.app, kind, &other)?;
            return Ok((is_alive && spec.needs_well_known()).then_some(other));
        }
    }
    Ok(None)
}

/// The apps that serve well-known files for a server although they should not.
fn stale(host: &Host, name: &ServerName, wanted: Option<&AppName>) -> Result<Vec<String>> {
    let mut stale = vec![];
    let names = files::list(&host.env().dokku_root())?;
    // Other directories (`lost+found`, `.ssh`) need not be ours to read.
    for app in names.into_iter().filter(|name| name.parse::<AppName>().is_ok()) {
        let text = install::installed_or_pending(host, &app, FILE)?;
        let ours = text.is_some_and(|text| text.starts_with(&first_line(name)));
        if ours && wanted.is_none_or(|wanted| wanted.as_str() != app) {
            stale.push(app);
        }
    }
    Ok(stale)
}

/// Removes the well-known files of a server from every app, and tells of each app how that went:
/// one that fails does not keep the others.
pub fn withdraw(host: &Host, name: &ServerName) -> Result<Vec<(String, Result<()>)>> {
    let remove = |app: String| {
        let result = install::remove(host, &app, FILE);
        (app, result)
    };
    Ok(stale(host, name, None)?.into_iter().map(remove).collect())
}

impl Step for WellKnownFiles {
    fn id(&self) -> StepId {
        ("host", "well-known")
    }

    fn is_host_wide(&self) -> bool {
        true
    }

    fn title(&self) -> String {
        format!("Serving the well-known files of {}", self.spec.server_name)
    }

    fn check(&self, host: &Host) -> Result<State> {
        if let Some(why) = self.refusal.why() {
            return Ok(State::Attention(why));
        }
        let spec = &self.spec;
        let owner = if spec.needs_well_known() { self.owner(host)? } else { None };
        let mut changes = self.changes(host, owner.as_ref())?;
        let Some(app) = owner else { return Ok(State::of(changes)) };
        let current = install::tested(host, app.as_str(), FILE)?.unwrap_or_default();
        let settings = Settings::recorded(host.env(), &spec.server_name)?;
        let (name, known) = (&spec.server_name, WellKnown::of(spec, &settings));
        let there = written(name, &known, &current);
        let is_pending = install::is_pending(host, app.as_str(), FILE)?;
        // An app may have some of them itself, or redirect to a host that has them.
        let is_served = |file: File| !is_pending && is_right(host, spec, file);
        let is_missing = |file: &File| !there.contains(file) && !is_served(*file);
        let missing: BTreeSet<_> = published(&known).into_iter().filter(is_missing).collect();
        let all: BTreeSet<_> = there.union(&missing).copied().collect();
        if all.is_empty() {
            if !current.is_empty() && current.starts_with(&first_line(&spec.server_name)) {
                let description = format!("remove {FILE} from {app}");
                changes.push(Change::new(description, move |host| {
                    install::remove(host, app.as_str(), FILE)
                }));
            }
            return Ok(State::of(changes));
        }
        if let Some(other) = other_server(host, &app, &spec.server_name)? {
            return Ok(if changes.is_empty() {
                State::Attention(format!(
                    "{app} serves the well-known files of {other}, and can serve those of one homeserver only."
                ))
            } else {
                State::of(changes)
            });
        }
        let is_built = served(spec, &app).is_built(host)? == Some(true);
        let wanted = text(name, &known, &all);
        let is_written = install::change_to(host, app.as_str(), FILE, &wanted)?.is_none();
        if !is_written || !is_built {
            let (spec, refusal) = (spec.clone(), self.refusal.clone());
            let description = format!("write {FILE} for {app}, and nginx -t");
            changes.push(Change::new(description, move |host| {
                let served = served(&spec, &app);
                if !is_built {
                    // A file that is written, and not built yet, must not count as what was built.
                    served.forget(host)?;
                }
                let (name, known) = (&spec.server_name, WellKnown::of(&spec, &settings));
                let text = |files: &BTreeSet<File>| text(name, &known, files);
                let refused = install_each(host, &app, text, there, &missing);
                if !refused.is_empty() {
                    let mut said: Vec<String> = vec![];
                    for text in refused.iter().map(|error| error.lines().join("\n")) {
                        if !said.contains(&text) {
                            said.push(text);
                        }
                    }
                    refusal.keep(said.join("\n"));
                }
                let now = install::tested(host, app.as_str(), FILE)?.unwrap_or_default();
                if now.is_empty() || served.is_built(host)? == Some(true) {
                    return Ok(());
                }
                served.build(host)?;
                wait(host, &spec, &written(name, &known, &now));
                Ok(())
            }));
        }
        Ok(State::of(changes))
    }
}

/// Waits until nginx answers with what was written: it takes up a new configuration a moment after
/// it was told to. What it answers in the end, the self-check judges.
fn wait(host: &Host, spec: &Spec, files: &BTreeSet<File>) {
    let (timeout, pause) = (Duration::from_secs(8), Duration::from_millis(200));
    let answered =
        || Ok::<_, Error>(files.iter().all(|file| is_right(host, spec, *file)).then_some(()));
    clock::poll(timeout, pause, answered).ok();
}
