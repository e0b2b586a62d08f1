//! The command line: reads it with clap, and turns clap's errors into Dokku's form.
//!
//! Must not know any command: it is given them.

use crate::{
    error::{Error, Result},
    host::env::Env,
};
use clap::{Arg, ArgAction, ArgMatches, Command, error::ErrorKind};

/// What came of reading a command line.
#[derive(Debug)]
pub enum Parsed {
    /// A command, by its name, and what it was given.
    Command(String, ArgMatches),
    /// A text to print: help was asked for.
    Text(String),
}

/// The command line of `dokku` with these commands.
pub fn command(commands: impl IntoIterator<Item = Command>) -> Command {
    // Dokku's own flags may stand anywhere; it has acted on them already.
    let ignored = |name: &'static str| {
        Arg::new(name).long(name).global(true).hide(true).action(ArgAction::SetTrue)
    };
    Command::new("dokku")
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(["quiet", "trace", "force"].map(ignored))
        .subcommands(commands)
}

/// Reads a command line, `matrix:create` first.
///
/// # Errors
/// It is wrong; the error says how.
pub fn parse(env: &Env, command: Command, args: &[String]) -> Result<Parsed> {
    let words = std::iter::once("dokku".to_owned()).chain(with_app(env, args));
    match command.try_get_matches_from(words) {
        Ok(matches) => match matches.subcommand() {
            Some((name, matches)) => Ok(Parsed::Command(name.to_owned(), matches.clone())),
            None => Err(Error::usage("a subcommand is missing").hint("dokku matrix:help")),
        },
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Ok(Parsed::Text(error.to_string())),
        Err(error) => Err(usage(&error)),
    }
}

/// Dokku's `--app <app>` may stand anywhere: it becomes the first argument.
fn with_app(env: &Env, args: &[String]) -> Vec<String> {
    let mut words = args.to_vec();
    let place = words.iter().position(|word| word == "--app");
    // These have an `--app` of their own, which Dokku takes for its own as well.
    if place.is_some() && words.first().is_some_and(|word| word.starts_with("matrix:enable-")) {
        return words;
    }
    let mut app = env.get("DOKKU_APP_NAME").map(str::to_owned);
    if let Some(place) = place.filter(|place| place + 1 < words.len()) {
        app = Some(words.remove(place + 1));
        words.remove(place);
    }
    if let Some(app) = app {
        words.insert(1.min(words.len()), app);
    }
    words
}

/// clap's text, a message and then hints, without its own prefix and colours.
pub fn usage(error: &clap::Error) -> Error {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let mut message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
    let mut hints = vec![];
    for line in lines.filter(|line| !line.starts_with("For more information")) {
        if line.starts_with('<') && hints.is_empty() {
            message = format!("{message} {line}");
        } else {
            hints.push(line.to_owned());
        }
    }
    hints.into_iter().fold(Error::usage(message), Error::hint)
}
