//! `matrix:report`, and the section of `dokku report <app>`. Never shows a secret.

use super::{list, session::Session};
use crate::{
    dokku::{docker, nginx},
    error::{Error, Exit, Result},
    host::{Host, env::Env},
    names::AppName,
    server::{Server, Tls},
    ui::Ui,
};
use serde_json::{Map, Value};

/// The flags of `matrix:report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The homeserver's app [default: all].
    #[arg(allow_hyphen_values = true)]
    app: Option<String>,
    /// `json`, or `stdout`.
    #[arg(long, value_name = "FORMAT", value_parser = ["json", "stdout"])]
    format: Option<String>,
    /// One value alone: `--matrix-KEY`.
    #[arg(allow_hyphen_values = true, hide = true)]
    flag: Option<String>,
}

/// Reports on one homeserver or on all.
pub fn run(env: Env, args: &Args) -> Result<Exit> {
    let session = Session::new(env, "matrix:report", false, false);
    // A flag alone is asked of all apps, as of Dokku's own reports.
    let (app, flag) = match (args.app.as_deref(), args.flag.as_deref()) {
        (Some(flag), None) if flag.starts_with("--") => (None, Some(flag)),
        given => given,
    };
    let json = args.format.as_deref() == Some("json");
    if flag.is_some() && args.format.is_some() {
        return Err(Error::usage("--format flag cannot be specified when specifying an info flag"));
    }
    if let Some(app) = app {
        return shown(&session, &app.parse()?, flag, json);
    }
    let apps = list::apps(session.env())?;
    if apps.is_empty() {
        session.ui.warn("There are no Matrix homeservers");
    }
    let mut exit = Exit::Done;
    for app in apps {
        // One that cannot be told of does not hide the others.
        if let Err(error) = app.parse().and_then(|app| shown(&session, &app, flag, json)) {
            error.lines().iter().for_each(|line| session.ui.warn(line));
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}

fn shown(session: &Session, app: &AppName, flag: Option<&str>, json: bool) -> Result<Exit> {
    let server = session.server(app)?;
    let rows = rows(&session.host, &server)?;
    match flag {
        Some(flag) => return one(&session.ui, &rows, flag),
        None if json => {
            let map: Map<String, Value> =
                rows.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
            session.ui.answer(&Value::Object(map).to_string());
        }
        None => section(&session.ui, &server.app, &rows),
    }
    Ok(Exit::Done)
}

fn one(ui: &Ui, rows: &Rows, flag: &str) -> Result<Exit> {
    if let Some((_, value)) = rows.iter().find(|(key, _)| flag == format!("--matrix-{key}")) {
        ui.answer(value);
        return Ok(Exit::Done);
    }
    let valid: Vec<_> = rows.iter().map(|(key, _)| format!("--matrix-{key}")).collect();
    Err(Error::usage(format!("Invalid flag passed, valid flags: {}", valid.join(", ")))
        .exit(Exit::Failed))
}

/// The keys and values of a report, sorted by key.
pub type Rows = Vec<(&'static str, String)>;

/// What there is to report on a homeserver.
pub fn rows(host: &Host, server: &Server) -> Result<Rows> {
    let container = docker::running(host, &server.app).option()?;
    let running = container.as_ref().is_some_and(|container| !container.restarting).to_string();
    let deployed = container.map(|container| container.source_image).unwrap_or_default();
    let tls = match server.tls {
        Tls::Off => "off".to_owned(),
        tls => {
            let word = if tls == Tls::Letsencrypt { "letsencrypt" } else { "provided" };
            let has = nginx::has_certificate(host, &server.app).or_absent(false)?;
            if has { word.to_owned() } else { format!("{word} (no certificate yet)") }
        }
    };
    let element = server.element.as_ref();
    let mut rows = vec![
        ("app", server.app.to_string()),
        ("data-dir", server.places(host.env()).root().into_string()),
        ("domain", server.domain.to_string()),
        ("element-app", element.map(|e| e.app.to_string()).unwrap_or_default()),
        ("element-url", server.element_url().unwrap_or_default()),
        ("failed-image", server.failed_image.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("image", server.image.to_string()),
        ("image-deployed", deployed),
        ("port-8448", (server.port_8448 && server.tls != Tls::Off).to_string()),
        ("running", running),
        ("server-name", server.server_name.to_string()),
        ("service", server.service.to_string()),
        ("tls", tls),
    ];
    rows.sort_unstable();
    Ok(rows)
}

/// Prints a report as Dokku's own look.
pub fn section(ui: &Ui, app: &AppName, rows: &Rows) {
    ui.answer(&format!("=====> {app} matrix information"));
    for (key, value) in rows {
        let words = format!("Matrix {}:", key.replace('-', " "));
        ui.answer(format!("       {words:<31}{value}").trim_end());
    }
}
