//! A homeserver's database, however it is provided: a service of dokku-postgres today.
//!
//! Owns the questions that are asked of it. Creates, links, and changes nothing.

use crate::{
    dokku::postgres,
    error::{Error, Result},
    host::{Host, Reading},
    names::ServiceName,
    state::Spec,
};
use std::fmt;

/// A PostgreSQL server with the database of a homeserver.
pub trait Database: fmt::Debug + fmt::Display + Send + Sync {
    /// Whether it can be asked now. One that does not exist can: it is absent.
    fn can_be_asked(&self, host: &Host) -> Result<bool>;

    /// The rows that a query answers with, by columns; absent if there is no such server or database.
    fn query(&self, host: &Host, sql: &str) -> Reading<Vec<Vec<String>>>;

    /// The locale of a database; absent if the server has no database of that name.
    fn locale(&self, host: &Host, database: &str) -> Reading<Locale> {
        if database.contains(['\'', '\\']) {
            let why = format!("{database:?} is not a usable name of a database");
            return Reading::Unknown(Error::new(why));
        }
        let sql = format!(
            "SELECT pg_encoding_to_char(encoding),datcollate,datctype FROM pg_database WHERE datname='{database}';"
        );
        self.query(host, &sql).and_then(|rows| Locale::parse(rows).into())
    }

    /// How many tables its own database holds, system tables excluded; 0 if it does not exist.
    fn tables(&self, host: &Host) -> Result<u64> {
        let condition = "schemaname NOT IN ('pg_catalog','information_schema')";
        count(self.query(host, &count_tables(condition))).or_absent(0)
    }

    /// Whether Synapse has ever used its own database; `false` if it does not exist.
    fn holds_synapse(&self, host: &Host) -> Result<bool> {
        let condition = "tablename='applied_schema_deltas'";
        Ok(count(self.query(host, &count_tables(condition))).or_absent(0)? > 0)
    }
}

/// The database of a homeserver.
pub fn of(spec: &Spec) -> impl Database + use<> {
    PostgresService(spec.service.clone())
}

/// A service of dokku-postgres.
#[derive(Clone, Debug)]
struct PostgresService(ServiceName);

impl fmt::Display for PostgresService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the postgres service {}", self.0)
    }
}

impl Database for PostgresService {
    fn can_be_asked(&self, host: &Host) -> Result<bool> {
        let exists = postgres::links(host, &self.0).option()?.is_some();
        Ok(!exists || postgres::is_running(host, &self.0)?)
    }

    fn query(&self, host: &Host, sql: &str) -> Reading<Vec<Vec<String>>> {
        postgres::links(host, &self.0).and_then(|_| postgres::query(host, &self.0, sql))
    }
}

/// How a database encodes, sorts, and classifies text.
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

    fn parse(mut rows: Vec<Vec<String>>) -> Result<Option<Self>> {
        let Some(row) = rows.pop() else { return Ok(None) };
        match <[String; 3]>::try_from(row) {
            Ok([encoding, collate, ctype]) if rows.is_empty() => {
                Ok(Some(Self { encoding, collate, ctype }))
            }
            _ => Err(Error::new("PostgreSQL answered with other rows than one locale")),
        }
    }
}

fn count_tables(condition: &str) -> String {
    format!("SELECT count(*) FROM pg_tables WHERE {condition};")
}

fn count(rows: Reading<Vec<Vec<String>>>) -> Reading<u64> {
    rows.and_then(|rows| {
        let number = match &rows[..] {
            [row] => row.first().and_then(|text| text.parse::<u64>().ok()),
            _ => None,
        };
        match number {
            Some(number) => Reading::Value(number),
            None => Reading::Unknown(Error::new("PostgreSQL answered without a count")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<String>> {
        let row = |row: &str| row.split('|').map(str::to_owned).collect();
        text.lines().map(row).collect()
    }

    #[test]
    fn reads_counts() {
        for (text, wanted) in
            [("7", Some(7)), ("", None), ("\n", None), ("7\n8", None), ("seven", None)]
        {
            assert_eq!(count(Reading::Value(rows(text))).or_absent(0).ok(), wanted, "{text:?}");
        }
    }

    #[test]
    fn reads_locales() {
        for (text, wanted) in [
            ("", Some(None)),
            ("UTF8|C|C", Some(Some(true))),
            ("UTF8|en_US.utf8|C", Some(Some(false))),
            ("UTF8|C", None),
            ("UTF8|C|C\nUTF8|C|C", None),
        ] {
            let got = Locale::parse(rows(text)).ok();
            assert_eq!(
                got.map(|locale| locale.map(|locale| locale.is_right())),
                wanted,
                "{text:?}"
            );
        }
    }
}
