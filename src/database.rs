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

/// The table in which Synapse keeps the state of its schema.
const SCHEMA_TABLE: &str = "applied_schema_deltas";

/// All tables but those of PostgreSQL itself and of its extensions, each as one would type it.
const TABLES: &str = "SELECT c.oid::regclass::text AS name FROM pg_class c \
     JOIN pg_namespace n ON n.oid=c.relnamespace \
     WHERE c.relkind IN ('r','p','f') AND n.nspname !~ '^pg_' AND n.nspname<>'information_schema' \
     AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid='pg_class'::regclass AND d.objid=c.oid AND d.deptype='e') \
     ORDER BY 1;";

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

    /// The tables of its own database if they are somebody else's; an empty list if they are
    /// Synapse's, or there is none but those of extensions.
    fn tables_of_others(&self, host: &Host) -> Result<Vec<String>> {
        let rows = self.query(host, TABLES).or_absent(vec![])?;
        let names: Vec<String> = rows.into_iter().flatten().collect();
        let is_synapses = |name: &String| name.rsplit('.').next() == Some(SCHEMA_TABLE);
        Ok(if names.iter().any(is_synapses) { vec![] } else { names })
    }

    /// Whether Synapse has ever used its own database; `false` if it does not exist.
    fn holds_synapse(&self, host: &Host) -> Result<bool> {
        let condition = format!("tablename='{SCHEMA_TABLE}'");
        Ok(count(self.query(host, &count_tables(&condition))).or_absent(0)? > 0)
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

    /// A database that answers with these tables.
    #[derive(Debug)]
    struct Holding(&'static str);

    impl fmt::Display for Holding {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Database for Holding {
        fn can_be_asked(&self, _: &Host) -> Result<bool> {
            Ok(true)
        }

        fn query(&self, _: &Host, _: &str) -> Reading<Vec<Vec<String>>> {
            Reading::Value(rows(self.0))
        }
    }

    #[test]
    fn tells_whose_tables_they_are() {
        let env = crate::host::env::Env::read();
        let host = Host::new(env, std::sync::Arc::new(crate::host::run::Nowhere), true);
        for (tables, wanted) in [
            ("", &[][..]),
            ("orders\nother.customers", &["orders", "other.customers"]),
            ("access_tokens\napplied_schema_deltas\nbridge_portal", &[]),
            ("synapse.applied_schema_deltas\nusers", &[]),
            ("applied_schema_deltas_old\nusers", &["applied_schema_deltas_old", "users"]),
        ] {
            assert_eq!(Holding(tables).tables_of_others(&host).unwrap(), wanted, "{tables}");
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
