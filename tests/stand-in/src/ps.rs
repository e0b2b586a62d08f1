//! `ps:*`: the number of processes; starting and stopping them.

use anyhow::Result;

use crate::apps::print_schedule_updated;
use crate::call::{Call, fail, quit};
use crate::dokku::{arg, has, positional};
use crate::report::{Keys, Report, of_apps};
use crate::state::Status;
use crate::{containers, deploy, files, links, proxy, schedule};

const POLICIES: [&str; 4] = ["always", "no", "unless-stopped", "on-failure"];

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    let names = positional(args);
    let name = arg(&names, 0);
    match verb {
        "report" => of_apps(call, args, |name| report(call, name))?,
        "scale" if names.len() < 2 => show_scale(call, name)?,
        "scale" => scale(call, name, &names[1..], has(args, "--skip-deploy"))?,
        "set" => set(call, name, arg(&names, 1), arg(&names, 2))?,
        "restart" => restart(call, name, arg(&names, 1))?,
        "rebuild" => rebuild(call, name)?,
        "stop" => stop(call, name)?,
        "start" => {
            call.app(name)?;
            start(call, name)?;
        }
        "restore" => restore(call, name)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn report(call: &Call, name: &str) -> Result<Report> {
    let app = call.app(name)?;
    let state = call.state()?;
    let files = call.container_files(name);
    let status = |id: &String| {
        let container = state.containers.iter().find(|container| container.id == *id);
        container.map_or(Status::Removed, |container| container.status)
    };
    let up = files.iter().filter(|(_, _, id)| status(id).is_up()).count();
    let running = match up {
        0 => "false",
        up if up == files.len() => "true",
        _ => "mixed",
    };
    let policy = app.ps.get("restart-policy").cloned().unwrap_or_default();
    let computed = if policy.is_empty() { "on-failure:10" } else { &policy };
    let mut report = Report::new("ps", "ps-", Keys::Both)
        .row("can-scale", "true")
        .row("computed-dockerfile-start-cmd", "")
        .row("computed-procfile-path", "Procfile")
        .row("computed-restart-policy", computed)
        .row("computed-skip-deploy", "false")
        .row("computed-start-cmd", "")
        .row("computed-stop-timeout-seconds", "30")
        .bare("deployed", app.deployed.to_string())
        .bare("processes", files.len().to_string())
        .bare("restore", app.restore.to_string())
        .bare("running", running);
    for property in [
        "dockerfile-start-cmd",
        "procfile-path",
        "restart-policy",
        "skip-deploy",
        "start-cmd",
        "stop-timeout-seconds",
    ] {
        report = report.row(property, app.ps.get(property).cloned().unwrap_or_default());
    }
    for property in ["procfile-path", "restart-policy", "skip-deploy", "stop-timeout-seconds"] {
        report = report.row(&format!("global-{property}"), "");
    }
    for (process, index, id) in &files {
        let status = status(id).word();
        report = report
            .bare(&format!("status-{process}.{index}"), format!("{status} (CID: {})", &id[..11]));
    }
    Ok(report)
}

fn show_scale(call: &Call, name: &str) -> Result<()> {
    let app = call.app(name)?;
    call.info1(format!("Scaling for {name}"));
    call.print("proctype: qty\n--------: ---\n");
    app.scale.iter().for_each(|(process, count)| call.line(format!("{process}:  {count}")));
    Ok(())
}

fn scale(call: &Call, name: &str, pairs: &[String], skip: bool) -> Result<()> {
    let before = call.app(name)?.scale;
    call.info1(format!("Scaling {name} processes: {}", pairs.join(" ")));
    let mut desired: Vec<(String, u32)> = Vec::new();
    for pair in pairs {
        let parsed = pair
            .split_once('=')
            .and_then(|(process, count)| Some((process.to_owned(), count.parse().ok()?)));
        match parsed {
            Some(parsed) => desired.push(parsed),
            None => return fail(format!("Invalid process scale: {pair}")),
        }
    }
    let app = call.change(name, |app| {
        let kept = app
            .scale
            .drain(..)
            .filter(|(process, _)| !desired.iter().any(|(other, _)| other == process));
        let mut whole = desired.clone();
        whole.extend(kept);
        // Without a Procfile Dokku forgets process types with a count of zero.
        whole.retain(|(_, count)| *count > 0);
        app.scale = whole;
        app.clone()
    })?;
    call.write_scale(name, &app)?;
    if skip || !app.deployed {
        return Ok(());
    }
    for (process, count) in desired.iter().filter(|pair| !before.contains(*pair)) {
        call.fire("deploy", &[name, "latest", process])?;
        if *count == 0 {
            descale(call, name, process)?;
        } else {
            schedule::schedule(call, name, process)?;
        }
    }
    Ok(())
}

/// Removes the containers of a process type that was scaled to zero.
fn descale(call: &Call, name: &str, process: &str) -> Result<()> {
    call.fire("scheduler-deploy", &["docker-local", name, "latest", process])?;
    let ids = containers::running(call, name, process)?;
    for (_, index, _) in call.container_files(name).iter().filter(|(other, ..)| other == process) {
        files::remove(&call.container_file(name, process, *index))?;
    }
    containers::set_status(call, &ids, Status::Exited)
}

fn set(call: &Call, name: &str, property: &str, value: &str) -> Result<()> {
    call.app(name)?;
    if property == "restart-policy"
        && !value.is_empty()
        && !POLICIES.contains(&value.split(':').next().unwrap_or_default())
    {
        return fail("Invalid restart-policy specified");
    }
    if value.is_empty() {
        call.info2(format!("Unsetting {property}"));
        call.change(name, |app| app.ps.remove(property))?;
    } else {
        call.info2(format!("Setting {property} to {value}"));
        call.change(name, |app| app.ps.insert(property.to_owned(), value.to_owned()))?;
    }
    Ok(())
}

fn restart(call: &Call, name: &str, process: &str) -> Result<()> {
    call.merged.set(true);
    if !call.app(name)?.deployed {
        call.warn(format!("App {name} has not been deployed"));
        return Ok(());
    }
    let mut args = vec![name, "latest"];
    if !process.is_empty() {
        args.push(process);
    }
    call.fire("deploy", &args)?;
    repeat_failure(call, schedule::schedule(call, name, process))
}

/// Prints the standard error of a failed scheduler job a second time, as Dokku does when the
/// command fails.
fn repeat_failure(call: &Call, result: Result<()>) -> Result<()> {
    let stderr = call.failure.take();
    if !stderr.is_empty() {
        call.warn(stderr);
    }
    result
}

/// Builds the app from its commit and deploys it.
pub(crate) fn rebuild(call: &Call, name: &str) -> Result<()> {
    let merged = call.merged.replace(true);
    if call.app(name)?.commit.is_none() {
        call.print("\u{1b}[1G\u{1b}[K-----> WARNING: Cannot build from 'master' as there are no commits stored at that branch.\n");
        return quit(1);
    }
    call.fire("receive-app", &[name])?;
    deploy::build(call, name)?;
    repeat_failure(call, deploy::release(call, name, ""))?;
    call.merged.set(merged);
    Ok(())
}

fn stop(call: &Call, name: &str) -> Result<()> {
    if !call.app(name)?.deployed {
        call.warn(format!("App {name} has not been deployed"));
        return Ok(());
    }
    call.info1(format!("Stopping {name}"));
    call.fire("scheduler-stop", &["docker-local", name])?;
    containers::stop_all(call, name)?;
    call.change(name, |app| app.restore = false)?;
    print_schedule_updated(call)?;
    call.fire("post-stop", &[name])
}

fn start(call: &Call, name: &str) -> Result<()> {
    if !call.app(name)?.deployed {
        call.warn(format!("App {name} has not been deployed"));
        return Ok(());
    }
    call.fire("pre-start", &[name])?;
    links::start_linked(call, name)?;
    if call.state()?.up(name).next().is_some() {
        call.warn(format!("App {name} already running"));
    } else {
        call.warn("App has been detected as not running, releasing");
        deploy::release(call, name, "latest")?;
    }
    proxy::rebuild(call, name)
}

fn restore(call: &Call, name: &str) -> Result<()> {
    call.fire("pre-restore", &[])?;
    if !name.is_empty() {
        call.app(name)?;
        return restore_one(call, name);
    }
    call.warn("Restore specified without app, assuming --all");
    let mut failed = Ok(());
    for name in call.state()?.apps.into_keys() {
        if let Err(error) = restore_one(call, &name) {
            call.warn(format!("{name}: {error}"));
            failed = quit(1);
        }
    }
    failed
}

fn restore_one(call: &Call, name: &str) -> Result<()> {
    call.eprint("WARNING: Ignoring custom format, because both --format and --quiet are set.\n");
    call.fire("scheduler-pre-restore", &["docker-local", name])?;
    call.info1("Clearing potentially invalid proxy configuration");
    call.fire("proxy-clear-config", &[name])?;
    files::remove(&call.home(name).join("nginx.conf"))?;
    let app = call.app(name)?;
    if !app.deployed {
        call.warn(format!("App {name} has not been deployed"));
        return Ok(());
    }
    if !app.restore {
        call.warn(format!("Skipping ps:restore for {name} as restore property is false"));
        return Ok(());
    }
    call.info1("Starting app");
    start(call, name)
}
