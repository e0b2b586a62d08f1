//! The containers of dokku-postgres: a real `PostgreSQL` for each service.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::apps::DOCKERS_GRACE;
use super::container::{Folder, Life, Spec};
use super::engine;
use super::machine::Parts;
use crate::call::Call;
use crate::containers::new_id;
use crate::entry::code;
use crate::postgres::database;
use crate::state::{Answer, Service};

const SCRIPT: &str = include_str!("database.sh");
/// As in the image's own `pg_hba.conf`: whoever is in the container is trusted.
const USER: &str = "999:999";

/// Starts the container of a service, waits until it answers, and gives its id.
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
    // dokku-postgres puts each pair on a line of its own.
    let custom = service.custom_env.split(';').filter_map(|pair| pair.split_once('='));
    spec.env.extend(custom.map(|(key, value)| (key.to_owned(), value.to_owned())));
    Folder::of(call.store.root(), &id).make(&spec)?;
    engine::must(&["start", &id])?;
    answers(call, &id)?;
    Ok(id)
}

fn answers(call: &Call, id: &str) -> Result<()> {
    let since = Instant::now();
    let asks = ["pg_isready", "--quiet", "--host", "127.0.0.1"];
    while !inside(id, &asks, None)?.status.success() {
        let folder = Folder::of(call.store.root(), id);
        let alive = folder.life().as_ref().is_some_and(Life::runs_on);
        if !alive || since.elapsed() > Duration::from_secs(60) {
            let log = std::fs::read_to_string(folder.path("log")).unwrap_or_default();
            bail!("stand-in: PostgreSQL does not start: {log}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// `start`, `stop` or `restart` of the same container.
pub(crate) fn turn(call: &Call, service: &Service, verb: &str) -> Result<()> {
    let (Some(id), Some(_)) = (&service.container, call.state()?.parts) else { return Ok(()) };
    if verb != "start" {
        stop(id)?;
    }
    if verb != "stop" {
        engine::must(&["start", id])?;
        answers(call, id)?;
    }
    Ok(())
}

/// It stays, and what it holds.
pub(crate) fn stop(id: &str) -> Result<()> {
    engine::must(&["stop", id, DOCKERS_GRACE])
}

/// Its files are those of the user postgres: dokku-postgres has a container remove them.
pub(crate) fn remove(call: &Call, name: &str) -> Result<()> {
    if call.state()?.parts.is_none() {
        return Ok(());
    }
    let id = call.update(|state| Ok(new_id(state)))?;
    let folder = call.lib.join("services/postgres").join(name);
    let spec = Spec {
        id: id.clone(),
        argv: ["rm", "-rf", "/service/data"].map(str::to_owned).into(),
        env: [("PATH".to_owned(), "/usr/bin".to_owned())].into(),
        mounts: vec![format!("{}:/service", folder.display())],
        ..Spec::default()
    };
    Folder::of(call.store.root(), &id).make(&spec)?;
    engine::must(&["run", &id])
}

/// `createdb`, whose errors dokku-postgres takes for "Already exists".
pub(crate) fn create(name: &str, id: &str) -> Result<bool> {
    let args = ["createdb", "-U", "postgres", "-E", "utf8", &database(name)];
    Ok(inside(id, &args, None)?.status.success())
}

/// `postgres:connect`, with SQL on standard input.
pub(crate) fn connect(id: &str, database: &str, sql: &str) -> Result<Answer> {
    let args = ["psql", "-h", "localhost", "-U", "postgres", database];
    let output = inside(id, &args, Some(sql))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Answer {
        rc: code(output.status),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        ..Answer::default()
    })
}

/// `postgres:export` and `postgres:import`; standard streams are the call's. Gives the exit code.
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

fn inside(id: &str, args: &[&str], stdin: Option<&str>) -> Result<Output> {
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

/// The newest `PostgreSQL` that Debian has installed; its programs are not on PATH.
fn programs() -> Result<String> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let numbers = versions.filter_map(|version| version.file_name().to_str()?.parse::<u32>().ok());
    let newest = numbers.max().context("PostgreSQL is not there: run dev/setup")?;
    Ok(format!("/usr/lib/postgresql/{newest}/bin"))
}
