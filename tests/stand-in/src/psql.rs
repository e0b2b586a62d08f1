//! The SQL statements of the plugin, and what `psql` prints for them.

use std::fmt::Write;

use anyhow::{Result, bail};

use crate::call::Call;
use crate::postgres;
use crate::real;
use crate::state::{Answer, Service};

/// The output format of rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Format {
    pub(crate) unaligned: bool,
    pub(crate) tuples_only: bool,
}

/// The query for encodings and locales, without its first columns and its condition.
const LOCALES: &str = "pg_encoding_to_char(encoding),datcollate,datctype from pg_database";

/// The queries that count tables: Synapse's schema table, and all tables of the database.
const TABLES: [&str; 2] = [
    "select count(*) from pg_tables where tablename='applied_schema_deltas'",
    "select count(*) from pg_tables where schemaname not in ('pg_catalog','information_schema')",
];

/// The query for the names of all tables but those of extensions.
const TABLE_NAMES: &str = "select c.oid::regclass::text as name from pg_class c \
     join pg_namespace n on n.oid=c.relnamespace \
     where c.relkind in ('r','p','f') and n.nspname !~ '^pg_' and n.nspname<>'information_schema' \
     and not exists (select from pg_depend d where d.classid='pg_class'::regclass and d.objid=c.oid and d.deptype='e') \
     order by 1";

/// The result of a statement.
enum Outcome {
    Rows(Vec<String>, Vec<Vec<String>>),
    Done(&'static str),
    Failed(String),
}

/// Runs SQL in a database of a service, as `psql -v ON_ERROR_STOP=1` does.
pub(crate) fn connect(call: &Call, name: &str, database: &str, sql: &str) -> Result<Answer> {
    let state = call.state()?;
    let service = state.services.get(name);
    match service.and_then(|service| service.container.as_ref()).filter(|_| state.parts.is_some()) {
        Some(id) => real::database::connect(id, database, sql),
        None => run(call, name, database, sql, Format::default()),
    }
}

/// Runs SQL with the given output format.
pub(crate) fn run(
    call: &Call,
    name: &str,
    database: &str,
    sql: &str,
    mut format: Format,
) -> Result<Answer> {
    let error = |rc: i32, stderr: String| Ok(Answer { rc, stderr, ..Answer::default() });
    let Some(service) = call.state()?.services.remove(name) else {
        return error(1, format!("Error: No such container: dokku.postgres.{name}\n"));
    };
    let Some(id) = &service.container else {
        return error(1, format!("Error: No such container: dokku.postgres.{name}\n"));
    };
    if !service.runs() {
        return error(1, format!("Error response from daemon: Container {id} is not running\n"));
    }
    if let Some(fixed) = service.answers.iter().find(|answer| sql.contains(&answer.contains)) {
        return Ok(fixed.clone());
    }
    if !service.databases.contains_key(database) {
        return error(
            2,
            format!(
                "psql: error: connection to server at \"localhost\" (::1), port 5432 failed: FATAL:  database \"{database}\" does not exist\n"
            ),
        );
    }
    let mut answer = Answer::default();
    let (settings, statements): (Vec<&str>, Vec<&str>) =
        sql.lines().partition(|line| line.trim_start().starts_with('\\'));
    for setting in settings {
        match setting.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["\\pset", "format", "unaligned"] => {
                format.unaligned = true;
                answer.stdout += "Output format is unaligned.\n";
            }
            ["\\pset", "tuples_only", "on"] => format.tuples_only = true,
            other => bail!("psql's {} is not supported", other.join(" ")),
        }
    }
    for statement in
        statements.join("\n").split(';').map(str::trim).filter(|statement| !statement.is_empty())
    {
        match execute(call, name, database, &service, statement)? {
            Outcome::Rows(columns, rows) => answer.stdout += &table(&columns, &rows, format),
            Outcome::Done(tag) => {
                answer.stdout += tag;
                answer.stdout.push('\n');
            }
            Outcome::Failed(why) => {
                answer.stderr = format!("ERROR:  {why}\n");
                answer.rc = 3;
                break;
            }
        }
    }
    Ok(answer)
}

fn execute(
    call: &Call,
    name: &str,
    database: &str,
    service: &Service,
    sql: &str,
) -> Result<Outcome> {
    let lower = sql.to_ascii_lowercase();
    let one =
        |column: &str, value: String| Outcome::Rows(vec![column.to_owned()], vec![vec![value]]);
    if let Some(rest) = lower.strip_prefix("create database ") {
        return create(call, name, rest);
    }
    if lower.split_once(LOCALES).is_some_and(|(before, after)| {
        matches!(before, "select " | "select datname,")
            && (after.is_empty() || after.starts_with(" where datname="))
    }) {
        return Ok(locales(database, service, &lower));
    }
    let tables =
        || if database == postgres::database(name) { service.table_names() } else { vec![] };
    if lower == TABLES[0] {
        let count = tables().iter().filter(|table| *table == "applied_schema_deltas").count();
        return Ok(one("count", count.to_string()));
    }
    if lower == TABLES[1] {
        let extensions =
            if database == postgres::database(name) { service.extension_tables } else { 0 };
        return Ok(one("count", (tables().len() + extensions).to_string()));
    }
    if lower == TABLE_NAMES {
        let rows = tables().into_iter().map(|table| vec![table]).collect();
        return Ok(Outcome::Rows(vec!["name".to_owned()], rows));
    }
    if lower == "select 1" {
        return Ok(one("?column?", "1".to_owned()));
    }
    bail!("this SQL is not supported: {sql}")
}

fn change<T>(call: &Call, name: &str, change: impl FnOnce(&mut Service) -> T) -> Result<T> {
    call.update(|state| Ok(change(state.services.entry(name.to_owned()).or_default())))
}

fn create(call: &Call, name: &str, rest: &str) -> Result<Outcome> {
    let tokens: Vec<&str> = rest.split([' ', '\n', '=']).filter(|word| !word.is_empty()).collect();
    let database = tokens.first().map(|word| word.trim_matches('"').to_owned()).unwrap_or_default();
    let value = |key: &str| {
        let at = tokens.iter().position(|word| *word == key)?;
        tokens.get(at + 1).map(|word| word.trim_matches('\'').to_uppercase())
    };
    let whole = value("locale");
    change(call, name, |service| {
        if service.databases.contains_key(&database) {
            return Outcome::Failed(format!("database \"{database}\" already exists"));
        }
        let [encoding, collate, ctype] =
            service.databases.get("template0").cloned().unwrap_or_default();
        let locale = [
            value("encoding").unwrap_or(encoding),
            value("lc_collate").or_else(|| whole.clone()).unwrap_or(collate),
            value("lc_ctype").or(whole).unwrap_or(ctype),
        ];
        service.databases.insert(database, locale);
        Outcome::Done("CREATE DATABASE")
    })
}

/// Encodings and locales of the current database, of a named one, or of all.
fn locales(database: &str, service: &Service, sql: &str) -> Outcome {
    let list = sql.trim_start_matches("select").split(" from ").next().unwrap_or_default();
    let columns: Vec<String> = list
        .split(',')
        .map(|column| {
            if column.contains("pg_encoding_to_char") {
                "pg_encoding_to_char"
            } else {
                column.trim()
            }
            .to_owned()
        })
        .collect();
    let selected = sql
        .split_once("datname")
        .and_then(|(_, rest)| rest.trim_start_matches([' ', '=']).split('\'').nth(1));
    let mut names: Vec<&String> = service.databases.keys().collect();
    // The order in which PostgreSQL lists them: the default database, the service's own, the
    // templates.
    names.sort_by_key(|name| match name.as_str() {
        "postgres" => 0,
        "template1" => 2,
        "template0" => 3,
        _ => 1,
    });
    if sql.contains("current_database()") {
        names.retain(|name| *name == database);
    } else if let Some(selected) = selected.filter(|_| sql.contains("where")) {
        names.retain(|name| *name == selected);
    }
    let cell = |name: &String, column: &String| match column.as_str() {
        "datname" => name.clone(),
        "pg_encoding_to_char" => service.databases[name][0].clone(),
        "datcollate" => service.databases[name][1].clone(),
        _ => service.databases[name][2].clone(),
    };
    let rows = names
        .iter()
        .map(|name| columns.iter().map(|column| cell(name, column)).collect())
        .collect();
    Outcome::Rows(columns, rows)
}

fn table(columns: &[String], rows: &[Vec<String>], format: Format) -> String {
    let mut text = String::new();
    if format.unaligned {
        let head = (!format.tuples_only).then_some(columns);
        for row in head.into_iter().chain(rows.iter().map(Vec::as_slice)) {
            text += &row.join("|");
            text.push('\n');
        }
        if !format.tuples_only {
            text += &row_count(rows);
        }
        return text;
    }
    let width = |at: usize| {
        rows.iter().map(|row| row[at].len()).chain([columns[at].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let heads: Vec<String> =
        columns.iter().zip(&widths).map(|(head, width)| format!(" {head:^width$} ")).collect();
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    if !format.tuples_only {
        let _ = writeln!(text, "{}\n{}", heads.join("|"), rules.join("+"));
    }
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| aligned(cell, *width)).collect();
        let _ = writeln!(text, " {}", cells.join(" | ").trim_end());
    }
    if !format.tuples_only {
        text += &row_count(rows);
    }
    text + "\n"
}

fn row_count(rows: &[Vec<String>]) -> String {
    format!("({} row{})\n", rows.len(), if rows.len() == 1 { "" } else { "s" })
}

/// Numbers stand to the right, text to the left.
fn aligned(cell: &str, width: usize) -> String {
    if !cell.is_empty() && cell.chars().all(|c| c.is_ascii_digit()) {
        format!("{cell:>width$}")
    } else {
        format!("{cell:<width$}")
    }
}
