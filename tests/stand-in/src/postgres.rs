//! `postgres:*`, the plugin dokku-postgres: services and their links to apps.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::apps::confirm;
use crate::call::{Call, fail, quit};
use crate::container_commands::print_answer;
use crate::containers::{hex, new_id, now};
use crate::dokku::{arg, has};
use crate::entry::exit_with;
use crate::psql::Format;
use crate::state::{Service, Status};
use crate::{files, links, psql, real};

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    let (names, env) = parse(args);
    let (name, app) = (arg(&names, 0), arg(&names, 1));
    let restart = !has(args, "--no-restart");
    match verb {
        "list" => list(call)?,
        "create" => {
            if has(args, "--help") {
                getopts(call, "--help");
            }
            create(call, name, &env)?;
        }
        "app-links" => {
            call.app(name)?;
            let services = call.state()?.services;
            services
                .iter()
                .filter(|(_, service)| service.links.contains(name))
                .for_each(|(other, _)| call.line(other));
        }
        _ if name.is_empty() => return fail("Please specify a valid name for the service"),
        "exists" => {
            service(call, name)?;
            call.info1(format!("Service {name} exists"));
        }
        "info" => info(call, name, args.iter().find(|arg| arg.starts_with("--")))?,
        "connect" => connect(call, name)?,
        "enter" => return enter(call, name, args.get(1..).unwrap_or_default()).map(|()| true),
        // Without a real database there is nothing to export or import.
        "export" | "import" if call.state()?.parts.is_some() => {
            let Some(id) = service(call, name)?.container else {
                call.eprint(format!("Error: No such container: dokku.postgres.{name}\n"));
                return quit(1);
            };
            return exit_with(real::database::dump(verb, name, &id)?).map(|()| true);
        }
        "link" => links::link(call, name, app, restart)?,
        "unlink" => links::unlink(call, name, app, restart)?,
        "linked" => {
            let links = service(call, name)?.links;
            call.app(app)?;
            if !links.contains(app) {
                return fail(format!("Service {name} is not linked to {app}"));
            }
            call.info1(format!("Service {name} is linked to {app}"));
        }
        "links" => service(call, name)?.links.iter().for_each(|app| call.line(app)),
        "stop" => {
            service(call, name)?;
            pause(call);
            call.verbose("Removing container");
            stop(call, name)?;
        }
        "start" => {
            service(call, name)?;
            start(call, name)?;
        }
        "restart" => {
            service(call, name)?;
            pause(call);
            call.info2("Starting container");
            start_stop(call, name, "restart")?;
            call.info2("Container started");
            call.info1("Please call dokku ps:restart on all linked apps");
        }
        "destroy" => destroy(call, name, has(args, "--force"))?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// `postgres:enter <service> psql -U postgres [-c <SQL>]`. Without a terminal the program gets no
/// standard input.
fn enter(call: &Call, name: &str, command: &[String]) -> Result<()> {
    let Some(id) = service(call, name)?.container else {
        return fail("Service container does not exist");
    };
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let sql = match words.as_slice() {
        ["psql", "-U", "postgres"] => "",
        ["psql", "-U", "postgres", "-c", sql] => sql,
        _ => bail!("`dokku postgres:enter {name} {}` is not supported", words.join(" ")),
    };
    if !call.state()?.services.get(name).is_some_and(Service::runs) {
        return fail("Service container is not running");
    }
    call.info1("Filesystem changes may not persist after container restarts");
    if call.state()?.parts.is_some() {
        return print_answer(call, &real::database::enter(&id, &words)?);
    }
    let mut answer = psql::run(call, name, "postgres", sql, Format::default())?;
    // The exit code of a failed `-c`; that of a script is 3.
    answer.rc = if answer.rc == 3 { 1 } else { answer.rc };
    print_answer(call, &answer)
}

/// Parses the positional arguments and the custom environment.
fn parse(args: &[String]) -> (Vec<String>, String) {
    let (mut names, mut env) = (Vec::new(), String::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--custom-env" => env = args.next().cloned().unwrap_or_default(),
            flag if flag.starts_with('-') => {}
            word => names.push(word.to_owned()),
        }
    }
    (names, env)
}

/// Prints bash's getopts errors for a long option: it reads the option as single letters, including
/// `p`.
fn getopts(call: &Call, option: &str) {
    let program = call.plugins.join("postgres/subcommands/create").display().to_string();
    for letter in option.chars().skip(1) {
        let what = if letter == 'p' { "option requires an argument" } else { "illegal option" };
        call.eprint(format!("{program}: {what} -- {letter}\n"));
    }
}

pub(crate) fn service(call: &Call, name: &str) -> Result<Service> {
    match call.state()?.services.remove(name) {
        Some(mut service) => {
            // An administrator may have changed the password file.
            if let Ok(password) = fs::read_to_string(password_file(call, name)) {
                password.trim().clone_into(&mut service.password);
            }
            Ok(service)
        }
        None => fail(format!("Postgres service {name} does not exist")),
    }
}

/// The file in which dokku-postgres stores the password of a service.
fn password_file(call: &Call, name: &str) -> PathBuf {
    call.lib.join("services/postgres").join(name).join("PASSWORD")
}

pub(crate) fn change<T>(
    call: &Call,
    name: &str,
    change: impl FnOnce(&mut Service) -> T,
) -> Result<T> {
    call.update(|state| match state.services.get_mut(name) {
        Some(service) => Ok(change(service)),
        None => fail(format!("Postgres service {name} does not exist")),
    })
}

fn list(call: &Call) -> Result<()> {
    let services = call.state()?.services;
    if services.is_empty() {
        call.warn("There are no Postgres services");
    } else {
        call.info2("Postgres services");
        for name in services.keys() {
            call.line(name);
        }
    }
    Ok(())
}

/// The locale that `initdb` derives from the custom environment: encoding, collation and character
/// type.
fn locale(env: &str) -> [String; 3] {
    let option = |name: &str| {
        let flag = format!("--{name}=");
        env.split([' ', ';']).find_map(|word| {
            word.trim_start_matches("POSTGRES_INITDB_ARGS=").strip_prefix(&flag).map(str::to_owned)
        })
    };
    let variable = |name: &str| {
        env.split(';').find_map(|pair| pair.strip_prefix(&format!("{name}=")).map(str::to_owned))
    };
    let whole = option("locale").or_else(|| variable("LC_ALL"));
    let default = variable("LANG").unwrap_or_else(|| "en_US.utf8".to_owned());
    let part = |flag: &str, name: &str| {
        option(flag)
            .or_else(|| whole.clone())
            .or_else(|| variable(name))
            .unwrap_or_else(|| default.clone())
    };
    let (collate, ctype) = (part("lc-collate", "LC_COLLATE"), part("lc-ctype", "LC_CTYPE"));
    let ascii = ctype == "C" || ctype == "POSIX";
    let encoding =
        option("encoding").unwrap_or_else(|| if ascii { "SQL_ASCII" } else { "UTF8" }.to_owned());
    [encoding, collate, ctype]
}

/// The name of the service's own database.
pub(crate) fn database(name: &str) -> String {
    name.replace(['.', '-'], "_")
}

pub(crate) fn hostname(name: &str) -> String {
    format!("dokku-postgres-{}", name.replace(['.', '_'], "-"))
}

pub(crate) fn dsn(name: &str, service: &Service) -> String {
    format!("postgres://postgres:{}@{}:5432/{}", service.password, hostname(name), database(name))
}

fn create(call: &Call, name: &str, env: &str) -> Result<()> {
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return fail(
            "Please specify a valid name for the service. Valid characters are: [A-Za-z0-9_]+",
        );
    }
    if call.state()?.services.contains_key(name) {
        return fail(format!("Postgres service {name} already exists"));
    }
    let cluster = locale(env);
    let mut databases: BTreeMap<String, [String; 3]> = ["postgres", "template0", "template1"]
        .map(|name| (name.to_owned(), cluster.clone()))
        .into();
    if cluster[0] == "UTF8" {
        databases.insert(database(name), cluster);
    }
    fs::create_dir_all(call.lib.join("services/postgres").join(name).join("data"))?;
    let real = call.state()?.parts.is_some();
    call.update(|state| {
        let id = new_id(state);
        let ip = format!("{}.1.{}", state.subnet(), state.serial % 250);
        let password = hex(&id)[..32].to_owned();
        if real {
            fs::write(password_file(call, name), &password)?;
        }
        let service = Service {
            container: Some(id),
            created_at: now(),
            ip,
            password,
            custom_env: env.to_owned(),
            // A real PostgreSQL keeps track of its databases itself.
            databases: if real { BTreeMap::new() } else { databases },
            ..Service::default()
        };
        state.services.insert(name.to_owned(), service);
        Ok(())
    })?;
    created(call, name)
}

fn created(call: &Call, name: &str) -> Result<()> {
    call.verbose("Waiting for container to be ready");
    let service = service(call, name)?;
    let fresh = match &call.state()?.parts {
        Some(parts) => {
            let id = real::database::start(call, parts, name, &service)?;
            real::database::create(name, &id)?
        }
        None => {
            service.databases.contains_key(&database(name))
                && call.args.first().is_some_and(|verb| verb == "postgres:create")
        }
    };
    call.verbose("Creating container database");
    if !fresh {
        call.verbose("Already exists");
    }
    call.verbose("Securing connection to database");
    call.info2(format!("Postgres container created: {name}"));
    info(call, name, None)
}

fn info(call: &Call, name: &str, flag: Option<&String>) -> Result<()> {
    let service = service(call, name)?;
    let root = call.lib.join("services/postgres").join(name).display().to_string();
    let links: Vec<String> = service.links.iter().cloned().collect();
    let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let status = match (&service.container, service.runs()) {
        (None, _) => "missing",
        (_, true) => "running",
        _ => "exited",
    };
    let rows: [(&str, String); 13] = [
        ("Config dir", format!("{root}/data")),
        ("Config options", String::new()),
        ("Data dir", format!("{root}/data")),
        ("Dsn", dsn(name, &service)),
        ("Exposed ports", "-".to_owned()),
        ("Id", service.container.clone().unwrap_or_default()),
        ("Internal ip", if service.runs() { service.ip.clone() } else { String::new() }),
        ("Initial network", String::new()),
        ("Links", dash(links.join(" "))),
        ("Post create network", String::new()),
        ("Post start network", String::new()),
        ("Service root", root),
        ("Status", status.to_owned()),
    ];
    let version = ("Version", "postgres:18.4".to_owned());
    let rows: Vec<(&str, String)> = rows.into_iter().chain([version]).collect();
    let Some(flag) = flag else {
        call.info2(format!("{name} postgres service information"));
        for (label, value) in rows {
            call.verbose(format!("{:<20} {value:<25}", format!("{label}:")));
        }
        return Ok(());
    };
    let as_flag = |label: &str| format!("--{}", label.to_lowercase().replace(' ', "-"));
    let Some((_, value)) = rows.iter().find(|(label, _)| as_flag(label) == *flag) else {
        bail!("`dokku postgres:info` with {flag} is not supported");
    };
    call.line(value);
    Ok(())
}

fn connect(call: &Call, name: &str) -> Result<()> {
    service(call, name)?;
    let sql = call.stdin.borrow().clone().unwrap_or_default();
    let answer = psql::connect(call, name, &database(name), &sql)?;
    call.print(&answer.stdout);
    call.eprint(&answer.stderr);
    exit_with(answer.rc)
}

/// `start`, `stop` or `restart` of the existing container.
pub(crate) fn start_stop(call: &Call, name: &str, verb: &str) -> Result<()> {
    real::database::start_stop(call, &service(call, name)?, verb)?;
    let status = if verb == "stop" { Status::Exited } else { Status::Running };
    change(call, name, |service| service.status = status)
}

/// Removes the container of a service; its data stays.
fn stop(call: &Call, name: &str) -> Result<()> {
    let service = service(call, name)?;
    if let (Some(id), Some(_)) = (&service.container, call.state()?.parts) {
        real::database::stop(id)?;
    }
    change(call, name, |service| service.container = None)
}

fn pause(call: &Call) {
    call.info2("Pausing container");
    call.verbose("Container paused");
}

pub(crate) fn start(call: &Call, name: &str) -> Result<()> {
    let service = service(call, name)?;
    if service.runs() {
        call.warn("Service is already started");
        return Ok(());
    }
    call.info2("Starting container");
    if service.container.is_some() {
        start_stop(call, name, "start")?;
        call.info2("Container started");
        return Ok(());
    }
    call.update(|state| {
        let id = new_id(state);
        if let Some(service) = state.services.get_mut(name) {
            service.container = Some(id);
            service.status = Status::Running;
            service.created_at = now();
            // The address stays: Docker assigns the lowest free one, which is the old one.
        }
        Ok(())
    })?;
    created(call, name)
}

fn destroy(call: &Call, name: &str, force: bool) -> Result<()> {
    if !service(call, name)?.links.is_empty() {
        return fail("Cannot delete linked service");
    }
    if !force {
        confirm(call, name, "Postgres service")?;
    }
    call.info2(format!("Deleting {name}"));
    pause(call);
    call.verbose("Removing container");
    stop(call, name)?;
    call.verbose("Removing data");
    real::database::remove(call, name)?;
    files::remove(&call.lib.join("services/postgres").join(name))?;
    call.update(|state| Ok(state.services.remove(name)))?;
    call.info2(format!("Postgres container deleted: {name}"));
    Ok(())
}
