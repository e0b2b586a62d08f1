//! The containers of dokku-postgres: a real `PostgreSQL` for each service.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::apps::DOCKER_STOP_TIMEOUT;
use super::container::{ContainerDir, RunState, Spec};
use super::engine;
use super::machine::Parts;
use crate::call::Call;
use crate::containers::new_id;
use crate::entry::code;
use crate::postgres::database;
use crate::state::{Answer, Service};

const SCRIPT: &str = include_str!("database.sh");
/// The image's user postgres. The image's `pg_hba.conf` trusts every connection inside the
/// container.
const USER: &str = "999:999";

/// Starts the container of a service, waits until it accepts connections, and returns its id.
pub(crate) fn start(call: &Call, parts: &Parts, name: &str, service: &Service) -> Result<String> {
    let id = service.container.clone().context("stand-in: no container")?;
    let data = call.lib.join("services/postgres").join(name).join("data");
    let mut spec = Spec {
        id: id.clone(),
        argv: ["sh", "-euc", SCRIPT, "postgres", SCRIPT].map(str::to_owned).into(),
        mounts: vec![format!("{}:/var/lib/postgresql", data.display())],
        address: Some((service.ip.clone(), parts.network.clone())),
        restart: "always".to_owned(),
        stop: "INT".to_owned(),
        ..Spec::default()
    };
    let path = programs()?;
    spec.env = [
        ("PATH", format!("{path}:/usr/sbin:/usr/bin")),
        ("LANG", "en_US.utf8".to_owned()),
        ("LOCPATH", "/opt/locale".to_owned()),
        ("POSTGRES_PASSWORD", service.password.clone()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    spec.mounts.push(format!("{}:/opt/locale:ro", parts.tools.join("locale").display()));
    // dokku-postgres writes each pair to a line of its own.
    let custom = service.custom_env.split(';').filter_map(|pair| pair.split_once('='));
    spec.env.extend(custom.map(|(key, value)| (key.to_owned(), value.to_owned())));
    ContainerDir::of(call.store.root(), &id).create(&spec)?;
    engine::run(&["start", &id])?;
    wait_until_ready(call, &id)?;
    Ok(id)
}

fn wait_until_ready(call: &Call, id: &str) -> Result<()> {
    let since = Instant::now();
    let probe = ["pg_isready", "--quiet", "--host", "127.0.0.1"];
    while !exec(id, &probe, None)?.status.success() {
        let dir = ContainerDir::of(call.store.root(), id);
        let alive = dir.run_state().as_ref().is_some_and(RunState::runs_on);
        if !alive || since.elapsed() > Duration::from_secs(60) {
            let log = std::fs::read_to_string(dir.path("log")).unwrap_or_default();
            bail!("stand-in: PostgreSQL does not start: {log}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// `start`, `stop` or `restart` of the existing container.
pub(crate) fn start_stop(call: &Call, service: &Service, verb: &str) -> Result<()> {
    let (Some(id), Some(_)) = (&service.container, call.state()?.parts) else { return Ok(()) };
    if verb != "start" {
        stop(id)?;
    }
    if verb != "stop" {
        engine::run(&["start", id])?;
        wait_until_ready(call, id)?;
    }
    Ok(())
}

/// Stops the container; its data stays.
pub(crate) fn stop(id: &str) -> Result<()> {
    engine::run(&["stop", id, DOCKER_STOP_TIMEOUT])
}

/// Removes the data. It belongs to the user postgres, so dokku-postgres removes it in a container,
/// too.
pub(crate) fn remove(call: &Call, name: &str) -> Result<()> {
    if call.state()?.parts.is_none() {
        return Ok(());
    }
    let id = call.update(|state| Ok(new_id(state)))?;
    let dir = call.lib.join("services/postgres").join(name);
    let spec = Spec {
        id: id.clone(),
        argv: ["rm", "-rf", "/service/data"].map(str::to_owned).into(),
        env: [("PATH".to_owned(), "/usr/bin".to_owned())].into(),
        mounts: vec![format!("{}:/service", dir.display())],
        ..Spec::default()
    };
    ContainerDir::of(call.store.root(), &id).create(&spec)?;
    engine::run(&["run", &id])
}

/// Runs `createdb`. dokku-postgres prints "Already exists" for any of its errors.
pub(crate) fn create(name: &str, id: &str) -> Result<bool> {
    let args = ["createdb", "-U", "postgres", "-E", "utf8", &database(name)];
    Ok(exec(id, &args, None)?.status.success())
}

/// `postgres:connect`, with SQL on standard input.
pub(crate) fn connect(id: &str, database: &str, sql: &str) -> Result<Answer> {
    Ok(answer(&exec(id, &["psql", "-h", "localhost", "-U", "postgres", database], Some(sql))?))
}

/// `postgres:enter` with a command.
pub(crate) fn enter(id: &str, command: &[&str]) -> Result<Answer> {
    Ok(answer(&exec(id, command, None)?))
}

fn answer(output: &Output) -> Answer {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Answer {
        rc: code(output.status),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        ..Answer::default()
    }
}

/// `postgres:export` and `postgres:import`, with the caller's standard streams. Returns the exit
/// code.
pub(crate) fn dump(verb: &str, name: &str, id: &str) -> Result<i32> {
    let database = database(name);
    let program: &[&str] = match verb {
        "export" => &["pg_dump", "-Fc", "--no-acl", "--no-owner", "-h", "localhost", "-w"],
        _ => &["pg_restore", "-cO", "--if-exists", "-h", "localhost", "-w", "-d"],
    };
    let mut args: Vec<String> = ["exec", id, USER].map(str::to_owned).into();
    args.extend(program.iter().map(|word| (*word).to_owned()));
    args.extend([database, "-U".to_owned(), "postgres".to_owned()]);
    engine::call(&args, true)
}

fn exec(id: &str, args: &[&str], stdin: Option<&str>) -> Result<Output> {
    use std::io::Write;
    let mut command = Command::new(engine::PATH);
    command.args(["exec", id, USER]).args(args);
    command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
        pipe.write_all(text.as_bytes())?;
    }
    Ok(child.wait_with_output()?)
}

/// The program directory of the newest installed `PostgreSQL`. Debian does not add it to PATH.
fn programs() -> Result<String> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let numbers = versions.filter_map(|version| version.file_name().to_str()?.parse::<u32>().ok());
    let newest = numbers.max().context("PostgreSQL is not there: run dev/setup")?;
    Ok(format!("/usr/lib/postgresql/{newest}/bin"))
}
