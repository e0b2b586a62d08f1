//! The program: finds out who was called, runs it, prints what went wrong, and ends.

use dokku_matrix::{call, host::env::Env, ui::Ui};
use std::process::ExitCode;

fn main() -> ExitCode {
    let env = Env::read();
    // Whatever Dokku hands on: a trigger must not stumble over an argument.
    let args: Vec<_> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let quiet = env.get("DOKKU_QUIET_OUTPUT").is_some();
    match call(env, &args) {
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
