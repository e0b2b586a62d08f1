//! `scheduler-deploy`: replaces the containers of an app, firing the triggers that may refuse.

use anyhow::Result;

use crate::app::App;
use crate::apps::{now, print_schedule_updated};
use crate::call::{Call, Stop, quit};
use crate::deploy::print_task;
use crate::state::{Container, Status};
use crate::{containers, ports, proxy};

/// Deploys new containers for one process type, or for all if `only` is empty.
pub(crate) fn schedule(call: &Call, name: &str, only: &str) -> Result<()> {
    let merged = call.merged.replace(true);
    let scheduled = schedule_merged(call, name, only);
    call.merged.set(merged);
    scheduled
}

fn schedule_merged(call: &Call, name: &str, only: &str) -> Result<()> {
    call.fire("scheduler-deploy", &["docker-local", name, "latest", only])?;
    let is_selected = |process: &str| only.is_empty() || only == process;
    let old: Vec<String> = call
        .container_files(name)
        .into_iter()
        .filter(|(process, ..)| is_selected(process))
        .map(|(_, _, id)| id)
        .collect();
    let mut scale = call.app(name)?.scale;
    scale.sort_by_key(|(process, _)| process != "web");
    let mut new = Vec::new();
    for (process, count) in scale.iter().filter(|(process, _)| is_selected(process)) {
        new.extend(deploy_process(call, name, process, *count)?);
    }
    call.info1("Running post-deploy");
    call.change(name, |app| {
        app.deployed = true;
        app.restore = true;
    })?;
    call.fire("core-post-deploy", &[name, "", "", "latest"])?;
    proxy::rebuild(call, name)?;
    call.fire("post-deploy", &[name, "", "", "latest"])?;
    rename(call, name, &old, &new)?;
    print_task(call, "postdeploy");
    print_schedule_updated(call)?;
    if !old.is_empty() {
        call.info1("Shutting down old containers in 60 seconds");
        containers::set_status(call, &old, Status::Exited)?;
    }
    Ok(())
}

fn deploy_process(call: &Call, name: &str, process: &str, count: u32) -> Result<Vec<Container>> {
    let app = call.app(name)?;
    call.info1(format!("Deploying {process} (count={count})"));
    let disabled = app.checks_disabled.contains(process) || app.checks_disabled.contains("_all_");
    if disabled {
        call.verbose(format!(
            "Zero downtime is disabled, stopping currently running containers  ({process})"
        ));
        for id in containers::running(call, name, process)? {
            call.verbose(format!("Stopping {id} ({process})"));
            call.fire("scheduler-register-retired", &[name, &id, "60"])?;
            containers::set_status(call, &[id], Status::Exited)?;
        }
    }
    call.query("docker-args-deploy", &[name, "latest", process])?;
    call.query("docker-args-process-deploy", &[name, "dockerfile", "latest", process])?;
    let mut new = Vec::new();
    for index in 1..=count {
        new.push(deploy_container(call, name, &app, process, index, disabled)?);
    }
    if !disabled {
        // With checks the app counts as deployed now; without checks only at the end of the deploy.
        call.change(name, |app| app.deployed = true)?;
    }
    call.fire("scheduler-post-deploy-process", &[name, process])?;
    if process == "web" {
        call.info2("Triggering early nginx proxy rebuild");
        proxy::rebuild(call, name)?;
    }
    for (other, index, id) in call.container_files(name) {
        if other == process && index > count {
            call.verbose(format!(
                "Scheduling orphaned container shutdown in 60 seconds ({process}.{index})"
            ));
            call.fire("scheduler-register-retired", &[name, &id, "60"])?;
            crate::files::remove(&call.container_file(name, process, index))?;
        }
    }
    Ok(new)
}

fn deploy_container(
    call: &Call,
    name: &str,
    app: &App,
    process: &str,
    index: u32,
    disabled: bool,
) -> Result<Container> {
    let number = index.to_string();
    let mut extra = call.query("docker-args-deploy", &[name, "latest", process, &number])?;
    extra += &call
        .query("docker-args-process-deploy", &[name, "dockerfile", "latest", process, &number])?;
    let mut container = match containers::create(call, name, app, process, index, &extra) {
        Ok(container) => container,
        // An unsupported option ends the call; it is not an error of Docker's.
        Err(error) if !error.is::<Stop>() => return Err(error),
        Err(error) => {
            report_error(call, &format!("{error}\n"));
            return job_failed(call, name, process, index);
        }
    };
    container.name = format!("{}.upcoming-{}", container.name, std::process::id());
    let id = container.id.clone();
    call.fire("post-container-create", &["app", &id, name, "deploy", process])?;
    containers::create_mount_sources(call, &container)?;
    let container = containers::start(call, &container, !disabled)?;
    // Without checks Dokku does not look at the container's status.
    if !disabled {
        call.verbose(format!("Attempting pre-flight checks ({process}.{index})"));
        if container.status == Status::Running {
            succeeded(call, name, &container)?;
        } else {
            return failed(call, name, &container);
        }
    }
    let file = call.container_file(name, process, index);
    if let Ok(before) = std::fs::read_to_string(&file) {
        call.verbose(format!(
            "Scheduling old container shutdown in 60 seconds ({process}.{index})"
        ));
        call.fire("scheduler-register-retired", &[name, before.trim(), "60"])?;
    }
    std::fs::write(file, &id)?;
    Ok(container)
}

/// Prints an error of a scheduler job, and keeps it for commands that print it a second time.
fn report_error(call: &Call, text: &str) {
    call.eprint(text);
    call.failure.borrow_mut().push_str(text);
}

fn job_failed<T>(call: &Call, name: &str, process: &str, index: u32) -> Result<T> {
    report_error(
        call,
        &format!(
            "parallel: This job failed:\n/var/lib/dokku/plugins/available/scheduler-docker-local/bin/scheduler-deploy-process-container {name} dockerfile dokku/{name}:latest latest {process} 1 {index}\n"
        ),
    );
    quit(1)
}

/// Prints the output of a container between two headings.
fn print_output(
    call: &Call,
    name: &str,
    container: &Container,
    of: &str,
    which: &str,
) -> Result<()> {
    let which = format!("{of}{name} container output ({} {which})", &container.id[..12]);
    call.info2(format!("Start {which}"));
    for line in crate::container_commands::log(call, &container.app)? {
        call.verbose(line);
    }
    call.info2(format!("End {which}"));
    Ok(())
}

fn print_log(call: &Call, name: &str, container: &Container) -> Result<()> {
    let which = format!("{}.{}", container.process, container.index);
    print_output(call, name, container, "of ", &which)
}

fn print_checks(call: &Call, name: &str) -> Result<String> {
    let state = call.state()?;
    let port = ports::effective(&state, &call.app(name)?)
        .first()
        .and_then(|port| port.rsplit(':').next().map(str::to_owned));
    let port = port.unwrap_or_else(|| "5000".to_owned());
    call.info1("Executing 2 healthchecks");
    call.verbose(format!("Running healthcheck name='port listening check' attempts=3 port={port} retries=2 timeout=5 type='listening' wait=5"));
    call.verbose("Running healthcheck name='default' type='uptime' uptime=10");
    Ok(port)
}

fn succeeded(call: &Call, name: &str, container: &Container) -> Result<()> {
    let port = print_checks(call, name)?;
    let (process, index) = (&container.process, container.index);
    call.verbose("Healthcheck succeeded name='port listening check'");
    call.verbose("Healthcheck succeeded name='default'");
    call.verbose(format!("All checks successful ({process}.{index})"));
    print_log(call, name, container)?;
    call.fire(
        "check-deploy",
        &[name, &container.id, process, &port, &container.ip, &index.to_string()],
    )
}

/// Stops the new container; the old one keeps running.
fn failed<T>(call: &Call, name: &str, container: &Container) -> Result<T> {
    let (process, index) = (&container.process, container.index);
    let failure = |text: &str| {
        report_error(call, &format!("\u{1b}[1m\u{1b}[31m !     \u{1b}[0m\u{1b}[0m{text}\n"));
    };
    if container.status == Status::Restarting {
        print_checks(call, name)?;
        call.info2("Start healthcheck output");
        call.verbose("state=restarting");
        call.info2("End healthcheck output");
        // The number of restarts within the ten seconds of the check.
        failure("Failure in name='default': container has restarted 7 times");
        failure("Failure in name='port listening check': container state is not running");
    } else {
        failure("Container state: exited");
    }
    call.line(&container.id);
    containers::set_status(call, std::slice::from_ref(&container.id), Status::Exited)?;
    report_error(
        call,
        &format!(" !     Could not start due to 1 failed checks ({process}.{index})\n"),
    );
    print_log(call, name, container)?;
    print_log(call, name, container)?;
    job_failed(call, name, process, index)
}

/// Renames the new containers to their final names, and the old ones to names with a timestamp.
/// Docker cannot rename a container during a restart back-off.
fn rename(call: &Call, name: &str, old: &[String], new: &[Container]) -> Result<()> {
    call.info1("Renaming containers");
    for container in new {
        let which = format!("{}.{}", container.process, container.index);
        let final_name = format!("{name}.{which}");
        let retired = format!("{final_name}.{}", now());
        let (short, upcoming) = (&container.id[..12], &container.name);
        let (previous, sandbox) = call.update(|state| {
            let restarting = |other: &Container| other.status == Status::Restarting;
            let (mut previous, mut refused) = (None, false);
            for other in &mut state.containers {
                if other.id == container.id {
                    refused = restarting(other);
                    if !refused {
                        other.name.clone_from(&final_name);
                    }
                } else if other.name == final_name
                    && old.contains(&other.id)
                    && other.status != Status::Removed
                {
                    other.name.clone_from(&retired);
                    previous = Some(other.id[..12].to_owned());
                }
            }
            Ok((previous, refused.then(|| containers::new_id(state))))
        })?;
        if let Some(previous) = previous {
            call.verbose(format!("Found previous container(s) ({previous}) named {final_name}"));
            call.verbose(format!("Renaming container ({previous}) {final_name} to {retired}"));
        }
        call.verbose(format!("Renaming container {upcoming} ({short}) to {final_name}"));
        if let Some(sandbox) = sandbox {
            call.line(format!("Error response from daemon: sandbox {sandbox} not found"));
            call.line(format!("Error: failed to rename container named {}", container.id));
            call.print(format!(" !     Failed to rename container {upcoming} ({short})\n"));
            print_output(call, name, container, "", &final_name)?;
        }
    }
    Ok(())
}
