//! The command line: gathers the types of `cmd/`, and puts clap's errors into Dokku's dress.

use crate::{
    cmd::{create, deploy, disable_element, email, enable_element, list, register_user, report},
    error::{Error, Result},
    host::env::Env,
};
use clap::{Parser, Subcommand, error::ErrorKind};

#[derive(Debug, Parser)]
#[command(name = "dokku", disable_help_subcommand = true, disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    sub: Sub,
    /// Dokku's own flags may stand anywhere; it has acted on them already.
    #[arg(long, global = true, hide = true)]
    quiet: bool,
    #[arg(long, global = true, hide = true)]
    trace: bool,
    #[arg(long, global = true, hide = true)]
    force: bool,
}

/// What the user typed.
#[derive(Debug, Subcommand)]
pub enum Sub {
    /// Create a homeserver, or bring it to what is wished.
    #[command(name = "matrix:create")]
    Create(Box<create::Args>),
    /// Bring a homeserver to what is recorded, and make sure that it runs.
    #[command(name = "matrix:deploy")]
    Deploy(deploy::Args),
    /// Register a user.
    #[command(name = "matrix:register-user")]
    RegisterUser(register_user::Args),
    /// Set the mail server that Synapse sends through.
    #[command(name = "matrix:email")]
    Email(email::Args),
    /// Serve Element Web beside a homeserver.
    #[command(name = "matrix:enable-element")]
    EnableElement(enable_element::Args),
    /// Take Element Web away again.
    #[command(name = "matrix:disable-element")]
    DisableElement(disable_element::Args),
    /// List the homeservers.
    #[command(name = "matrix:list")]
    List(list::Args),
    /// Report on one homeserver or on all.
    #[command(name = "matrix:report")]
    Report(report::Args),
}

/// What came of reading a command line.
#[derive(Debug)]
pub enum Read {
    /// A command.
    Command(Sub),
    /// A text to print: help was asked for.
    Text(String),
}

/// Reads a command line, `matrix:create` first.
///
/// # Errors
/// It is wrong; the error says how.
pub fn read(env: &Env, args: &[String]) -> Result<Read> {
    let words = std::iter::once("dokku".to_owned()).chain(with_app(env, args));
    match Cli::try_parse_from(words) {
        Ok(cli) => Ok(Read::Command(cli.sub)),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Ok(Read::Text(error.to_string())),
        Err(error) => Err(usage(&error.to_string())),
    }
}

/// Dokku's `--app <app>` may stand anywhere: it becomes the first argument.
fn with_app(env: &Env, args: &[String]) -> Vec<String> {
    let mut words = args.to_vec();
    let place = words.iter().position(|word| word == "--app");
    // This one has an `--app` of its own, which Dokku takes for its own as well.
    if place.is_some() && words.first().is_some_and(|word| word == "matrix:enable-element") {
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
fn usage(text: &str) -> Error {
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
