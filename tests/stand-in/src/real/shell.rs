//! `stand-in host ...`: a host with real parts for as long as a program runs on it, for people who look
//! at one. What a test needs is in [`Scene`].

use std::fs;
use std::io::{Write, copy, sink, stdin};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{World, forward};
use crate::Scene;
use crate::entry::code;

const USAGE: &str =
    "usage: stand-in host|hold <tools> <repository> <binary> <domain> <program> [<argument>...]
       stand-in forward <socket> <address>";

/// Gives the exit code of the program that ran.
pub(crate) fn main(args: &[String]) -> ExitCode {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let ran = match words.as_slice() {
        [how @ ("host" | "hold"), tools, repository, binary, domain, rest @ ..] => {
            host([tools, repository, binary], domain, rest, *how == "hold")
        }
        ["forward", socket, address] => forward::inside(Path::new(socket), address).map(|()| 0),
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    let rc = ran.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "stand-in: {error:#}");
        70
    });
    u8::try_from(rc).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Runs a program on a fresh host, as the user dokku. `$STAND_IN_HTTPS` tells it where this machine
/// finds the host's port 443, and `$STAND_IN_TRUST` whom to trust there.
///
/// If it is held, the program does not get standard input: at the end of that, it is over.
fn host(paths: [&str; 3], domain: &str, program: &[&str], held: bool) -> Result<i32> {
    let Some((program, args)) = program.split_first() else { bail!(USAGE) };
    let absolute = |path: &str| fs::canonicalize(path).with_context(|| path.to_owned());
    let [tools, repository, binary]: [PathBuf; 3] = match paths.map(absolute) {
        [Ok(tools), Ok(repository), Ok(binary)] => [tools, repository, binary],
        errors => bail!("{:#}", errors.into_iter().find_map(Result::err).context(USAGE)?),
    };
    let world = World::new(&tools)?;
    let scene = Scene::real(&world, domain)?;
    scene.install_plugin(&repository, &binary)?;
    let address = format!("{}:443", scene.address().unwrap_or_default());
    let port = forward::outside(&world, &address)?;
    let mut command = scene.command(program);
    command.args(args).stdin(if held { Stdio::null() } else { Stdio::inherit() });
    command.env("STAND_IN_HTTPS", format!("127.0.0.1:{port}"));
    command.env("STAND_IN_TRUST", world.trusted());
    if held { hold(command) } else { Ok(code(command.status()?)) }
}

/// Runs a program to its end, or to that of standard input.
fn hold(mut command: Command) -> Result<i32> {
    let mut child = command.spawn()?;
    let (tell, told) = channel();
    thread::spawn(move || {
        let _ = copy(&mut stdin(), &mut sink());
        tell.send(())
    });
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(code(status));
        }
        if told.recv_timeout(Duration::from_millis(100)) == Ok(()) {
            child.kill()?;
            child.wait()?;
            return Ok(0);
        }
    }
}
