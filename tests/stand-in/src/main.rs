//! The stood-in programs of a Dokku host: one binary, called under many names.

use std::process::ExitCode;

fn main() -> ExitCode {
    stand_in::main()
}
