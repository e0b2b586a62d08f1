//! dokku-postgres: services, their databases, and their links to apps.

use super::{change, docker, parse, read_cmd};
use crate::{
    error::Result,
    host::{
        Host, Reading,
        cmd::{Cmd, Output},
        files,
    },
    names::{AppName, ServiceName},
};
use camino::Utf8PathBuf;

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
///
/// # Errors
/// With the lines that say why, which are somewhere in the whole log of PostgreSQL.
pub fn create(host: &Host, service: &ServiceName) -> Result<()> {
    let args = ["postgres:create", service.as_str(), "--custom-env", RIGHT_ENV];
    let cmd = Cmd::changes("dokku").args(args);
    let output = host.run(&cmd)?;
    if output.code == 0 {
        return Ok(());
    }
    let lines: Vec<&str> = reasons(&output.lines);
    let error = host.failure(&cmd, &output);
    let log = format!("dokku postgres:logs {service}");
    Err(if lines.is_empty() {
        error
    } else {
        let lines = lines.into_iter().map(|line| host.scrubber().scrub(line)).collect();
        error.shown(lines).hint(log)
    })
}

/// The lines that say why the creation of a service failed, each once: PostgreSQL starts again and
/// again, and its log holds the same lines each time.
fn reasons(lines: &[String]) -> Vec<&str> {
    const WORDS: [&str; 7] =
        ["error", "fatal:", "panic:", "no space", "denied", "cannot", "could not"];
    const MOST: usize = 10;
    let mut reasons: Vec<&str> = vec![];
    for line in lines.iter().map(|line| line.trim()) {
        let lower = line.to_ascii_lowercase();
        if WORDS.iter().any(|word| lower.contains(word)) && !reasons.contains(&line) {
            reasons.push(line);
        }
    }
    // The first ones are the cause of the others.
    reasons.truncate(MOST);
    reasons
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

/// Whether the service runs, as dokku-postgres says; false if there is no such service.
pub fn is_running(host: &Host, service: &ServiceName) -> Result<bool> {
    Ok(info(host, service, "--status").option()?.is_some_and(|status| status == "running"))
}

/// Whether the service's container runs. Asks Docker, which is fast; false if Docker has no
/// container of that name.
pub fn container_runs(host: &Host, service: &ServiceName) -> Result<bool> {
    docker::is_running(host, &container(service))
}

/// The id of the service's container; absent if it has none, for it is stopped.
pub fn container_id(host: &Host, service: &ServiceName) -> Reading<String> {
    docker::id_of(host, &container(service))
}

fn container(service: &ServiceName) -> String {
    format!("dokku.postgres.{service}")
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
pub fn query(host: &Host, service: &ServiceName, sql: &str) -> Reading<Vec<Vec<String>>> {
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
    parse::psql_rows(&cmd, &output.stdout).into()
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

    /// What dokku-postgres 1.48.0 prints when PostgreSQL does not start.
    #[test]
    fn finds_the_reason_in_a_log() {
        let lines: Vec<String> =
            include_str!("postgres.test.txt").lines().map(str::to_owned).collect();
        assert!(lines.len() > 100);
        assert_eq!(
            reasons(&lines),
            [
                "Waiting for dokku-postgres-cont-bad:5432  ...............................  ERROR: unable to connect",
                "initdb: error: \"NOPE\" is not a valid server encoding name",
            ]
        );
        assert_eq!(reasons(&["=====> Start".to_owned()]), [""; 0]);
    }
}
