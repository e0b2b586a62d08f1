//! `logs`, `enter`, `run`: the logs of an app's containers, and commands in them.

use anyhow::{Result, bail};

use crate::app::App;
use crate::call::{Call, fail};
use crate::containers::new_id;
use crate::dokku::arg;
use crate::entry::exit_with;
use crate::images;
use crate::real;
use crate::state::{Answer, Container, State};
use crate::synapse_config::probe_from;

pub(crate) fn serve(call: &Call, area: &str, verb: &str, args: &[String]) -> Result<bool> {
    if !verb.is_empty() && (area, verb) != ("run", "detached") {
        return Ok(false);
    }
    let name = arg(args, 0);
    let app = call.app(name)?;
    if !app.deployed {
        return fail(format!("App {name} has not been deployed"));
    }
    match area {
        "logs" => logs(call, name, args)?,
        "enter" => enter(call, name, &args[1..])?,
        _ => run(call, name, &args[1..], verb == "detached")?,
    }
    Ok(true)
}

fn logs(call: &Call, name: &str, args: &[String]) -> Result<()> {
    let lines = log(call, name)?;
    let number = args.iter().skip_while(|arg| *arg != "--num" && *arg != "-n").nth(1);
    call.fire(
        "scheduler-logs",
        &["docker-local", name, "", "false", "false", number.map_or("100", String::as_str)],
    )?;
    let number: usize = number.and_then(|number| number.parse().ok()).unwrap_or(100);
    for line in &lines[lines.len().saturating_sub(number)..] {
        call.line(format!("\u{1b}[36m{} app[web.1]:\u{1b}[0m {line}", jiff::Timestamp::now()));
    }
    Ok(())
}

/// The output of an app's processes.
pub(crate) fn log(call: &Call, name: &str) -> Result<Vec<String>> {
    let mut state = call.state()?;
    Ok(match &state.parts {
        Some(_) => real::apps::logs(call, &state, name),
        None => state.logs.remove(name).unwrap_or_default(),
    })
}

fn enter(call: &Call, name: &str, args: &[String]) -> Result<()> {
    let process = args.first().map_or("web", String::as_str);
    let command = args.get(1..).unwrap_or_default();
    let mut trigger = vec!["docker-local", name, process, "--"];
    trigger.extend(command.iter().map(String::as_str));
    call.fire("scheduler-enter", &trigger)?;
    let state = call.state()?;
    let container = state.running(name).find(|container| {
        format!("{}.{}", container.process, container.index).starts_with(process)
    });
    let Some(container) = container else { return fail("No containers running") };
    if state.parts.is_some() {
        return exit_with(real::docker::exec(call, &container.id, true, command)?);
    }
    print_answer(
        call,
        &execute(&state, container, &format!("enter {name} {}", args.join(" ")), command)?,
    )
}

fn run(call: &Call, name: &str, args: &[String], detached: bool) -> Result<()> {
    let mut trigger = vec!["docker-local", name, "0", "--"];
    trigger.extend(args.iter().map(String::as_str));
    call.fire("scheduler-run", &trigger)?;
    call.query("docker-args-run", &[name, "latest"])?;
    call.query("docker-args-process-run", &[name, "dockerfile", "latest"])?;
    let id = call.update(|state| Ok(new_id(state)))?;
    call.fire("post-container-create", &["app", &id, name, "run"])?;
    let state = call.state()?;
    let app = call.app(name)?;
    let mounts = app.mounts.iter().map(crate::Mount::spec).collect();
    if detached {
        let mut options = app.docker_options.get("run").cloned().unwrap_or_default();
        options.sort();
        let container = Container {
            id,
            kind: "run".to_owned(),
            argv: args.to_vec(),
            app: name.to_owned(),
            name: format!("{name}.run.{}", std::process::id()),
            image: app.built.clone().unwrap_or_default(),
            user: crate::flags::of_options(&options)?.user,
            mounts,
            options,
            env: app.config.clone(),
            created_at: crate::containers::now(),
            started_at: crate::containers::now(),
            ..Container::default()
        };
        call.line(&container.name);
        return call.update(|state| {
            state.containers.push(container);
            Ok(())
        });
    }
    let container = Container { mounts, ..Container::default() };
    if let Some(mode) = args.first().filter(|mode| is_unknown_to_script(&state, &app, mode)) {
        let stderr = format!("Unknown execution mode '{mode}'\n");
        return print_answer(call, &Answer { rc: 2, stderr, ..Answer::default() });
    }
    let answer = execute(&state, &container, &format!("run {name} {}", args.join(" ")), args)?;
    call.fire("scheduler-post-run", &["docker-local", name, &id, &answer.rc.to_string()])?;
    print_answer(call, &answer)
}

/// Whether Synapse's start script gets this as the mode in which it runs, and ends with an error.
fn is_unknown_to_script(state: &State, app: &App, mode: &str) -> bool {
    let options = app.docker_options.get("run").into_iter().flatten();
    let image = app.built.as_deref().unwrap_or_default();
    let entry_point = images::entry_point(image, &state.image(image));
    options.clone().all(|option| !option.starts_with("--entrypoint"))
        && entry_point.last().is_some_and(|program| program == "/start.py")
        && !["run", "generate", "migrate_config"].contains(&mode)
        && !app.procfile.contains_key(mode)
}

/// Prints a response and ends the call with its exit code.
pub(crate) fn print_answer(call: &Call, answer: &Answer) -> Result<()> {
    call.print(&answer.stdout);
    call.eprint(&answer.stderr);
    exit_with(answer.rc)
}

/// The response to a command in a container: a fixed answer set by the test, else a built-in one. A
/// command that connects to the database succeeds unless the link is dead.
pub(crate) fn execute(
    state: &State,
    container: &Container,
    whole: &str,
    command: &[String],
) -> Result<Answer> {
    if let Some(answer) = state.exec.iter().find(|answer| whole.contains(&answer.contains)) {
        return Ok(answer.clone());
    }
    let text = command.join(" ");
    if text.starts_with("python - probe ") {
        return Ok(probe_from(state, container));
    }
    if text.contains("psycopg2") {
        let stderr = "psycopg2.OperationalError: connection to server failed: No route to host\n";
        let dead = Answer { rc: 1, stderr: stderr.to_owned(), ..Answer::default() };
        let alive = state.dead_links(container).is_empty();
        return Ok(if alive { Answer::default() } else { dead });
    }
    bail!("`{text}` in a container is not supported")
}
