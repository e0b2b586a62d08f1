//! dokku-postgres: services, their databases, and their links to apps.

use super::{change, docker, parse, read_cmd};
use crate::{
    error::{Error, Result},
    host::{
        Host, Reading,
        cmd::{Cmd, Output},
        files,
    },
    names::{AppName, ServiceName},
};
use camino::Utf8PathBuf;

/// The encoding and locale of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locale {
    /// The encoding: `UTF8`.
    pub encoding: String,
    /// The locale that decides the order of text: `C`.
    pub collate: String,
    /// The locale that decides what is a letter: `C`.
    pub ctype: String,
}

impl Locale {
    /// Whether Synapse accepts it: it requires `UTF8`, `C`, `C`.
    pub fn is_right(&self) -> bool {
        (self.encoding.as_str(), self.collate.as_str(), self.ctype.as_str()) == ("UTF8", "C", "C")
    }
}

/// The environment with which a new service gets databases that Synapse accepts. (`LC_ALL=C`,
/// which guides recommend, leaves no database at all, and dokku-postgres hides the error.)
pub const RIGHT_ENV: &str = "POSTGRES_INITDB_ARGS=--encoding=UTF8 --lc-collate=C --lc-ctype=C";

/// The name that dokku-postgres gives the database of a service.
pub fn database_name(service: &ServiceName) -> String {
    service.as_str().replace(['-', '.'], "_")
}

/// The directory in which dokku-postgres keeps a service.
fn directory(host: &Host, service: &ServiceName) -> Utf8PathBuf {
    host.env().lib_root().join("services/postgres").join(service.as_str())
}

/// Creates a service.
pub fn create(host: &Host, service: &ServiceName) -> Result<()> {
    change(host, ["postgres:create", service.as_str(), "--custom-env", RIGHT_ENV]).map(drop)
}

/// Destroys a service with all its data. Only for one whose creation was interrupted.
pub fn destroy(host: &Host, service: &ServiceName) -> Result<()> {
    change(host, ["postgres:destroy", service.as_str(), "--force"]).map(drop)
}

/// One field of `postgres:info`; absent if there is no such service.
fn info(host: &Host, service: &ServiceName, field: &str) -> Reading<String> {
    let cmd = read_cmd(["postgres:info", service.as_str(), field]);
    match host.run(&cmd) {
        Ok(output) if output.code == 0 => match parse::value(&cmd, &output.stdout) {
            // dokku-postgres prints `-` in place of an empty list.
            Ok(text) if text.is_empty() => Reading::Unknown(parse::malformed(&cmd, "no value")),
            text => text.into(),
        },
        Ok(output) if no_such_service(&output, service) => Reading::Absent,
        Ok(output) => Reading::Unknown(host.failure(&cmd, &output)),
        Err(error) => Reading::Unknown(error),
    }
}

fn no_such_service(output: &Output, service: &ServiceName) -> bool {
    output.code == 1 && output.says(&format!("service {service} does not exist"))
}

/// Docker's status of the service's container, `running` or `exited` for example, or `missing`.
pub fn status(host: &Host, service: &ServiceName) -> Result<String> {
    info(host, service, "--status")
        .required(|| Error::new(format!("Postgres service {service} does not exist")))
}

/// Whether the service's container is running. Asks Docker, which is fast; false if Docker has no
/// container of that name.
pub fn runs(host: &Host, service: &ServiceName) -> Result<bool> {
    docker::is_running(host, &format!("dokku.postgres.{service}"))
}

/// Whether PostgreSQL has not written anything for a service yet.
pub fn holds_nothing(host: &Host, service: &ServiceName) -> Result<bool> {
    Ok(files::list(&directory(host, service).join("data"))?.is_empty())
}

/// Starts a service.
pub fn start(host: &Host, service: &ServiceName) -> Result<()> {
    change(host, ["postgres:start", service.as_str()]).map(drop)
}

/// Runs a query that only reads, in the service's own database, and returns its rows; absent if
/// that database does not exist, as after `LC_ALL=C` or an interrupted creation.
fn query(host: &Host, service: &ServiceName, sql: &str) -> Reading<(Cmd, Vec<Vec<String>>)> {
    // Not `tuples_only`: the row count shows that the answer is complete.
    let cmd = read_cmd(["postgres:connect", service.as_str()])
        .stdin(format!("\\pset format unaligned\n{sql}\n"));
    let output = match host.run(&cmd) {
        Ok(output) => output,
        Err(error) => return Reading::Unknown(error),
    };
    if output.says(&format!("FATAL:  database \"{}\" does not exist", database_name(service))) {
        return Reading::Absent;
    }
    // psql may end with 0 although the query failed.
    if output.code != 0 || output.says("ERROR:") || output.says("FATAL:") {
        return Reading::Unknown(host.failure(&cmd, &output));
    }
    Reading::from(parse::psql_rows(&cmd, &output.stdout)).map(|rows| (cmd, rows))
}

/// The locale of a database of a service; absent if there is no database of that name.
pub fn locale(host: &Host, service: &ServiceName, database: &str) -> Reading<Locale> {
    if database.contains(['\'', '\\']) {
        let error = format!("{database:?} is not a usable name of a database");
        return Reading::Unknown(Error::new(error));
    }
    let sql = format!(
        "SELECT pg_encoding_to_char(encoding),datcollate,datctype FROM pg_database WHERE datname='{database}';"
    );
    query(host, service, &sql).and_then(|(cmd, rows)| locale_in(&cmd, rows).into())
}

fn locale_in(cmd: &Cmd, mut rows: Vec<Vec<String>>) -> Result<Option<Locale>> {
    let Some(row) = rows.pop() else { return Ok(None) };
    match <[String; 3]>::try_from(row) {
        Ok([encoding, collate, ctype]) if rows.is_empty() => {
            Ok(Some(Locale { encoding, collate, ctype }))
        }
        _ => Err(parse::malformed(cmd, "other rows than one locale")),
    }
}

/// How many tables a service's own database holds, system tables excluded; 0 if it does not exist.
pub fn tables(host: &Host, service: &ServiceName) -> Result<u64> {
    count(host, service, "schemaname NOT IN ('pg_catalog','information_schema')").or_absent(0)
}

/// Whether a service's own database was ever used by Synapse; false if there is no such service
/// or database.
pub fn holds_synapse(host: &Host, service: &ServiceName) -> Result<bool> {
    if links(host, service).option()?.is_none() {
        return Ok(false);
    }
    Ok(count(host, service, "tablename='applied_schema_deltas'").or_absent(0)? > 0)
}

fn count(host: &Host, service: &ServiceName, condition: &str) -> Reading<u64> {
    let sql = format!("SELECT count(*) FROM pg_tables WHERE {condition};");
    query(host, service, &sql).and_then(|(cmd, rows)| count_in(&cmd, &rows).into())
}

fn count_in(cmd: &Cmd, rows: &[Vec<String>]) -> Result<u64> {
    let number = match rows {
        [row] => row.first().and_then(|text| text.parse().ok()),
        _ => None,
    };
    number.ok_or_else(|| parse::malformed(cmd, "no count"))
}

/// The apps that a service is linked to; absent if there is no such service.
pub fn links(host: &Host, service: &ServiceName) -> Reading<Vec<String>> {
    // `postgres:links` prints nothing at all for a service without links; this prints `-`.
    info(host, service, "--links")
        .map(|text| text.split_whitespace().filter(|app| *app != "-").map(str::to_owned).collect())
}

/// Whether a service is linked to an app. Looks first at the file in which dokku-postgres keeps
/// the links.
pub fn linked(host: &Host, service: &ServiceName, app: &AppName) -> Result<bool> {
    let file = files::read(&directory(host, service).join("LINKS"))?;
    if file.is_some_and(|text| text.lines().any(|linked| linked.trim() == app.as_str())) {
        return Ok(true);
    }
    let links = links(host, service).or_absent(vec![])?;
    Ok(links.iter().any(|linked| linked == app.as_str()))
}

/// Links a service to an app, without a restart.
pub fn link(host: &Host, service: &ServiceName, app: &AppName) -> Result<()> {
    change(host, ["postgres:link", service.as_str(), app.as_str(), "--no-restart"]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dokku::parse::tests::{cmd, what};

    fn rows(text: &str) -> Vec<Vec<String>> {
        let row = |row: &str| row.split('|').map(str::to_owned).collect();
        text.lines().map(row).collect()
    }

    #[test]
    fn reads_counts() {
        for (text, want) in [
            ("7", Ok(7)),
            ("", Err("no count")),
            ("\n", Err("no count")),
            ("7\n8", Err("no count")),
            ("seven", Err("no count")),
        ] {
            let want = want.map_err(str::to_owned);
            assert_eq!(what(count_in(&cmd(), &rows(text))), want, "{text:?}");
        }
    }

    #[test]
    fn reads_locales() {
        const OTHER: &str = "other rows than one locale";
        for (text, want) in [
            ("", Ok(None)),
            ("UTF8|C|C", Ok(Some(true))),
            ("UTF8|en_US.utf8|C", Ok(Some(false))),
            ("UTF8|C", Err(OTHER)),
            ("UTF8|C|C\nUTF8|C|C", Err(OTHER)),
        ] {
            let got = what(locale_in(&cmd(), rows(text)));
            let got = got.map(|locale| locale.map(|locale| locale.is_right()));
            assert_eq!(got, want.map_err(str::to_owned), "{text:?}");
        }
    }
}
