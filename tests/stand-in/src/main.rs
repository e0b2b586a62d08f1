//! The stand-in programs of a Dokku host: one binary with many names.

use std::process::ExitCode;

fn main() -> ExitCode {
    stand_in::main()
}
