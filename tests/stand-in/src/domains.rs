//! `domains:*`: the domains of an app.

use anyhow::Result;

use crate::call::{Call, fail};
use crate::dokku::{arg, has, positional};
use crate::proxy;
use crate::report::{Keys, Report, Request, of_apps};
use crate::state::State;

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    let names = positional(args);
    match verb {
        "report" if has(args, "--global") => {
            global(&call.state()?).answer(call, "Global", &Request::parse(args))?;
        }
        "report" => of_apps(call, args, |name| report(call, name))?,
        "set" | "add" | "remove" if !names.is_empty() => {
            change(call, verb, &names[0], &names[1..])?;
        }
        "set" | "add" | "remove" => return fail("Please specify an app to run the command on"),
        "clear" => clear(call, arg(&names, 0))?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn global(state: &State) -> Report {
    let enabled = !state.global_domains.is_empty();
    Report::new("domains", "domains-", Keys::Plain)
        .row("global-enabled", enabled.to_string())
        .row("global-vhosts", state.global_domains.join(" "))
}

fn report(call: &Call, name: &str) -> Result<Report> {
    let app = call.app(name)?;
    let report = Report::new("domains", "domains-", Keys::Plain)
        .row("app-enabled", app.domains_enabled.to_string())
        .row("app-vhosts", app.domains.join(" "));
    let Report { rows, .. } = global(&call.state()?);
    Ok(Report { rows: [report.rows.clone(), rows].concat(), ..report })
}

/// The default domains of a new app.
pub(crate) fn defaults(state: &State, name: &str) -> Vec<String> {
    if name.contains('.') {
        return vec![name.to_owned()];
    }
    state.global_domains.iter().map(|domain| format!("{name}.{domain}")).collect()
}

fn check(domain: &str) -> Result<()> {
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = domain.strip_prefix("*.").unwrap_or(domain);
    if name.split('.').all(label) {
        Ok(())
    } else {
        fail(format!("{domain} is invalid. exiting..."))
    }
}

fn change(call: &Call, verb: &str, name: &str, domains: &[String]) -> Result<()> {
    let app = call.app(name)?;
    if domains.is_empty() {
        return fail("Please specify a domain");
    }
    if verb != "remove" {
        domains.iter().try_for_each(|domain| check(domain))?;
    }
    let mut desired = if verb == "set" { Vec::new() } else { app.domains.clone() };
    if verb == "set" {
        call.info1(format!("Set {} for {name}", domains.join(" ")));
    }
    for domain in domains {
        match verb {
            "remove" => {
                desired.retain(|kept| kept != domain);
                call.info1(format!("Removed {domain} from {name}"));
            }
            "add" if desired.contains(domain) => {
                call.info1(format!("Skipping: {domain} already added to {name}"));
            }
            _ => {
                if verb == "add" {
                    call.info1(format!("Added {domain} to {name}"));
                }
                desired.push(domain.clone());
            }
        }
    }
    let app = call.change(name, |app| {
        app.domains = desired;
        if verb != "remove" && !app.domains_enabled {
            enable(app);
        }
        app.clone()
    })?;
    call.write_vhost(name, &app)?;
    if verb != "remove" && call.plugins.join("letsencrypt").exists() {
        call.warn("Please run dokku letsencrypt:enable to add https support to the new domain");
    }
    let mut args = vec![name, verb];
    args.extend(domains.iter().map(String::as_str));
    call.fire("post-domains-update", &args)?;
    proxy::build(call, name)
}

/// Enables the first domain of an app that had none. Dokku then clears a port map that contains
/// port 80 or 443.
fn enable(app: &mut crate::App) {
    app.domains_enabled = true;
    if app.ports.iter().any(|port| port.starts_with("http:80:") || port.starts_with("https:443:")) {
        app.ports.clear();
    }
}

fn clear(call: &Call, name: &str) -> Result<()> {
    call.app(name)?;
    let app = call.change(name, |app| {
        app.domains.clear();
        app.clone()
    })?;
    call.write_vhost(name, &app)?;
    call.fire("post-domains-update", &[name, "clear"])?;
    proxy::build(call, name)?;
    call.info1(format!("Cleared domains in {name}"));
    Ok(())
}
