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
    host::{Host, env::Env, files, owner::Owner},
    marker::Marker,
    names::AppName,
    nginx::proof,
    server,
    steps::{Wish, config::Config, container::wrong_scale},
    synapse::judge,
};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn run(call: &Call) -> Result<()> {
    let app = &call.app;
    match &call.marker {
        Marker::Element(_) => return Ok(()),
        Marker::Clone => return Err(clone(app)),
        Marker::Synapse(_) => {}
    }
    let host = &call.host;
    let name: AppName = app.parse()?;
    // Nothing that cannot be told stands for "runs": then a refusal would be an outage.
    let runs = docker::running(host, &name).is_ok_and(|container| container.is_some());
    let server = match call.server() {
        Ok(Some(server)) => server,
        Ok(None) => return Err(clone(app)),
        Err(error) => return refuse_or_warn(call, runs, error),
    };
    if let Err(error) = one_web(call, &server, runs).and_then(|()| checks(host, &server)) {
        refuse_or_warn(call, runs, error)?;
    }
    let tag = call.args.get(2).filter(|tag| !tag.is_empty()).map_or("latest", String::as_str);
    if let Err(error) = configuration(host, &server, tag) {
        refuse_or_warn(call, runs, error)?;
    }
    template(call, &server);
    Ok(())
}

fn refuse_or_warn(call: &Call, runs: bool, error: Error) -> Result<()> {
    if runs {
        return Err(error.hint("Nothing was stopped: the old server runs on."));
    }
    for line in error.lines() {
        call.ui.warn(&line);
    }
    Ok(())
}

/// The old process is stopped before the new one starts; `apps:rename` loses that.
fn checks(host: &Host, server: &Wish) -> Result<()> {
    let disabled = ps::checks_disabled(host, &server.app)?.unwrap_or_default();
    if disabled.iter().any(|kind| kind == "web") {
        return Ok(());
    }
    ps::disable_checks(host, &server.app)
}

/// An app without a marker that holds the folders of a homeserver: a clone that was made while
/// the plugin could not see it, or a mount by hand. From Dokku's own files, for it runs at every
/// deploy of every app; what cannot be read is none of ours.
pub(super) fn holds_our_folders(env: &Env, app: &str) -> bool {
    let text = |path: Utf8PathBuf| files::read(&path).ok().flatten().unwrap_or_default();
    let mounts = text(env.lib_root().join("config/storage").join(app).join("mounts"));
    let data = env.for_daemon(&server::data_root(env));
    mounts.lines().any(|line| {
        let mount: Value = serde_json::from_str(line).unwrap_or_default();
        let (Some(name), Some("/data" | "/config")) =
            (mount["entry_name"].as_str(), mount["container_path"].as_str())
        else {
            return false;
        };
        let file = format!("data/storage-registry/entries/{name}.json");
        let entry: Value =
            serde_json::from_str(&text(env.lib_root().join(file))).unwrap_or_default();
        entry["host_path"].as_str().is_some_and(|path| Utf8Path::new(path).starts_with(&data))
    })
}

pub(super) fn clone(app: &str) -> Error {
    Error::new(format!("{app} is a clone of a homeserver's app and must not run"))
        .hint("Two Synapse processes on one database corrupt it.")
        .hint(format!("dokku apps:destroy {app}"))
}

/// One `web` process and no other. What was asked for is not left recorded: the next boot would
/// be an outage.
fn one_web(call: &Call, server: &Wish, runs: bool) -> Result<()> {
    let app = &server.app;
    let wrong = wrong_scale(&scale(call)?);
    let asked = call.args.get(3).map(String::as_str).unwrap_or_default();
    if wrong.is_empty() && matches!(asked, "" | "web") {
        return Ok(());
    }
    if !wrong.is_empty() {
        ps::set_scale(&call.host, app, &wrong)?;
    }
    if runs {
        return Err(Error::new(format!("{app} must have one web process and no other"))
            .hint("Two Synapse processes on one database corrupt it.")
            .hint("The scale was put back to web=1."));
    }
    call.ui.warn(&format!("{app} must have one web process and no other; put back to web=1"));
    Ok(())
}

/// The recorded scale, from Dokku's own file: this runs at every deploy.
fn scale(call: &Call) -> Result<BTreeMap<String, u32>> {
    let path = call.env().lib_root().join("config/ps").join(&call.app).join("scale");
    let text = files::read(&path)?.unwrap_or_default();
    let pair = |line: &str| {
        let (kind, count) = line.split_once(['=', ':'])?;
        Some((kind.trim().to_owned(), count.trim().parse().ok()?))
    };
    Ok(text.lines().filter_map(pair).collect())
}

/// The generated files fit the database, and Synapse accepts all of them.
fn configuration(host: &Host, server: &Wish, tag: &str) -> Result<()> {
    let app = &server.app;
    let url = config::get(host, app, "DATABASE_URL")?.ok_or_else(|| {
        Error::new(format!("{app} has no DATABASE_URL"))
            .hint(format!("dokku postgres:link {} {app}", server.service))
    })?;
    for change in Config::missing(server, host, &url)? {
        change.make(host)?;
    }
    let places = server.places(host.env());
    let image = format!("dokku/{app}:{tag}").parse()?;
    let digest = judge::digest(&places, &docker::layers(host, &image)?)?;
    if files::read(&places.judged())?.is_some_and(|record| record.trim() == digest) {
        return Ok(());
    }
    let owner = Owner::of(host.env().dokku_user())?;
    judge::judge(host, server, &image, owner)?;
    files::write(host, &places.judged(), &format!("{digest}\n"), files::PUBLIC)
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
