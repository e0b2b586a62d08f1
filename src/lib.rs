//! dokku-matrix: a Dokku plugin, one binary, that makes a host a Matrix homeserver.
//!
//! # What the user types, and what Dokku calls
//! - [`entry`]: who was called, by the name of the link;
//! - [`cli`] and [`cmd`]: the subcommands;
//! - [`trigger`]: the triggers.
//!
//! # What must be true
//! - [`steps`]: one file for each family of steps;
//! - [`plan`]: what a step is, and the engine that converges;
//! - [`server`] and [`marker`]: what is recorded.
//!
//! # What is asked and written
//! - [`dokku`]: Dokku and its plugins, one file for each area;
//! - [`synapse`], [`element`], [`nginx`]: what we write into files, and how Synapse is asked.
//!
//! # What touches the machine and the user
//! - [`host`]: the only door to programs, files, and the network;
//! - [`ui`]: Dokku's dress; [`error`]: exit codes and hints; [`names`]: validated names.
//!
//! Imports run one way: `cli` and `cmd` (which need each other), `trigger` → `steps` → `nginx`,
//! `synapse`, `element`, `marker`, `server`, `dokku`, `ui`, `plan` → `host` → `names`, `error`.

pub mod cli;
pub mod cmd;
pub mod dokku;
pub mod element;
pub mod entry;
pub mod error;
pub mod host;
pub mod marker;
pub mod names;
pub mod nginx;
pub mod plan;
pub mod server;
pub mod steps;
pub mod synapse;
pub mod trigger;
pub mod ui;

use entry::Entry;
use error::{Error, Exit, Result};
use host::env::Env;
use ui::Ui;

/// Does what the program was called for; `args` begin with the name it was called by.
pub fn call(env: Env, args: &[String]) -> Result<Exit> {
    let name = args.first().map(String::as_str).unwrap_or_default();
    let rest = args.get(1..).unwrap_or_default();
    match entry::of(name) {
        Some(Entry::Trigger(trigger)) => Ok(trigger::run(env, trigger, rest)),
        Some(Entry::Commands) => Ok(cmd::help::commands(&Ui::new(false, false), rest)),
        Some(Entry::Subcommand(_)) => subcommand(env, rest),
        Some(Entry::Direct) => {
            let mut words = rest.to_vec();
            if let Some(first) = words.first_mut().filter(|first| !first.starts_with("matrix")) {
                *first = format!("matrix:{first}");
            }
            subcommand(env, &words)
        }
        None => Err(Error::usage(format!("this program has no part named {name:?}"))),
    }
}

fn subcommand(env: Env, words: &[String]) -> Result<Exit> {
    let ui = Ui::new(false, false);
    match words.first().map(String::as_str) {
        None | Some("matrix" | "matrix:" | "matrix:default") => {
            ui.answer(cmd::help::text().trim_end());
            return Ok(Exit::Done);
        }
        Some("matrix:help") => return help(env, &ui, words.get(1)),
        Some(_) => {}
    }
    match cli::read(&env, words)? {
        cli::Read::Command(command) => cmd::run(env, command),
        cli::Read::Text(text) => {
            ui.answer(text.trim_end());
            Ok(Exit::Done)
        }
    }
}

fn help(env: Env, ui: &Ui, about: Option<&String>) -> Result<Exit> {
    let Some(about) = about.filter(|word| !word.starts_with('-')) else {
        ui.answer(cmd::help::text().trim_end());
        return Ok(Exit::Done);
    };
    let name = if about.starts_with("matrix:") { about.clone() } else { format!("matrix:{about}") };
    subcommand(env, &[name, "--help".to_owned()])
}
