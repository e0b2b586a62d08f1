//! How Dokku is asked and told: one file for each area, typed in and out.
//!
//! Owns the words of Dokku's commands and the form of their answers. Decides nothing.

pub mod apps;
pub mod config;
pub mod docker;
pub mod domains;
pub mod letsencrypt;
pub mod nginx;
pub mod options;
pub mod postgres;
pub mod ps;
pub mod storage;
pub mod version;

use crate::{
    error::{Error, Exit, Result},
    host::{
        Host,
        cmd::{Cmd, Ran},
    },
};

/// Dokku's exit code for an app that does not exist.
const NO_APP: i32 = 20;

fn reading<T: AsRef<str>>(args: impl IntoIterator<Item = T>) -> Cmd {
    Cmd::reads("dokku").args(args)
}

/// Asks for a single value; `None` if there is no such app.
fn value(host: &Host, args: &[&str]) -> Result<Option<String>> {
    let cmd = reading(args);
    let ran = host.run(&cmd)?;
    match ran.code {
        0 => Ok(Some(ran.answer().to_owned())),
        NO_APP => Ok(None),
        _ => Err(host.failure(&cmd, &ran)),
    }
}

/// Asks for a report as JSON; `None` if there is no such app.
fn report(host: &Host, args: &[&str]) -> Result<Option<serde_json::Value>> {
    let Some(text) = value(host, args)? else { return Ok(None) };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|_| Error::new(format!("`dokku {}` did not answer with JSON", args.join(" "))))
}

/// Tells Dokku to change something.
fn tell<T: AsRef<str>>(host: &Host, args: impl IntoIterator<Item = T>) -> Result<Ran> {
    host.must(&Cmd::changes("dokku").args(args))
}

/// The error for an app that does not exist, in Dokku's words.
pub fn no_such_app(app: &str) -> Error {
    Error::new(format!("App {app} does not exist")).exit(Exit::NoApp)
}
