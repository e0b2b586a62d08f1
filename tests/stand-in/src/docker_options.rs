//! `docker-options:*`: Docker flags for the containers of an app.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::app::App;
use crate::call::{Call, fail};
use crate::dokku::arg;
use crate::report::{Keys, Report, of_apps};

const PHASES: [&str; 3] = ["build", "deploy", "run"];

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    match verb {
        "add" | "remove" => {
            let (process, args) = match args {
                [flag, process, rest @ ..] if flag == "--process" => (Some(process.as_str()), rest),
                _ => (None, args),
            };
            let name = arg(args, 0);
            call.app(name)?;
            let phases: Vec<&str> = arg(args, 1).split(',').collect();
            if let Some(phase) = phases.iter().find(|phase| !PHASES.contains(*phase)) {
                return fail(format!("Phase(s) must be one of [build deploy run], got {phase}"));
            }
            if process.is_some() && phases != ["deploy"] {
                bail!("--process with another phase than deploy is not supported");
            }
            let words = args.get(2..).unwrap_or_default().join(" ");
            if words.is_empty() {
                return fail("Please specify docker options to add to the phase");
            }
            for phase in phases {
                let scope = process.map_or_else(|| phase.to_owned(), |one| format!("deploy.{one}"));
                for option in grouped(&words) {
                    change(call, name, &scope, &option, verb == "add")?;
                }
            }
        }
        "report" => of_apps(call, args, |name| report(call, name))?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// One option for each flag, with the words that follow it. Quotes have no meaning here.
fn grouped(words: &str) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match options.last_mut() {
            Some(option) if !word.starts_with('-') => {
                option.push(' ');
                option.push_str(word);
            }
            _ => options.push(word.to_owned()),
        }
    }
    options
}

/// Adds an option, even if it is there already, or removes all equal ones. Dokku keeps them sorted.
pub(crate) fn change(call: &Call, name: &str, scope: &str, option: &str, add: bool) -> Result<()> {
    call.change(name, |app| {
        let options = app.docker_options.entry(scope.to_owned()).or_default();
        if add {
            options.push(option.to_owned());
            options.sort();
        } else {
            options.retain(|kept| kept != option);
        }
    })
}

/// The options of a scope: a phase, or `deploy.<process>`. Dokku keeps the restart policy here, too.
fn scope(app: &App, scope: &str) -> Vec<String> {
    let mut options = app.docker_options.get(scope).cloned().unwrap_or_default();
    if let Some(policy) = app.ps.get("restart-policy").filter(|_| scope == "deploy") {
        options.push(format!("--restart={policy}"));
        options.sort();
    }
    options
}

fn report(call: &Call, name: &str) -> Result<Report> {
    let app = call.app(name)?;
    let mut report = Report::new("docker-options", "docker-options-", Keys::Both);
    let processes = app.docker_options.keys().filter(|scope| scope.contains('.'));
    let mut scopes: Vec<&str> = PHASES.into_iter().chain(processes.map(String::as_str)).collect();
    scopes.sort_unstable();
    for name in scopes {
        let options = scope(&app, name);
        report = report.row(name, options.join(" "));
        report.extra.push((format!("{name}-list"), Value::from(options)));
    }
    Ok(report)
}
