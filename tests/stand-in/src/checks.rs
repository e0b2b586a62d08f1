//! `checks:disable`, `checks:enable`, `checks:report`: whether the old and the new containers
//! overlap during a deploy.

use anyhow::Result;

use crate::call::Call;
use crate::dokku::arg;
use crate::report::{Keys, Report, of_apps};

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    let name = arg(args, 0);
    let processes: Vec<String> = match arg(args, 1) {
        "" => vec!["_all_".to_owned()],
        list => list.split(',').map(str::to_owned).collect(),
    };
    match verb {
        "disable" => {
            call.app(name)?;
            call.info1(format!(
                "Disabling zero downtime for app's ({name}) proctypes ({})",
                processes.join(",")
            ));
            call.change(name, |app| app.checks_disabled.extend(processes))?;
        }
        "enable" => {
            call.app(name)?;
            call.info1(format!(
                "Enabling zero downtime for app's ({name}) proctypes ({})",
                processes.join(",")
            ));
            call.change(name, |app| app.checks_disabled.retain(|kept| !processes.contains(kept)))?;
        }
        "report" => of_apps(call, args, |name| report(call, name))?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn report(call: &Call, name: &str) -> Result<Report> {
    let disabled: Vec<String> = call.app(name)?.checks_disabled.into_iter().collect();
    let disabled = if disabled.is_empty() { "none".to_owned() } else { disabled.join(",") };
    Ok(Report::new("checks", "checks-", Keys::Plain)
        .row("computed-wait-to-retire", "60")
        .row("disabled-list", disabled)
        .row("global-wait-to-retire", "")
        .row("skipped-list", "none")
        .row("wait-to-retire", ""))
}
