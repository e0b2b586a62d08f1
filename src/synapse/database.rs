//! The connection to the database: parses `DATABASE_URL`.
//!
//! Must never show any part of that URL, because each may hold the password.

use super::{config::DATABASE_FILE, yaml};
use crate::{
    error::{Error, Result},
    host::secret::Secret,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// The query parameters that are accepted: those of PostgreSQL's client library.
const PARAMETERS: [&str; 5] =
    ["application_name", "channel_binding", "connect_timeout", "options", "sslmode"];

/// The content of [`DATABASE_FILE`].
///
/// # Errors
/// The URL is not that of a PostgreSQL database.
pub fn database_yaml(database_url: &Secret) -> Result<Secret> {
    let args = args(database_url.expose())
        .map_err(|why| Error::new(format!("DATABASE_URL cannot be used: {why}")))?;
    let database = Database { name: "psycopg2", txn_limit: 10_000, args };
    yaml::file(DATABASE_FILE, &File { database }).map(Secret::new)
}

#[derive(Serialize)]
struct File {
    database: Database,
}

#[derive(Serialize)]
struct Database {
    name: &'static str,
    /// A connection is replaced after this many transactions, which frees memory.
    txn_limit: u32,
    args: Args,
}

#[derive(Serialize)]
struct Args {
    user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    dbname: String,
    host: String,
    port: u16,
    #[serde(flatten)]
    parameters: BTreeMap<String, String>,
    cp_min: u8,
    cp_max: u8,
    // A lost connection is detected within 40 s.
    keepalives_idle: u8,
    keepalives_interval: u8,
    keepalives_count: u8,
}

fn args(url: &str) -> Result<Args, &'static str> {
    let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.ok_or("it does not start with postgres://")?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, dbname) = rest.split_once('/').ok_or("it names no database")?;
    let (login, place) = authority.rsplit_once('@').ok_or("it names no user")?;
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (host, port) = host_and_port(place)?;
    let args = Args {
        user: decoded(user)?,
        password: Some(decoded(password)?).filter(|password| !password.is_empty()),
        dbname: decoded(dbname)?,
        host: decoded(host)?,
        port,
        parameters: parameters(query)?,
        cp_min: 5,
        cp_max: 10,
        keepalives_idle: 10,
        keepalives_interval: 10,
        keepalives_count: 3,
    };
    for (part, missing) in [
        (&args.user, "it names no user"),
        (&args.host, "it names no host"),
        (&args.dbname, "it names no database"),
    ] {
        if part.is_empty() {
            return Err(missing);
        }
    }
    Ok(args)
}

fn host_and_port(place: &str) -> Result<(&str, u16), &'static str> {
    // An IPv6 address is in brackets.
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("its host cannot be read")?,
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    match port.strip_prefix(':').unwrap_or(port) {
        "" => Ok((host, 5432)),
        digits => digits.parse().map(|port| (host, port)).map_err(|_| "its port is not a number"),
    }
}

fn parameters(query: &str) -> Result<BTreeMap<String, String>, &'static str> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !PARAMETERS.contains(&name) {
            return Err(
                "it has a parameter other than application_name, channel_binding, connect_timeout, options, and sslmode",
            );
        }
        Ok((name.to_owned(), decoded(value)?))
    };
    pairs.map(pair).collect()
}

/// Decodes `%40` and the like.
fn decoded(text: &str) -> Result<String, &'static str> {
    const BROKEN: &str = "a % in it is not followed by two hexadecimal digits";
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or(BROKEN)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BROKEN);
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| BROKEN)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 when decoded")?;
    if text.contains('\0') { Err("it contains a NUL") } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_whole_file() {
        let url =
            Secret::new("postgres://postgres:0123abc@dokku-postgres-matrix-db:5432/matrix_db");
        let text = database_yaml(&url).unwrap();
        assert_eq!(text.expose(), include_str!("database.test.yaml"));
    }

    #[test]
    fn parses_urls() {
        let parts = |url: &str| {
            let a = args(url).unwrap();
            (a.user, a.password.unwrap_or_default(), a.host, a.port, a.dbname)
        };
        let want = |user: &str, password: &str, host: &str, port, dbname: &str| {
            (user.to_owned(), password.to_owned(), host.to_owned(), port, dbname.to_owned())
        };
        for (url, expected) in [
            ("postgres://u:p@h:1/d", want("u", "p", "h", 1, "d")),
            ("postgresql://u:p@h/d", want("u", "p", "h", 5432, "d")),
            ("postgres://u@h/d", want("u", "", "h", 5432, "d")),
            ("postgres://u:p%40%2F%3a%25@h/d", want("u", "p@/:%", "h", 5432, "d")),
            ("postgres://u:p:q@r@h/d", want("u", "p:q@r", "h", 5432, "d")),
            ("postgres://u:%C3%A9%27%22@h/d%20e", want("u", "é'\"", "h", 5432, "d e")),
            ("postgres://u:p@[::1]:5433/d", want("u", "p", "::1", 5433, "d")),
            ("postgres://u:p@[::1]/d", want("u", "p", "::1", 5432, "d")),
            ("postgres://u:p@h:5432/d?sslmode=require", want("u", "p", "h", 5432, "d")),
        ] {
            assert_eq!(parts(url), expected, "{url}");
        }
        let sslmode = args("postgres://u:p@h/d?sslmode=require&").unwrap().parameters;
        assert_eq!(sslmode, [("sslmode".to_owned(), "require".to_owned())].into());
    }

    #[test]
    fn rejects_urls_without_showing_them() {
        for (url, why) in [
            ("", "it does not start with postgres://"),
            ("mysql://hidden:hidden@h/d", "it does not start with postgres://"),
            ("postgres://hidden:hidden@h", "it names no database"),
            ("postgres://hidden:hidden@h/", "it names no database"),
            ("postgres://h/hidden", "it names no user"),
            ("postgres://:hidden@h/d", "it names no user"),
            ("postgres://hidden:hidden@/d", "it names no host"),
            ("postgres://hidden:hidden@:5432/d", "it names no host"),
            ("postgres://hidden:hidden@h:hidden/d", "its port is not a number"),
            ("postgres://hidden:hidden@[::1/d", "its host cannot be read"),
            (
                "postgres://hidden:hidden%@h/d",
                "a % in it is not followed by two hexadecimal digits",
            ),
            (
                "postgres://hidden:hidden%+1@h/d",
                "a % in it is not followed by two hexadecimal digits",
            ),
            (
                "postgres://hidden:hidden%0é@h/d",
                "a % in it is not followed by two hexadecimal digits",
            ),
            ("postgres://hidden:hidden%ff@h/d", "it is not UTF-8 when decoded"),
            ("postgres://hidden:hidden%00@h/d", "it contains a NUL"),
            (
                "postgres://hidden:hidden@h/d?pool=hidden",
                "it has a parameter other than application_name, channel_binding, connect_timeout, options, and sslmode",
            ),
        ] {
            let error = database_yaml(&Secret::new(url)).unwrap_err();
            assert_eq!(error.lines(), [format!("DATABASE_URL cannot be used: {why}")], "{url}");
        }
    }
}
