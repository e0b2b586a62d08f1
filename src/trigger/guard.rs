//! `scheduler-deploy <scheduler> <app> <tag> [process]`: the deploy guard.
//!
//! Runs before anything is stopped, on every path that deploys: push, rebuild, restart, scale,
//! `config:set`, boot. Two Synapse mains on one database corrupt it silently, so it refuses what
//! would start a second one; a bad configuration it refuses while the old server runs on. Where
//! nothing runs (boot) a refusal would be an outage: then it mends or warns, and lets it go on.

use super::Call;
use crate::{
    dokku::{config, docker, ps},
    error::{Error, Result},
    host::Host,
    marker::Marker,
    names::AppName,
    nginx::proof,
    plan::{State, Step},
    server::Server,
    steps::{
        Wish,
        config::{Config, is_judged, judge_now},
        container::wrong_scale,
        storage::Secrets,
    },
};

pub(super) fn run(call: &Call) -> Result<()> {
    let app = &call.app;
    let name = match &call.marker {
        Marker::Element(_) => return Ok(()),
        Marker::Clone => return Err(clone(app)),
        Marker::Synapse(name) => name,
    };
    let server = match call.server() {
        Ok(None) => return Err(Server::load(call.env(), name)?.not_of(app)),
        Ok(Some(server)) => Ok(server),
        Err(error) => Err(error),
    };
    let host = &call.host;
    let app = app.parse()?;
    let runs = docker::running(host, &app).option()?.is_some();
    one_web(call, &app, runs)?;
    if let Ok(server) = &server {
        no_other(host, server)?;
    }
    if let Err(error) = server.and_then(|server| prepared(call, &server)) {
        if runs {
            return Err(error.hint("Nothing was stopped: the old server runs on."));
        }
        super::warn(&call.ui, &error);
    }
    unknown(host, &app)
}

/// Stops what Dokku would leave running beside the new process: it stops those whose ids it has
/// noted, and of an app whose first deploy was cut off none.
fn unknown(host: &Host, app: &AppName) -> Result<()> {
    let mut running = docker::running_ids(host, app)?;
    if !running.is_empty() && ps::deployed(host, app).option()? == Some(true) {
        let noted = ps::recorded_ids(host, app)?;
        running.retain(|id| !noted.contains(id));
    }
    running.iter().try_for_each(|id| docker::stop(host, id))
}

/// All but the number of processes, which is what may never be let pass.
fn prepared(call: &Call, server: &Wish) -> Result<()> {
    let host = &call.host;
    let disabled = ps::checks_disabled(host, &server.app).or_absent(vec![])?;
    if !disabled.iter().any(|kind| kind == "web") {
        ps::disable_checks(host, &server.app)?;
    }
    template(call, server);
    let tag = call.args.get(2).filter(|tag| !tag.is_empty()).map_or("latest", String::as_str);
    configuration(host, server, tag)
}

fn clone(app: &str) -> Error {
    Error::new(format!("{app} is a clone of a homeserver's app and must not run"))
        .hint("Two Synapse processes on one database corrupt it.")
        .hint(format!("dokku apps:destroy {app}"))
}

/// No other app's process runs on the same data: the old app's, where a rename was interrupted.
fn no_other(host: &Host, server: &Wish) -> Result<()> {
    let app = &server.app;
    let path = server.places(host.env()).config();
    let holders = docker::apps_mounting(host, &host.env().for_daemon(&path))?;
    match holders.into_iter().find(|holder| holder != app.as_str()) {
        None => Ok(()),
        Some(other) => Err(Error::new(format!("{other} runs on the data of {app}"))
            .hint("Two Synapse processes on one database corrupt it.")
            .hint(format!("dokku ps:stop {other}"))),
    }
}

/// One `web` process and no other. What was asked for is not left recorded: the next boot would
/// be an outage.
fn one_web(call: &Call, app: &AppName, runs: bool) -> Result<()> {
    let scale = ps::recorded_scale(call.env(), &call.app)?;
    let wrong = wrong_scale(&scale);
    let asked = call.args.get(3).map(String::as_str).unwrap_or_default();
    if wrong.is_empty() && matches!(asked, "" | "web") {
        return Ok(());
    }
    if !wrong.is_empty() {
        ps::set_scale(&call.host, app, &wrong)?;
    }
    if runs {
        let mut error = Error::new(format!("{app} must have one web process and no other"));
        error = match scale.values().sum() {
            0 => error.hint(format!("To stop it: dokku ps:stop {app}")),
            _ => error.hint("Two Synapse processes on one database corrupt it."),
        };
        return Err(match wrong[..] {
            [] => error.hint("What runs was not touched."),
            _ => error.hint("The scale was put back to web=1; what runs was not touched."),
        });
    }
    call.ui.warn(&format!("{app} must have one web process and no other; put back to web=1"));
    Ok(())
}

/// The secrets are there, the generated files fit the database, and Synapse accepts all of them.
fn configuration(host: &Host, server: &Wish, tag: &str) -> Result<()> {
    let app = &server.app;
    // Synapse does not miss them when it judges, only when it starts.
    if let State::Missing(changes) = Secrets(server.clone()).check(host)? {
        for change in changes {
            change.make(host)?;
        }
    }
    let url = config::get(host, app, "DATABASE_URL").required(|| {
        Error::new(format!("{app} has no DATABASE_URL"))
            .hint(format!("dokku postgres:link {} {app}", server.service))
    })?;
    for change in Config::missing(server, host, &url)? {
        change.make(host)?;
    }
    let image = format!("dokku/{app}:{tag}").parse()?;
    if is_judged(server, host, &image)? == Some(true) {
        return Ok(());
    }
    judge_now(server, host, &image)
}

/// nginx may have been upgraded since the template was proved.
fn template(call: &Call, server: &Wish) {
    let places = server.places(call.env());
    let proved = match proof::holds(&call.host, &places) {
        Ok(true) => return,
        Ok(false) => proof::prove(&call.host, server),
        Err(error) => Err(error),
    };
    let why = match proved {
        Ok(None) => return,
        Ok(Some(why)) => why,
        Err(error) => error.lines().join("\n"),
    };
    call.ui.warn(&format!("The nginx template is not used, Dokku's built-in one serves: {why}"));
}
