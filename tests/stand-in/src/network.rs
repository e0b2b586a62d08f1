//! `network:report`, `scheduler:report`: the addresses of an app's containers.

use anyhow::Result;

use crate::call::Call;
use crate::ports;
use crate::report::{Keys, Report, of_apps};
use crate::state::State;

pub(crate) fn serve(call: &Call, area: &str, verb: &str, args: &[String]) -> Result<bool> {
    match (area, verb) {
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

fn network(call: &Call, name: &str) -> Result<Report> {
    call.app(name)?;
    let mut report = Report::new("network", "network-", Keys::Both);
    for (property, default) in [
        ("attach-post-create", ""),
        ("attach-post-deploy", ""),
        ("bind-all-interfaces", "false"),
        ("initial-network", ""),
        ("tld", ""),
    ] {
        report = report.property(property, None, default);
    }
    Ok(report
        .row("static-web-listener", "")
        .row("web-listeners", listeners(call, &call.state()?, name).join(" ")))
}

fn scheduler(call: &Call, name: &str) -> Result<Report> {
    if !name.is_empty() {
        call.app(name)?;
    }
    Ok(Report::new("scheduler", "scheduler-", Keys::Both)
        .property("selected", None, "docker-local")
        .property("shell", None, ""))
}
