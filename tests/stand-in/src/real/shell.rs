//! `stand-in host ...`: a host with real parts for the duration of one program, to look around on
//! it. Tests use [`Scene`] instead.

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

/// Returns the exit code of the program.
pub(crate) fn main(args: &[String]) -> ExitCode {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let ran = match args.as_slice() {
        [mode @ ("host" | "hold"), tools, repository, binary, domain, rest @ ..] => {
            host([tools, repository, binary], domain, rest, *mode == "hold")
        }
        ["forward", socket, address] => forward::serve(Path::new(socket), address).map(|()| 0),
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    let rc = ran.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "stand-in: {error:#}");
        70
    });
    u8::try_from(rc).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Runs a program on a fresh host, as the user dokku. `$STAND_IN_HTTPS` is the address on this
/// machine that leads to the host's port 443, and `$STAND_IN_TRUST` the CA certificate to trust
/// there.
///
/// With `hold` the program gets no standard input, and the host ends when standard input is closed.
fn host(paths: [&str; 3], domain: &str, program: &[&str], until_stdin_closes: bool) -> Result<i32> {
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
    let port = forward::listen(&world, &address)?;
    let mut command = scene.command(program);
    command.args(args).stdin(if until_stdin_closes { Stdio::null() } else { Stdio::inherit() });
    command.env("STAND_IN_HTTPS", format!("127.0.0.1:{port}"));
    command.env("STAND_IN_TRUST", world.trusted());
    if until_stdin_closes { hold(command) } else { Ok(code(command.status()?)) }
}

/// Runs a program until it ends or standard input is closed.
fn hold(mut command: Command) -> Result<i32> {
    let mut child = command.spawn()?;
    let (sender, closed) = channel();
    thread::spawn(move || {
        let _ = copy(&mut stdin(), &mut sink());
        sender.send(())
    });
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(code(status));
        }
        if closed.recv_timeout(Duration::from_millis(100)) == Ok(()) {
            child.kill()?;
            child.wait()?;
            return Ok(0);
        }
    }
}
