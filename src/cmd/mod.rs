//! What the user types: one file for each subcommand, with its flags and what it does.

mod create;
mod deploy;
mod disable;
mod email;
mod enable;
pub mod help;
mod list;
mod register_user;
pub mod report;
mod session;
mod summary;

use crate::{
    cli::{self, Parsed},
    component::Catalog,
    error::{Error, Exit, Result},
    host::env::Env,
    ui::Ui,
};
use clap::{ArgMatches, Args, Command};
use std::fmt;

type Run = Box<dyn Fn(Env, Catalog, &ArgMatches) -> Result<Exit>>;

/// A subcommand.
pub struct Subcommand {
    /// What is typed after `matrix:`.
    pub name: String,
    /// Its arguments, as help shows them.
    pub usage: String,
    /// What it does, without a comma: Dokku's help parts its lines there.
    pub about: String,
    command: Command,
    run: Run,
}

impl fmt::Debug for Subcommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subcommand({:?})", self.name)
    }
}

impl Subcommand {
    /// A subcommand with the flags of `A`.
    fn new<A: Args>(
        name: impl Into<String>,
        usage: impl Into<String>,
        about: impl Into<String>,
        run: impl Fn(Env, Catalog, A) -> Result<Exit> + 'static,
    ) -> Self {
        let (name, usage, about) = (name.into(), usage.into(), about.into());
        let command = Command::new(format!("matrix:{name}")).about(format!("{about}."));
        let run = move |env, catalog, matches: &ArgMatches| {
            let args = A::from_arg_matches(matches).map_err(|error| cli::usage(&error))?;
            run(env, catalog, args)
        };
        Self { name, usage, about, command: A::augment_args(command), run: Box::new(run) }
    }
}

/// All subcommands, sorted by name; `help` is not among them.
pub fn subcommands(catalog: Catalog) -> Vec<Subcommand> {
    let mut all = vec![
        create::subcommand(catalog),
        deploy::subcommand(),
        email::subcommand(),
        list::subcommand(),
        register_user::subcommand(),
        report::subcommand(),
    ];
    for kind in catalog.optional() {
        all.push(enable::subcommand(kind));
        all.push(disable::subcommand(kind));
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// The names of the links in `subcommands/`.
pub fn links(catalog: Catalog) -> Vec<String> {
    let subcommands = subcommands(catalog).into_iter().map(|subcommand| subcommand.name);
    subcommands.chain(["default", "help"].map(str::to_owned)).collect()
}

/// Runs what was typed, `matrix:create` first.
pub fn run(env: Env, catalog: Catalog, words: &[String]) -> Result<Exit> {
    let ui = Ui::new(false, false);
    match words.first().map(String::as_str) {
        None | Some("matrix" | "matrix:" | "matrix:default") => {
            ui.answer(help::text(catalog).trim_end());
            Ok(Exit::Done)
        }
        Some("matrix:help") => match words.get(1).filter(|word| !is_own_help(word)) {
            None => {
                ui.answer(help::text(catalog).trim_end());
                Ok(Exit::Done)
            }
            Some(about) => {
                let name = about.strip_prefix("matrix:").unwrap_or(about);
                dispatch(env, catalog, &ui, &[format!("matrix:{name}"), "--help".to_owned()])
            }
        },
        Some(_) => dispatch(env, catalog, &ui, words),
    }
}

/// Whether `matrix:help <word>` asks for the help of all commands.
fn is_own_help(word: &str) -> bool {
    word.starts_with('-') || matches!(word, "help" | "matrix:help" | "matrix")
}

fn dispatch(env: Env, catalog: Catalog, ui: &Ui, words: &[String]) -> Result<Exit> {
    let subcommands = subcommands(catalog);
    let commands = subcommands.iter().map(|subcommand| subcommand.command.clone());
    match cli::parse(&env, cli::command(commands), words)? {
        Parsed::Text(text) => {
            ui.answer(text.trim_end());
            Ok(Exit::Done)
        }
        Parsed::Command(name, matches) => {
            let named = |one: &&Subcommand| one.command.get_name() == name;
            let subcommand = subcommands.iter().find(named);
            let subcommand =
                subcommand.ok_or_else(|| Error::usage(format!("there is no command {name}")))?;
            (subcommand.run)(env, catalog, &matches)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::CATALOG;

    #[test]
    fn the_command_line_is_sound() {
        let commands = subcommands(CATALOG).into_iter().map(|subcommand| subcommand.command);
        cli::command(commands).debug_assert();
    }

    /// Dokku's help parts its lines at the first comma.
    #[test]
    fn no_line_of_help_has_another_comma() {
        for subcommand in subcommands(CATALOG) {
            let Subcommand { usage, about, .. } = subcommand;
            assert!(!usage.contains(',') && !about.contains(','), "{usage} {about}");
        }
    }
}
