//! `ports:*`: maps ports of the host to ports of the container.

use anyhow::Result;
use serde_json::{Value, json};

use crate::app::App;
use crate::call::{Call, fail};
use crate::dokku::positional;
use crate::proxy;
use crate::report::{Keys, Report, of_apps};
use crate::state::State;

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    let names = positional(args);
    match verb {
        "report" => of_apps(call, args, |name| report(call, name))?,
        "list" => list(call, crate::dokku::arg(&names, 0))?,
        "set" | "add" | "remove" | "clear" if !names.is_empty() => {
            change(call, verb, &names[0], &names[1..])?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The port map used for nginx: the app's own, else the ports that its image exposes.
pub(crate) fn effective(state: &State, app: &App) -> Vec<String> {
    if app.ports.is_empty() { detected(state, app) } else { app.ports.clone() }
}

fn detected(state: &State, app: &App) -> Vec<String> {
    let image = app.built.as_ref().map(|reference| state.image(reference)).unwrap_or_default();
    if image.ports.is_empty() {
        let https = app.cert.as_ref().map(|_| "https:443:5000".to_owned());
        return std::iter::once("http:80:5000".to_owned()).chain(https).collect();
    }
    image.ports.iter().map(|port| format!("http:{port}:{port}")).collect()
}

fn parts(port: &str) -> (&str, u16, u16) {
    let mut parts = port.split(':');
    let scheme = parts.next().unwrap_or_default();
    let mut number = || parts.next().and_then(|part| part.parse().ok()).unwrap_or_default();
    (scheme, number(), number())
}

fn json_of(ports: &[String]) -> String {
    if ports.is_empty() {
        return "null".to_owned();
    }
    let rows: Vec<Value> = ports
        .iter()
        .map(|port| {
            let (scheme, host, container) = parts(port);
            json!({ "container_port": container, "host_port": host, "scheme": scheme })
        })
        .collect();
    Value::from(rows).to_string()
}

fn report(call: &Call, name: &str) -> Result<Report> {
    let app = call.app(name)?;
    let detected = detected(&call.state()?, &app);
    Ok(Report::new("ports", "ports-", Keys::Both)
        .row("map", app.ports.join(" "))
        .row("map-detected", detected.join(" "))
        .row("map-detected-json", json_of(&detected))
        .row("map-json", json_of(&app.ports)))
}

fn list(call: &Call, name: &str) -> Result<()> {
    let app = call.app(name)?;
    if app.ports.is_empty() {
        return fail("No port mappings configured for app");
    }
    call.info1(format!("Port mappings for {name}"));
    call.print("    -----> scheme  host port  container port\n");
    for port in &app.ports {
        let (scheme, host, container) = parts(port);
        call.print(format!("    {scheme:<13}  {host:<9}  {container}\n"));
    }
    Ok(())
}

fn parse(port: &str) -> Result<String> {
    let bad = |part: &str| {
        fail(format!(
            "Invalid port map {port} [err=strconv.Atoi: parsing \"{part}\": invalid syntax]"
        ))
    };
    let fields: Vec<&str> = port.split(':').collect();
    match fields.as_slice() {
        [_, host, container] => match (host.parse::<u16>(), container.parse::<u16>()) {
            (Ok(_), Ok(_)) => Ok(port.to_owned()),
            (Err(_), _) => bad(host),
            (_, Err(_)) => bad(container),
        },
        [host, container] if host.parse::<u16>().is_ok() && container.parse::<u16>().is_ok() => {
            Ok(format!("http:{host}:{container}"))
        }
        _ => bad(port),
    }
}

/// Sorts in Dokku's order: by scheme, then by port.
fn sort(ports: &mut Vec<String>) {
    ports.sort_by(|a, b| parts(a).cmp(&parts(b)));
    ports.dedup();
}

fn reused(ports: &[String]) -> Option<String> {
    let key = |port: &String| port.rsplit_once(':').map(|(key, _)| key.to_owned());
    ports.iter().enumerate().find_map(|(at, port)| {
        ports[..at].iter().any(|other| key(other) == key(port)).then(|| key(port)).flatten()
    })
}

fn change(call: &Call, verb: &str, name: &str, args: &[String]) -> Result<()> {
    let app = call.app(name)?;
    let ports = args.iter().map(|port| parse(port)).collect::<Result<Vec<_>>>()?;
    if let Some(key) = reused(&ports) {
        return fail(format!(
            "Error validating port mappings: The same scheme:host-port is being reused: {key}"
        ));
    }
    let mut desired = match verb {
        "set" => ports,
        "add" => {
            let whole = [app.ports.clone(), ports].concat();
            if let Some(key) = reused(&whole) {
                return fail(format!(
                    "Error validating all port mappings: The same scheme:host-port is being reused: {key}"
                ));
            }
            whole
        }
        "remove" => app.ports.into_iter().filter(|port| !ports.contains(port)).collect(),
        _ => Vec::new(),
    };
    sort(&mut desired);
    call.change(name, |app| app.ports = desired)?;
    call.fire("post-proxy-ports-update", &[name, verb])?;
    proxy::build(call, name)
}

/// Updates the port map for a new certificate.
pub(crate) fn certificate_added(app: &mut App) {
    if app.ports.iter().any(|port| port.starts_with("https:443:")) {
        return;
    }
    if let Some(port) =
        app.ports.iter().find_map(|port| port.strip_prefix("http:80:")).map(str::to_owned)
    {
        app.ports.push(format!("https:443:{port}"));
        sort(&mut app.ports);
    }
}

/// Updates the port map after the certificate was removed.
pub(crate) fn certificate_removed(app: &mut App) {
    app.ports.retain(|port| !port.starts_with("https:443:"));
}
