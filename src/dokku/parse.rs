//! Parses output of Dokku and Docker.
//!
//! Must not guess: what is incomplete or malformed is an error that names the command. No error
//! shows the output itself, which may hold secrets.

use crate::{
    error::{Error, Result},
    host::cmd::Cmd,
};
use serde::de::DeserializeOwned;

/// The error for output that is not what the command prints.
pub(super) fn malformed(cmd: &Cmd, what: &str) -> Error {
    Error::new(format!("`{cmd}` ended with exit code 0 and printed {what}"))
}

/// The lines of output that ends as it should, at the end of a line.
///
/// # Errors
/// Nothing was printed, or the last line is incomplete.
pub(super) fn lines<'a>(cmd: &Cmd, stdout: &'a str) -> Result<Vec<&'a str>> {
    if stdout.is_empty() {
        return Err(malformed(cmd, "nothing"));
    }
    if !stdout.ends_with('\n') {
        return Err(malformed(cmd, "an incomplete line"));
    }
    Ok(stdout.lines().collect())
}

/// A single value. Dokku prints an empty one as an empty line.
pub(super) fn value(cmd: &Cmd, stdout: &str) -> Result<String> {
    lines(cmd, stdout).map(|_| stdout.trim().to_owned())
}

/// `true` or `false`.
pub(super) fn flag(cmd: &Cmd, text: &str) -> Result<bool> {
    text.parse().map_err(|_| malformed(cmd, "neither true nor false"))
}

/// JSON of a known form.
pub(super) fn json<T: DeserializeOwned>(cmd: &Cmd, stdout: &str) -> Result<T> {
    lines(cmd, stdout)?;
    serde_json::from_str(stdout.trim_end()).map_err(|error| {
        let text = error.to_string();
        let field = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        match field {
            _ if error.is_eof() => malformed(cmd, "incomplete JSON"),
            Some(field) => malformed(cmd, &format!("JSON without the field {field:?}")),
            None if error.is_data() => malformed(cmd, "JSON with values of other types"),
            None => malformed(cmd, "something else than JSON"),
        }
    })
}

/// The rows below the heading of `docker ps --format 'table ...'`, each with its columns. Without
/// a heading an empty list could not be told from no output at all.
pub(super) fn table<const N: usize>(cmd: &Cmd, stdout: &str) -> Result<Vec<[String; N]>> {
    let lines = lines(cmd, stdout)?;
    let rows = match lines.split_first() {
        Some((heading, rows)) if heading.starts_with("CONTAINER ID") => rows,
        _ => return Err(malformed(cmd, "a table without its heading")),
    };
    let row = |row: &&str| {
        let columns: Vec<String> = row.split_whitespace().map(str::to_owned).collect();
        let columns: [String; N] =
            columns.try_into().map_err(|_| malformed(cmd, "a row with other columns"))?;
        match columns.first() {
            Some(id) if is_id(id) => Ok(columns),
            _ => Err(malformed(cmd, "a row without a container id")),
        }
    };
    rows.iter().map(row).collect()
}

/// Whether this is a whole container id.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The rows of a psql query in its unaligned format: below the heading, above the row count.
pub(super) fn psql_rows(cmd: &Cmd, stdout: &str) -> Result<Vec<Vec<String>>> {
    // psql confirms each `\pset`.
    let lines = lines(cmd, stdout)?.into_iter().map(str::trim);
    let lines: Vec<&str> = lines.filter(|line| !line.starts_with("Output format is")).collect();
    let [heading, rows @ .., footer] = &lines[..] else {
        return Err(malformed(cmd, "no rows and no row count"));
    };
    let count = footer.strip_prefix('(').and_then(|rest| {
        rest.strip_suffix(" rows)").or(rest.strip_suffix(" row)"))?.parse::<usize>().ok()
    });
    if count != Some(rows.len()) {
        return Err(malformed(cmd, "rows that do not match their row count"));
    }
    let columns = heading.split('|').count();
    let row = |row: &&str| {
        let row: Vec<String> = row.split('|').map(str::to_owned).collect();
        if row.len() == columns { Ok(row) } else { Err(malformed(cmd, "a row with other columns")) }
    };
    rows.iter().map(row).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde::Deserialize;

    /// The error without the part that all have in common.
    pub(crate) fn what<T>(result: Result<T>) -> Result<T, String> {
        result.map_err(|error| {
            let (_, what) = error.message().split_once("exit code 0 and printed ").unwrap();
            what.to_owned()
        })
    }

    pub(crate) fn cmd() -> Cmd {
        Cmd::reads("dokku").args(["a:report", "x"])
    }

    #[test]
    fn errors_name_the_command() {
        let error = value(&cmd(), "").unwrap_err();
        assert_eq!(
            error.message(),
            "`dokku a:report x` ended with exit code 0 and printed nothing"
        );
    }

    #[test]
    fn reads_values_and_flags() {
        for (stdout, want) in [
            ("", Err("nothing")),
            ("matr", Err("an incomplete line")),
            ("\n", Ok("")),
            (" a b \n", Ok("a b")),
        ] {
            assert_eq!(what(value(&cmd(), stdout)), own(want), "{stdout:?}");
        }
        for (text, want) in [
            ("true", Ok(true)),
            ("false", Ok(false)),
            ("", Err("neither true nor false")),
            ("tru", Err("neither true nor false")),
            ("1", Err("neither true nor false")),
        ] {
            assert_eq!(what(flag(&cmd(), text)), want.map_err(str::to_owned), "{text:?}");
        }
    }

    fn own(result: Result<&str, &str>) -> Result<String, String> {
        result.map(str::to_owned).map_err(str::to_owned)
    }

    #[test]
    fn reads_json_of_the_expected_form_only() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Form {
            name: String,
        }
        for (stdout, want) in [
            ("{\"name\":\"x\"}\n", Ok("x")),
            ("{\"name\":\"x\",\"more\":1}\n", Ok("x")),
            ("", Err("nothing")),
            ("{\"name\":\"x\"}", Err("an incomplete line")),
            ("{\"name\":\n", Err("incomplete JSON")),
            ("\n", Err("incomplete JSON")),
            ("{}\n", Err("JSON without the field \"name\"")),
            ("{\"name\":5}\n", Err("JSON with values of other types")),
            ("{\"name\":null}\n", Err("JSON with values of other types")),
            ("\"hidden\"\n", Err("JSON with values of other types")),
            ("null\n", Err("JSON with values of other types")),
            ("=====> x information\n", Err("something else than JSON")),
            ("{\"name\":\"x\"}\n{}\n", Err("something else than JSON")),
        ] {
            let got = what(json::<Form>(&cmd(), stdout)).map(|form| form.name);
            assert_eq!(got, own(want), "{stdout:?}");
        }
    }

    #[test]
    fn reads_tables_with_their_heading() {
        let id = "8b".repeat(32);
        let row = |rest: &str| format!("CONTAINER ID   app name\n{id}   {rest}");
        for (stdout, want) in [
            (String::new(), Err("nothing")),
            ("CONTAINER ID   app name\n".to_owned(), Ok(vec![])),
            (row("matrix\n"), Ok(vec![[id.clone(), "matrix".to_owned()]])),
            (row("matrix"), Err("an incomplete line")),
            (row("\n"), Err("a row with other columns")),
            (format!("{id}   matrix\n"), Err("a table without its heading")),
            (
                "CONTAINER ID   app name\n8b8b   matrix\n".to_owned(),
                Err("a row without a container id"),
            ),
        ] {
            let want = want.map_err(str::to_owned);
            assert_eq!(what(table::<2>(&cmd(), &stdout)), want, "{stdout:?}");
        }
    }

    #[test]
    fn reads_rows_that_match_their_count() {
        for (stdout, want) in [
            ("Output format is unaligned.\na|b\n1|2\n3|4\n(2 rows)\n", Ok("1 2,3 4")),
            ("Output format is unaligned.\na\n1\n(1 row)\n", Ok("1")),
            ("Output format is unaligned.\na|b\n(0 rows)\n", Ok("")),
            ("", Err("nothing")),
            ("Output format is unaligned.\n", Err("no rows and no row count")),
            ("a|b\n", Err("no rows and no row count")),
            ("a|b\n1|2\n", Err("rows that do not match their row count")),
            ("a|b\n1|2\n(2 rows)\n", Err("rows that do not match their row count")),
            ("a|b\n1|2\n(1 row", Err("an incomplete line")),
            ("a|b\n1\n(1 row)\n", Err("a row with other columns")),
        ] {
            let rows = what(psql_rows(&cmd(), stdout));
            let rows =
                rows.map(|rows| rows.iter().map(|row| row.join(" ")).collect::<Vec<_>>().join(","));
            assert_eq!(rows, own(want), "{stdout:?}");
        }
    }
}
