//! dokku-matrix: a Dokku plugin, one binary, that runs a Matrix homeserver.
//!
//! # What the user types, and what Dokku calls
//! - [`cmd`]: the subcommands, one file for each; [`cli`] reads their command line;
//! - [`trigger`]: what Dokku calls when something happens to an app; first of all the deploy guard
//!   (`scheduler-deploy`), which refuses, or stops, whatever would be a second Synapse process;
//! - [`entry`]: Dokku calls one binary by many names, and the name says what for.
//!
//! # What must be true
//! - [`component`]: what a homeserver is made of, as data: Synapse, and optional apps like Element Web;
//! - [`steps`]: what must be true of them, one directory for each part of the job of `matrix:create`,
//!   and the lists that put the steps in order;
//! - [`plan`]: what a step is (check, then apply what is missing), and the engine that runs them.
//!
//! # What is recorded
//! - [`state`]: the plugin's own files: specs (what is desired), statuses (what was done), the markers
//!   of apps, and the locks.
//!
//! # What is asked and written
//! - [`dokku`]: the commands of Dokku, of its plugins, and of Docker, one file for each area;
//! - [`database`]: a homeserver's database, however it is provided;
//! - [`synapse`], [`nginx`]: what is written for them, how it is tested, and how they are asked.
//!
//! # What touches the machine and the user
//! - [`host`]: programs, files, network, clock, randomness: everything else goes through it;
//! - [`ui`]: Dokku's form of output; [`error`]: exit codes and hints; [`names`]: validated names.
//!
//! # Which way imports run
//! Each layer imports only from those below it:
//! 1. `trigger`, above `cmd`
//! 2. `steps`
//! 3. `component`
//! 4. `database`, `nginx`, `synapse`, `ui`
//! 5. `state`, `dokku`, `plan`, `cli`
//! 6. `host`, above `names` and `error`

pub mod cli;
pub mod cmd;
pub mod component;
pub mod database;
pub mod dokku;
pub mod entry;
pub mod error;
pub mod host;
pub mod names;
pub mod nginx;
pub mod plan;
pub mod state;
pub mod steps;
pub mod synapse;
pub mod trigger;
pub mod ui;

use component::Catalog;
use entry::Entry;
use error::{Exit, Result};
use host::env::Env;
use std::process::ExitCode;
use ui::Ui;

/// Runs the program: does what it was called for, prints what went wrong, and gives the exit code.
/// The catalog names the kinds of components that there are.
pub fn main(catalog: Catalog) -> ExitCode {
    let env = Env::read();
    // Whatever Dokku passes on: a trigger must not fail because of an argument.
    let args: Vec<_> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let quiet = env.get("DOKKU_QUIET_OUTPUT").is_some();
    match call(env, catalog, &args) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            let ui = Ui::new(quiet, false);
            for line in error.lines() {
                ui.warn(&line);
            }
            ExitCode::from(error.code().code())
        }
    }
}

/// Does what the program was called for; `args` begin with the name that it was called by.
fn call(env: Env, catalog: Catalog, args: &[String]) -> Result<Exit> {
    let name = args.first().map(String::as_str).unwrap_or_default();
    let rest = args.get(1..).unwrap_or_default();
    match entry::of(name) {
        Some(Entry::Trigger(trigger)) => Ok(trigger::run(env, catalog, trigger, rest)),
        Some(Entry::Commands) => Ok(cmd::help::commands(&Ui::new(false, false), catalog, rest)),
        Some(Entry::Subcommand) => cmd::run(env, catalog, rest),
        Some(Entry::Direct) => {
            let mut words = rest.to_vec();
            if let Some(first) = words.first_mut().filter(|first| !first.starts_with("matrix")) {
                *first = format!("matrix:{first}");
            }
            cmd::run(env, catalog, &words)
        }
        // The link of a trigger that a newer version brings, before its binary is there: if it
        // failed, Dokku would fail for every app.
        None => Ok(Exit::Done),
    }
}
