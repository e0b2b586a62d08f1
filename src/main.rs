//! The program.

use dokku_matrix::component::CATALOG;
use std::process::ExitCode;

fn main() -> ExitCode {
    dokku_matrix::main(CATALOG)
}
