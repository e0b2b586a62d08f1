//! dokku-postgres.

use super::{docker, reading, tell, value};
use crate::{
    error::{Error, Result},
    host::{Host, cmd::Cmd, files},
    names::{AppName, ServiceName},
};
use camino::Utf8PathBuf;

/// What a database must be for Synapse: `UTF8`, `C`, `C`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locale {
    /// The encoding.
    pub encoding: String,
    /// How it sorts.
    pub collate: String,
    /// What it takes for a letter.
    pub ctype: String,
}

impl Locale {
    /// Whether Synapse accepts it.
    pub fn is_right(&self) -> bool {
        (self.encoding.as_str(), self.collate.as_str(), self.ctype.as_str()) == ("UTF8", "C", "C")
    }
}

/// The environment that makes a new service's databases UTF8, C, C. (`LC_ALL=C`, which guides
/// tell, leaves no database at all, and dokku-postgres hides the error.)
pub const RIGHT_ENV: &str = "POSTGRES_INITDB_ARGS=--encoding=UTF8 --lc-collate=C --lc-ctype=C";

/// The name that dokku-postgres gives to the database of a service.
pub fn database_name(service: &ServiceName) -> String {
    service.as_str().replace(['-', '.'], "_")
}

/// Where dokku-postgres keeps what it knows of a service.
fn folder(host: &Host, service: &ServiceName) -> Utf8PathBuf {
    host.env().lib_root().join("services/postgres").join(service.as_str())
}

/// Makes a service.
pub fn create(host: &Host, service: &ServiceName) -> Result<()> {
    tell(host, ["postgres:create", service.as_str(), "--custom-env", RIGHT_ENV]).map(drop)
}

/// Destroys a service: only one that was half made and holds nothing.
pub fn destroy(host: &Host, service: &ServiceName) -> Result<()> {
    tell(host, ["postgres:destroy", service.as_str(), "--force"]).map(drop)
}

/// What Docker says of the service's container: `running`, `exited`, or `missing`.
pub fn status(host: &Host, service: &ServiceName) -> Result<String> {
    let text = value(host, &["postgres:info", service.as_str(), "--status"])?;
    Ok(text.unwrap_or_default())
}

/// Whether the service's container runs: Docker is asked, which is quick. Not if Docker knows no
/// container of that name.
pub fn runs(host: &Host, service: &ServiceName) -> Result<bool> {
    docker::is_running(host, &format!("dokku.postgres.{service}"))
}

/// Whether a service was left before PostgreSQL had written anything.
pub fn holds_nothing(host: &Host, service: &ServiceName) -> Result<bool> {
    Ok(files::list(&folder(host, service).join("data"))?.is_empty())
}

/// Starts the service.
pub fn start(host: &Host, service: &ServiceName) -> Result<()> {
    tell(host, ["postgres:start", service.as_str()]).map(drop)
}

/// Runs a query that reads, and gives its rows, the columns parted by `|`; `None` if the service
/// has not even its own database, as `LC_ALL=C` leaves it, or a run that was killed half-way.
fn query(host: &Host, service: &ServiceName, sql: &str) -> Result<Option<Vec<String>>> {
    let cmd = reading(["postgres:connect", service.as_str()])
        .stdin(format!("\\pset format unaligned\n\\pset tuples_only on\n{sql}\n"));
    let ran = host.run(&cmd)?;
    if ran.says(&format!("FATAL:  database \"{}\" does not exist", database_name(service))) {
        return Ok(None);
    }
    // psql ends with 0 whatever a query said.
    if ran.code != 0 || ran.says("ERROR:") || ran.says("FATAL:") {
        return Err(host.failure(&cmd, &ran));
    }
    let told = |line: &&str| {
        !line.is_empty()
            && !line.starts_with("Output format is")
            && !line.starts_with("Tuples only is")
    };
    Ok(Some(ran.stdout.lines().map(str::trim).filter(told).map(str::to_owned).collect()))
}

/// The locale of a database; `None` if the service has no database of that name.
pub fn locale(host: &Host, service: &ServiceName, database: &str) -> Result<Option<Locale>> {
    if database.contains(['\'', '\\']) {
        return Err(Error::new(format!("{database:?} is a name that no database should have")));
    }
    let sql = format!(
        "SELECT pg_encoding_to_char(encoding),datcollate,datctype FROM pg_database WHERE datname='{database}';"
    );
    let rows = query(host, service, &sql)?.unwrap_or_default();
    Ok(rows.iter().find_map(|row| {
        let mut columns = row.split('|').map(str::to_owned);
        let (encoding, collate, ctype) = (columns.next()?, columns.next()?, columns.next()?);
        Some(Locale { encoding, collate, ctype })
    }))
}

/// How many tables a service's own database holds, the system's left out; 0 if it has none.
pub fn tables(host: &Host, service: &ServiceName) -> Result<u64> {
    count(host, service, "schemaname NOT IN ('pg_catalog','information_schema')")
}

/// Whether Synapse has ever used a service's own database; not if there is no such service.
pub fn holds_synapse(host: &Host, service: &ServiceName) -> Result<bool> {
    Ok(links(host, service)?.is_some()
        && count(host, service, "tablename='applied_schema_deltas'")? > 0)
}

fn count(host: &Host, service: &ServiceName, which: &str) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM pg_tables WHERE {which};");
    let Some(rows) = query(host, service, &sql)? else { return Ok(0) };
    rows.first()
        .and_then(|row| row.parse().ok())
        .ok_or_else(|| Error::new(format!("the tables of the service {service} cannot be counted")))
}

/// The apps that a service is linked to; `None` if there is no such service.
pub fn links(host: &Host, service: &ServiceName) -> Result<Option<Vec<String>>> {
    let cmd = reading(["postgres:links", service.as_str()]);
    let ran = host.run(&cmd)?;
    match ran.code {
        0 => Ok(Some(ran.answer().split_whitespace().map(str::to_owned).collect())),
        1 if ran.says(&format!("service {service} does not exist")) => Ok(None),
        _ => Err(host.failure(&cmd, &ran)),
    }
}

/// Whether a service is linked to an app. The file with its links is looked at first.
pub fn linked(host: &Host, service: &ServiceName, app: &AppName) -> Result<bool> {
    let has = |text: &str| text.split_whitespace().any(|linked| linked == app.as_str());
    let text = files::read(&folder(host, service).join("LINKS"))?.unwrap_or_default();
    if has(&text) {
        return Ok(true);
    }
    Ok(links(host, service)?.is_some_and(|all| all.iter().any(|linked| linked == app.as_str())))
}

/// Links a service to an app, without a restart.
pub fn link(host: &Host, service: &ServiceName, app: &AppName) -> Result<()> {
    // What it prints holds the password: shown scrubbed or not at all.
    host.must(&Cmd::changes("dokku").args([
        "postgres:link",
        service.as_str(),
        app.as_str(),
        "--no-restart",
    ]))
    .map(drop)
}
