//! `matrix:report`, and the section of `dokku report <app>`. Never shows a secret.

use super::{Subcommand, list, session::Session};
use crate::{
    component::Catalog,
    dokku::{docker, nginx},
    error::{Error, Exit, Result},
    host::{Host, env::Env},
    names::AppName,
    state::{Spec, Status, Tls},
    ui::Ui,
};
use serde_json::{Map, Value};

#[derive(Debug, clap::Args)]
struct Args {
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

pub(super) fn subcommand() -> Subcommand {
    Subcommand::new(
        "report",
        "[<app>] [--<flag>] [--format json]",
        "Report on one homeserver or on all",
        |env, catalog, args: Args| run(env, catalog, &args),
    )
}

fn run(env: Env, catalog: Catalog, args: &Args) -> Result<Exit> {
    let session = Session::new(env, catalog, "matrix:report");
    // A flag alone is asked of all apps, as in Dokku's own reports.
    let (app, flag) = match (args.app.as_deref(), args.flag.as_deref()) {
        (Some(flag), None) if flag.starts_with("--") => (None, Some(flag)),
        given => given,
    };
    let json = args.format.as_deref() == Some("json");
    if flag.is_some() && args.format.is_some() {
        return Err(Error::usage("--format flag cannot be specified when specifying an info flag"));
    }
    if let Some(app) = app {
        return print(&session, &app.parse()?, flag, json);
    }
    let apps = list::apps(&session)?;
    if apps.is_empty() {
        session.ui.warn("There are no Matrix homeservers");
    }
    let mut exit = Exit::Done;
    for app in apps {
        // One that fails does not hide the others.
        if let Err(error) = app.parse().and_then(|app| print(&session, &app, flag, json)) {
            error.lines().iter().for_each(|line| session.ui.warn(line));
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}

fn print(session: &Session, app: &AppName, flag: Option<&str>, json: bool) -> Result<Exit> {
    let spec = session.spec(app)?;
    let rows = rows(&session.host, session.catalog, &spec)?;
    match flag {
        Some(flag) => return one(&session.ui, &rows, flag),
        None if json => {
            let map: Map<String, Value> =
                rows.into_iter().map(|(key, value)| (key, value.into())).collect();
            session.ui.answer(&Value::Object(map).to_string());
        }
        None => section(&session.ui, &spec.app, &rows),
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
pub type Rows = Vec<(String, String)>;

/// What there is to report on a homeserver.
pub fn rows(host: &Host, catalog: Catalog, spec: &Spec) -> Result<Rows> {
    let container = docker::running(host, &spec.app).option()?;
    let running = container.as_ref().is_some_and(|container| !container.restarting);
    let deployed = container.map(|container| container.source_image);
    let status = Status::read(host.env(), &spec.server_name)?;
    let text = |value: Option<&dyn ToString>| value.map(ToString::to_string).unwrap_or_default();
    let mut rows = vec![
        ("app".to_owned(), spec.app.to_string()),
        ("data-dir".to_owned(), spec.paths(host.env()).root().into_string()),
        ("domain".to_owned(), spec.domain.to_string()),
        ("failed-image".to_owned(), text(status.failed_image.as_ref().map(|image| image as _))),
        ("federation".to_owned(), spec.federation.to_string()),
        ("image".to_owned(), spec.image.to_string()),
        ("image-deployed".to_owned(), text(deployed.as_ref().map(|image| image as _))),
        ("port-8448".to_owned(), spec.is_on_8448().to_string()),
        ("running".to_owned(), running.to_string()),
        ("server-name".to_owned(), spec.server_name.to_string()),
        ("service".to_owned(), spec.service.to_string()),
        ("tls".to_owned(), tls(host, spec)?),
    ];
    for kind in catalog.optional() {
        let component = spec.components.get(kind.name);
        let (app, url) = match component {
            Some(component) => (component.app.to_string(), spec.url(&component.domain)),
            None => (String::new(), String::new()),
        };
        rows.extend([(format!("{}-app", kind.name), app), (format!("{}-url", kind.name), url)]);
        if let Some(file) = kind.local_file {
            let path = spec.paths(host.env()).component(kind.name).join(file);
            let path = component.map(|_| path.into_string()).unwrap_or_default();
            rows.push((format!("{}-local-file", kind.name), path));
        }
    }
    rows.sort_unstable();
    Ok(rows)
}

fn tls(host: &Host, spec: &Spec) -> Result<String> {
    let word = match spec.tls {
        Tls::Off => return Ok("off".to_owned()),
        Tls::Letsencrypt => "letsencrypt",
        Tls::Provided => "provided",
    };
    // An app that was destroyed by hand has none.
    let has_one = nginx::has_certificate(host, &spec.app).or_absent(false)?;
    Ok(if has_one { word.to_owned() } else { format!("{word} (no certificate yet)") })
}

/// Prints a report in the form of Dokku's own.
pub fn section(ui: &Ui, app: &AppName, rows: &Rows) {
    ui.answer(&format!("=====> {app} matrix information"));
    for (key, value) in rows {
        let words = format!("Matrix {}:", key.replace('-', " "));
        ui.answer(format!("       {words:<31}{value}").trim_end());
    }
}
