//! `scheduler-deploy <scheduler> <app> <tag> [process]`: the deploy guard.
//!
//! It runs before anything is stopped, on every path that deploys: push, rebuild, restart, scale,
//! `config:set`, boot. Two Synapse processes on one database corrupt it silently. So it refuses a
//! copy of the app, a second process, and an app beside another one on the same data, and it stops
//! containers that Dokku has lost track of. A homeserver whose data an interrupted operation has left
//! half-changed (it is on hold) does not start either. A bad configuration is refused while the old
//! server runs; where nothing runs (boot) a refusal would be an outage: the guard warns instead.

mod image;

use super::Call;
use crate::{
    component::{Component, Homeserver},
    dokku::{config, docker, ps},
    error::{Error, Result},
    host::Host,
    names::{AppName, ServerName},
    nginx::verify,
    plan::{State, Step},
    state::{Marker, Settings, Spec, Status},
    steps::{
        config::{Config, is_validated, validate_now},
        container::{network_changes, scale_changes, stop_others},
        deploy::{must_reach, record_start},
        server_directory::Secrets,
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// The end of each refusal while a server runs.
const NOTHING_STOPPED: &str = "Nothing was stopped: the old server runs on.";

pub(super) fn run(call: &Call) -> Result<()> {
    let app = &call.app;
    let Marker::Component { kind, server } = &call.marker else { return Err(is_a_clone(app)) };
    match call.catalog.find(kind) {
        Some(kind) if !kind.single_process => {
            let (app, known) = (app.parse()?, call.component());
            let runs = docker::running(&call.host, &app).option()?.is_some();
            let component = known.as_ref().ok().and_then(|found| found.as_ref());
            let component = component.map(|(_, component)| component.as_ref());
            behind_nginx(call, &app, component, runs)?;
            let recorded = known.and_then(|found| match found {
                Some((_, component)) => record_start(&call.host, &component),
                None => Ok(()),
            });
            // At worst it is restarted once more.
            recorded.unwrap_or_else(|error| call.warn(&error));
            return Ok(());
        }
        Some(_) => {}
        None => {
            return Err(Error::new(format!("this version of the plugin does not know {kind}"))
                .hint("sudo dokku plugin:update matrix"));
        }
    }
    refuse_on_hold(call, server)?;
    let desired = match call.component() {
        Ok(None) => return Err(Spec::load(call.env(), server)?.not_the_app(app)),
        Ok(Some(desired)) => Ok(desired),
        Err(error) => Err(error),
    };
    let host = &call.host;
    let app = app.parse()?;
    let runs = docker::running(host, &app).option()?.is_some();
    one_web_process(call, &app, runs)?;
    let known = desired.as_ref().ok().map(|(_, component)| component.as_ref());
    if let Some(component) = known {
        stop_other_processes(call, component)?;
    }
    behind_nginx(call, &app, known, runs)?;
    let component = desired.as_ref().ok().map(|(_, component)| component.clone());
    let prepared = desired.and_then(|(server, component)| prepare(call, &server, &component));
    refuse_or_warn(call, runs, prepared)?;
    stop_untracked(host, &app)?;
    // At last, for what was refused starts nothing.
    let Some(component) = component else { return Ok(()) };
    refuse_or_warn(call, runs, record_start(host, &component))
}

/// What went wrong is refused while the old server runs; where nothing runs, it is only told.
fn refuse_or_warn(call: &Call, runs: bool, result: Result<()>) -> Result<()> {
    match result {
        Err(error) if runs => Err(error.hint(NOTHING_STOPPED)),
        Err(error) => {
            call.warn(&error);
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Nothing leads to the new container past nginx. At boot that is put right, for a server that is
/// open to everybody is worse than one that is down.
fn behind_nginx(call: &Call, app: &AppName, known: Option<&Component>, runs: bool) -> Result<()> {
    let changes = network_changes(&call.host, app, known.map(|component| component.port))?;
    if changes.is_empty() {
        return Ok(());
    }
    let mut error = Error::new(format!("{app} must be reached through nginx only"));
    for change in &changes {
        error = error.hint(change.description());
    }
    if !runs {
        call.warn(&error.hint("This was done."));
        return changes.into_iter().try_for_each(|change| change.apply(&call.host));
    }
    if let Some(component) = known {
        error = error.hint(format!("Or all at once: dokku matrix:deploy {}", component.spec.app));
    }
    Err(error.hint(NOTHING_STOPPED))
}

/// An interrupted operation on the data must be finished first, also at boot. A status that cannot
/// be read may hold one.
fn refuse_on_hold(call: &Call, server: &ServerName) -> Result<()> {
    match Status::hold(call.env(), server)? {
        Some(hold) => Err(hold.error(&call.app)),
        None => Ok(()),
    }
}

/// Stops what Dokku would leave running beside the new process: it only stops containers whose ids
/// it has recorded, and none of an app whose first deploy did not finish.
fn stop_untracked(host: &Host, app: &AppName) -> Result<()> {
    let mut running = docker::running_ids(host, app)?;
    if !running.is_empty() && ps::deployed(host, app).option()? == Some(true) {
        let recorded = ps::recorded_ids(host, app)?;
        running.retain(|id| !recorded.contains(id));
    }
    running.iter().try_for_each(|id| docker::stop(host, id))
}

/// All but the number of processes, which must never be wrong.
fn prepare(call: &Call, desired: &Homeserver, component: &Arc<Component>) -> Result<()> {
    let (host, app) = (&call.host, &component.app);
    let without_checks = ps::checks_disabled(host, app).or_absent(vec![])?;
    if !without_checks.iter().any(|process| process == "web") {
        ps::disable_checks(host, app)?;
    }
    if component.uses_template {
        verify_template(call, &desired.spec);
    }
    let tag = call.args.get(2).filter(|tag| !tag.is_empty()).map_or("latest", String::as_str);
    configuration(call, desired, tag)
}

fn is_a_clone(app: &str) -> Error {
    Error::new(format!("{app} is a clone of a homeserver's app and must not run"))
        .hint("Two Synapse processes on one database corrupt it.")
        .hint(format!("dokku apps:destroy {app}"))
}

/// No other process runs on the same data: the old app does, where a rename was interrupted, and so
/// may a container of `dokku run`.
fn stop_other_processes(call: &Call, component: &Component) -> Result<()> {
    for change in stop_others(&call.host, component)? {
        let app = &component.app;
        call.warn(
            &Error::new(format!("a Synapse process ran in {app} beside the deployed one"))
                .hint(format!("It is stopped: {}", change.description())),
        );
        change.apply(&call.host)?;
    }
    Ok(())
}

/// One `web` process and no other. Another desired scale does not stay recorded: the next boot would
/// be an outage.
fn one_web_process(call: &Call, app: &AppName, runs: bool) -> Result<()> {
    let scale = match ps::recorded_scale(call.env(), &call.app) {
        // At boot a damaged record is written again.
        Err(_) if !runs => ps::Scale::new(),
        scale => scale?,
    };
    let changes = scale_changes(&scale);
    let process = call.args.get(3).map(String::as_str).unwrap_or_default();
    if changes.is_empty() && matches!(process, "" | "web") {
        return Ok(());
    }
    if !changes.is_empty() {
        ps::set_scale(&call.host, app, &changes)?;
    }
    if runs {
        let mut error = Error::new(format!("{app} must have one web process and no other"));
        error = match scale.values().sum() {
            0 => error.hint(format!("To stop it: dokku ps:stop {app}")),
            _ => error.hint("Two Synapse processes on one database corrupt it."),
        };
        return Err(match changes[..] {
            [] => error.hint("What runs was not touched."),
            _ => error.hint("The scale was put back to web=1; what runs was not touched."),
        });
    }
    call.ui.warn(&format!("{app} must have one web process and no other; put back to web=1"));
    Ok(())
}

/// The image runs Synapse, the secrets exist, the generated files fit the database, and Synapse
/// accepts all of them.
fn configuration(call: &Call, desired: &Homeserver, tag: &str) -> Result<()> {
    let (host, spec) = (&call.host, &desired.spec);
    let app = &spec.app;
    // Synapse misses them only when it starts, not when it validates.
    if let State::Missing(changes) = Secrets::of(desired).check(host)? {
        for change in changes {
            change.apply(host)?;
        }
    }
    let image = format!("dokku/{app}:{tag}").parse()?;
    let environment = config::all(host, app).or_absent(BTreeMap::new())?;
    image::check(host, app, &image, &environment)?;
    let url = config::get(host, app, "DATABASE_URL").required(|| {
        Error::new(format!("{app} has no DATABASE_URL"))
            .hint(format!("dokku postgres:link {} {app}", spec.service))
    })?;
    for change in Config::of(desired).missing(&url)? {
        change.apply(host)?;
    }
    if is_validated(spec, host, &image)? != Some(true) {
        let before = Settings::recorded(host.env(), &spec.server_name)?;
        validate_now(spec, host, &image)?;
        let now = Settings::recorded(host.env(), &spec.server_name)?;
        // The commands of the plugin make the others follow; nobody else does.
        if before.without_notes() != now.without_notes() {
            call.ui
                .warn(&format!("Not all that follows the settings of {app} was changed with them"));
            call.ui.warn(&format!("dokku matrix:deploy {app}"));
        }
    }
    must_reach(host, desired.main(), &image)
}

/// nginx or sigil may have been upgraded since the template was verified.
fn verify_template(call: &Call, spec: &Spec) {
    let refused = match verify::is_verified(&call.host, spec) {
        Ok(true) => return,
        Ok(false) => verify::verify(&call.host, spec),
        Err(error) => Err(error),
    };
    let why = match refused {
        Ok(None) => return,
        Ok(Some(why)) => why,
        Err(error) => error.lines().join("\n"),
    };
    call.ui.warn(&format!("The nginx template is not used, Dokku's built-in one serves: {why}"));
}
