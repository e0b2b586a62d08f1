//! `scheduler-run <scheduler> <app> <count> <variable>... -- <command>...` and
//! `scheduler-enter <scheduler> <app> <container> -- <command>...`: the run guard.
//!
//! They run before `run`, `run:detached`, a task of `app.json`, and `enter` start a program in a
//! container of the app. A second Synapse process there would corrupt the database like one that is
//! deployed, and nothing would see it. Shells and other tools may run: what somebody types in them
//! is not seen. Where the image's entry point is Synapse's start script, `run` fails with them: a
//! warning says what to type instead.

use super::Call;
use crate::{
    dokku::{
        docker::{self, ImageConfig},
        flags, options,
        ps::{self, Command},
    },
    error::{Error, Result},
    host::Host,
    names::AppName,
    synapse::start::{self, Effect},
};

pub(super) fn run(call: &Call) -> Result<()> {
    if !call.is_single_process() {
        return Ok(());
    }
    let (host, app): (&Host, AppName) = (&call.host, call.app.parse()?);
    let mut command = after_variables(&call.args);
    // Dokku takes the first word for the name of a process.
    if let Some(first) = command.first()
        && let Command::Words(line) = ps::procfile_command(host, &app, first)?
    {
        command.splice(..1, flags::words(&line));
    }
    let line = with_entry_point(host, &app, command)?;
    refuse(call, &app, &line)?;
    if line.is_unknown_to_script() {
        // Dokku runs it all the same: the script of another image may know more.
        call.warn(
            &Error::new(format!("the image of {app} passes every command on to its start script"))
                .hint("It knows only its own modes. To run a program beside the server:")
                .hint(format!("  dokku enter {app} web <program>")),
        );
    }
    Ok(())
}

pub(super) fn enter(call: &Call) -> Result<()> {
    if !call.is_single_process() {
        return Ok(());
    }
    let command = call.args.iter().skip_while(|word| *word != "--").skip(1).cloned().collect();
    refuse(call, &call.app.parse()?, &Line { entry_point: vec![], command })
}

/// The command of `scheduler-run`: the variables before it are counted.
fn after_variables(args: &[String]) -> Vec<String> {
    let count: usize = args.get(2).and_then(|count| count.parse().ok()).unwrap_or_default();
    let rest = args.get(3 + count..).unwrap_or_default();
    rest.strip_prefix(&["--".to_owned()]).unwrap_or(rest).to_vec()
}

/// A program in a container.
struct Line {
    entry_point: Vec<String>,
    command: Vec<String>,
}

impl Line {
    fn starts_script(&self) -> bool {
        self.entry_point.last().is_some_and(|word| word.ends_with("/start.py"))
    }

    /// Whether it is an argument of the start script that ends it with an error.
    fn is_unknown_to_script(&self) -> bool {
        let mode = self.command.first().filter(|_| self.starts_script());
        mode.is_some_and(|mode| start::effect_of_mode(mode).is_none())
    }

    fn effect(&self) -> Effect {
        if self.starts_script() || self.entry_point.is_empty() {
            return start::effect(&self.command);
        }
        start::effect(&[self.entry_point.clone(), self.command.clone()].concat())
    }
}

/// The command behind the entry point that a container of `dokku run` has.
fn with_entry_point(host: &Host, app: &AppName, command: Vec<String>) -> Result<Line> {
    let options = options::of(host, app).or_absent(options::Options::default())?;
    let mut flags = options.run.iter().flat_map(|option| flags::of(option));
    let own = flags.rfind(|flag| flag.is(&["--entrypoint"]));
    let entry_point = if let Some(flag) = own {
        flag.value.into_iter().filter(|program| !program.is_empty()).collect()
    } else {
        let image = format!("dokku/{app}:latest").parse()?;
        docker::image_config(host, &image).or_absent(ImageConfig::default())?.entry_point
    };
    Ok(Line { entry_point, command })
}

/// No error shows the command: an argument may be a secret.
fn refuse(call: &Call, app: &AppName, line: &Line) -> Result<()> {
    match line.effect() {
        Effect::None => Ok(()),
        Effect::Process => {
            Err(Error::new(format!("no Synapse process may run in {app} beside the deployed one"))
                .hint("Two Synapse processes on one database corrupt it.")
                .hint(format!("To start the server: dokku ps:start {app}")))
        }
        Effect::Configuration => {
            Err(Error::new(format!("the configuration of {app} is written by the plugin"))
                .hint(format!("dokku matrix:deploy {app}")))
        }
        Effect::Database if docker::running_ids(&call.host, app)?.is_empty() => Ok(()),
        Effect::Database => {
            Err(Error::new(format!("the database of {app} is in use, and must not be changed"))
                .hint(format!("dokku ps:stop {app}")))
        }
    }
}
