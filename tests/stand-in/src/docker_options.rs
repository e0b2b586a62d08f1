//! `docker-options:*`: Docker flags for the containers of an app.

use anyhow::Result;
use serde_json::Value;

use crate::call::{Call, fail};
use crate::dokku::arg;
use crate::report::{Keys, Report, of_apps};

const PHASES: [&str; 3] = ["build", "deploy", "run"];

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    match verb {
        "add" | "remove" => {
            let name = arg(args, 0);
            call.app(name)?;
            let phases: Vec<&str> = arg(args, 1).split(',').collect();
            if let Some(phase) = phases.iter().find(|phase| !PHASES.contains(*phase)) {
                return fail(format!("Phase(s) must be one of [build deploy run], got {phase}"));
            }
            let option = args.get(2..).unwrap_or_default().join(" ");
            if option.is_empty() {
                return fail("Please specify docker options to add to the phase");
            }
            for phase in phases {
                change(call, name, phase, &option, verb == "add")?;
            }
        }
        "report" => of_apps(call, args, |name| report(call, name))?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Adds an option, even if it is there already, or removes all equal ones.
pub(crate) fn change(call: &Call, name: &str, phase: &str, option: &str, add: bool) -> Result<()> {
    call.change(name, |app| {
        let options = app.docker_options.entry(phase.to_owned()).or_default();
        if add {
            options.push(option.to_owned());
        } else {
            options.retain(|kept| kept != option);
        }
    })
}

fn report(call: &Call, name: &str) -> Result<Report> {
    let app = call.app(name)?;
    let mut report = Report::new("docker options", "docker-options-", Keys::Both);
    for phase in PHASES {
        let options = app.docker_options.get(phase).cloned().unwrap_or_default();
        report = report.row(phase, options.join(" "));
        report.extra.push((format!("{phase}-list"), Value::from(options)));
    }
    Ok(report)
}
