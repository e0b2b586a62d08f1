//! `stand-in host ...`: a host with real parts for as long as a program runs on it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use super::World;
use crate::Scene;
use crate::entry::code;

const USAGE: &str =
    "usage: stand-in host <tools> <repository> <binary> <domain> <program> [<argument>...]";

/// Runs a program on a fresh host, as the user dokku, and ends with its exit code.
pub(crate) fn main(args: &[String]) -> ExitCode {
    let rc = serve(args).unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "stand-in: {error:#}");
        70
    });
    u8::try_from(rc).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn serve(args: &[String]) -> Result<i32> {
    let [host, tools, repository, binary, domain, program, rest @ ..] = args else { bail!(USAGE) };
    if host != "host" {
        bail!(USAGE);
    }
    let absolute = |path: &str| -> Result<PathBuf> {
        fs::canonicalize(Path::new(path)).with_context(|| path.to_owned())
    };
    let world = World::new(&absolute(tools)?)?;
    let scene = Scene::real(&world, domain)?;
    scene.install_plugin(&absolute(repository)?, &absolute(binary)?)?;
    let mut command = scene.command(program);
    command.args(rest).stdin(std::process::Stdio::inherit());
    Ok(code(command.status()?))
}
