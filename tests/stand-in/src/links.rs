//! Links between dokku-postgres services and apps.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Result;

use crate::call::{Call, Stop, fail};
use crate::postgres::{change, dsn, hostname, service, start};
use crate::{config, docker_options, files};

const COLORS: [&str; 16] = [
    "AQUA", "BLACK", "BLUE", "FUCHSIA", "GRAY", "GREEN", "LIME", "MAROON", "NAVY", "OLIVE",
    "PURPLE", "RED", "SILVER", "TEAL", "WHITE", "YELLOW",
];

pub(crate) fn link(call: &Call, name: &str, app: &str, restart: bool) -> Result<()> {
    let service = service(call, name)?;
    let config = call.app(app)?.config;
    let url = dsn(name, &service);
    if let Some((key, _)) = config.iter().find(|(_, value)| value.starts_with(&url)) {
        return fail(format!("Already linked as {key}"));
    }
    let taken = |alias: &str| config.keys().any(|key| key == alias);
    let colored = || {
        COLORS.iter().map(|color| format!("DOKKU_POSTGRES_{color}_URL")).find(|alias| !taken(alias))
    };
    let alias = if taken("DATABASE_URL") { colored() } else { Some("DATABASE_URL".to_owned()) };
    let Some(alias) = alias else { return fail("Unable to use default or generated URL alias") };
    change(call, name, |service| service.links.insert(app.to_owned()))?;
    write_links(call, name)?;
    for phase in ["build", "deploy", "run"] {
        docker_options::change(call, app, phase, &option(name), true)?;
    }
    match config::set(call, app, &[(alias, url)], restart) {
        // The link stays, even if the restart fails.
        Err(error) if restart && error.is::<Stop>() => {
            call.warn(format!("Failure while restarting app: {error}"));
        }
        set => set?,
    }
    if !restart {
        call.verbose("Skipping restart of linked app");
    }
    Ok(())
}

fn option(name: &str) -> String {
    format!("--link dokku.postgres.{name}:{}", hostname(name))
}

pub(crate) fn unlink(call: &Call, name: &str, app: &str, restart: bool) -> Result<()> {
    let service = service(call, name)?;
    let config = call.app(app)?.config;
    let url = dsn(name, &service);
    change(call, name, |service| service.links.remove(app))?;
    write_links(call, name)?;
    for phase in ["build", "deploy", "run"] {
        docker_options::change(call, app, phase, &option(name), false)?;
    }
    let keys: Vec<String> = config
        .into_iter()
        .filter(|(_, value)| value.starts_with(&url))
        .map(|(key, _)| key)
        .collect();
    if keys.is_empty() {
        return fail(format!("Not linked to app {app}"));
    }
    config::unset(call, app, &keys, restart)?;
    if !restart {
        call.verbose("Skipping restart of linked app");
    }
    Ok(())
}

/// Writes the file in which dokku-postgres lists the apps of a service.
pub(crate) fn write_links(call: &Call, name: &str) -> Result<()> {
    let links: BTreeSet<String> = service(call, name)?.links;
    let dir = call.lib.join("services/postgres").join(name);
    fs::create_dir_all(&dir)?;
    Ok(fs::write(dir.join("LINKS"), files::lines(&links.into_iter().collect::<Vec<_>>()))?)
}

/// Starts the linked services, as dokku-postgres does before an app starts.
pub(crate) fn start_linked(call: &Call, app: &str) -> Result<()> {
    for (name, service) in call.state()?.services {
        if service.links.contains(app) && !service.runs() {
            call.warn(format!("Postgres service {name} is not running, issuing service start"));
            start(call, &name)?;
        }
    }
    Ok(())
}
