//! The commands of Dokku, of its plugins, and of Docker: one file for each area, typed.
//!
//! Owns their arguments and the format of their output. Exit code 0 does not prove that output is
//! complete, so whatever is incomplete or malformed is [`Reading::Unknown`]. Decides nothing.

pub mod apps;
pub mod config;
pub mod docker;
pub mod domains;
#[cfg(test)]
mod fixtures;
pub mod flags;
pub mod letsencrypt;
pub mod network;
pub mod nginx;
pub mod options;
mod parse;
pub mod postgres;
pub mod ps;
pub mod storage;
pub mod version;

use crate::{
    error::{Error, Exit, Result},
    host::{
        Host, Reading,
        cmd::{Cmd, Output},
    },
};
use serde::de::DeserializeOwned;

/// Dokku's exit code for an app that does not exist.
const NO_APP: i32 = 20;

/// A `dokku` command that only reads.
fn read_cmd<T: AsRef<str>>(args: impl IntoIterator<Item = T>) -> Cmd {
    Cmd::reads("dokku").args(args)
}

/// Runs a command that only reads; absent is an app that does not exist.
fn read(host: &Host, cmd: &Cmd) -> Reading<Output> {
    match host.run(cmd) {
        Ok(output) if output.code == 0 => Reading::Value(output),
        Ok(output) if output.code == NO_APP => Reading::Absent,
        Ok(output) => Reading::Unknown(host.failure(cmd, &output)),
        Err(error) => Reading::Unknown(error),
    }
}

/// Reads a single value, without the white space around it.
fn value(host: &Host, args: &[&str]) -> Reading<String> {
    let cmd = read_cmd(args);
    read(host, &cmd).and_then(|output| parse::value(&cmd, &output.stdout).into())
}

/// Reads a single value of a setting that is either on or off.
fn flag(host: &Host, args: &[&str]) -> Reading<bool> {
    let cmd = read_cmd(args);
    read(host, &cmd).and_then(|output| {
        parse::value(&cmd, &output.stdout).and_then(|text| parse::flag(&cmd, &text)).into()
    })
}

/// Reads JSON. Every field of `T` without a default must be there, with its type.
fn json<T: DeserializeOwned>(host: &Host, args: &[&str]) -> Reading<T> {
    let cmd = read_cmd(args);
    read(host, &cmd).and_then(|output| parse::json::<T>(&cmd, &output.stdout).into())
}

/// Runs a `dokku` command that changes something and must succeed.
fn change<T: AsRef<str>>(host: &Host, args: impl IntoIterator<Item = T>) -> Result<Output> {
    host.must(&Cmd::changes("dokku").args(args))
}

/// The error for an app that does not exist, in Dokku's words.
pub fn no_such_app(app: &str) -> Error {
    Error::new(format!("App {app} does not exist")).exit(Exit::NoApp)
}
