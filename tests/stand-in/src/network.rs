//! `network:*`, `scheduler:report`: the networks and the addresses of an app's containers.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::app::App;
use crate::call::{Call, fail};
use crate::dokku::arg;
use crate::ports;
use crate::report::{Keys, Report, of_apps};
use crate::state::State;

pub(crate) fn serve(call: &Call, area: &str, verb: &str, args: &[String]) -> Result<bool> {
    match (area, verb) {
        ("network", "set") => set(call, arg(args, 0), arg(args, 1), arg(args, 2))?,
        ("network", "report") => of_apps(call, args, |name| network(call, name))?,
        ("scheduler", "report") => of_apps(call, args, |name| scheduler(call, name))?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// `<ip>:<port>` of each web container recorded in Dokku's files, running or not.
pub(crate) fn listeners(call: &Call, state: &State, name: &str) -> Vec<String> {
    let Some(app) = state.apps.get(name) else { return Vec::new() };
    let port = ports::effective(state, app)
        .first()
        .and_then(|port| port.rsplit(':').next().map(str::to_owned));
    let files = call.container_files(name);
    let web = files.iter().filter(|(process, ..)| process == "web");
    let container = |id: &String| state.containers.iter().find(|c| c.id == *id);
    let ips = web.filter_map(|(_, _, id)| container(id)).filter(|c| c.listed).map(|c| &c.ip);
    let address = |ip: &String| match state.listeners.get(name) {
        Some(listener) => listener.clone(),
        None => format!("{ip}:{}", port.as_deref().unwrap_or("5000")),
    };
    ips.map(address).collect()
}

type Properties = BTreeMap<String, String>;

/// The properties of a network: an app's own value overrules the global one.
const PROPERTIES: [(&str, &str); 5] = [
    ("attach-post-create", ""),
    ("attach-post-deploy", ""),
    ("bind-all-interfaces", "false"),
    ("initial-network", ""),
    ("tld", ""),
];

fn set(call: &Call, name: &str, property: &str, value: &str) -> Result<()> {
    if name != "--global" {
        call.app(name)?;
    }
    if !PROPERTIES.iter().any(|(known, _)| *known == property) {
        return fail(
            "Invalid property specified, valid properties include: attach-post-create, attach-post-deploy, bind-all-interfaces, initial-network, static-web-listener, tld",
        );
    }
    if !matches!(property, "bind-all-interfaces" | "initial-network") {
        bail!("`network:set {property}` is not supported");
    }
    call.info2(match value {
        "" => format!("Unsetting {property}"),
        value => format!("Setting {property} to {value}"),
    });
    let change = |properties: &mut Properties| match value {
        "" => drop(properties.remove(property)),
        value => drop(properties.insert(property.to_owned(), value.to_owned())),
    };
    if name == "--global" {
        return call.update(|state| {
            change(&mut state.network);
            Ok(())
        });
    }
    call.change(name, |app| change(&mut app.network)).map(drop)
}

/// The value of a property that holds for an app.
pub(crate) fn computed(state: &State, app: &App, property: &str) -> String {
    let default = PROPERTIES.iter().find(|(known, _)| *known == property);
    let own = app.network.get(property).or_else(|| state.network.get(property));
    own.cloned().unwrap_or_else(|| default.map_or(String::new(), |(_, value)| (*value).to_owned()))
}

fn network(call: &Call, name: &str) -> Result<Report> {
    let (app, state) = (call.app(name)?, call.state()?);
    let mut report = Report::new("network", "network-", Keys::Both);
    for (property, _) in PROPERTIES {
        let of = |properties: &Properties| properties.get(property).cloned().unwrap_or_default();
        report = report
            .row(&format!("computed-{property}"), computed(&state, &app, property))
            .row(&format!("global-{property}"), of(&state.network))
            .row(property, of(&app.network));
    }
    Ok(report
        .row("static-web-listener", "")
        .row("web-listeners", listeners(call, &state, name).join(" ")))
}

fn scheduler(call: &Call, name: &str) -> Result<Report> {
    if !name.is_empty() {
        call.app(name)?;
    }
    Ok(Report::new("scheduler", "scheduler-", Keys::Both)
        .property("selected", None, "docker-local")
        .property("shell", None, ""))
}
