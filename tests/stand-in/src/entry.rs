//! From the program name to the exit code: dispatch, faults and the call log.

use std::collections::BTreeMap;
use std::env;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::call::{Call, Stop, quit};
use crate::fault::{self, CallInfo, Kind};
use crate::store::{Record, UNSUPPORTED};
use crate::{classify, docker, dokku, programs, real};

const ENVIRONMENT: [&str; 4] =
    ["DOKKU_QUIET_OUTPUT", "DOKKU_APP_NAME", "DOKKU_APPS_FORCE_DELETE", "DOKKU_PID"];

/// The main function of all stand-in programs, selected by the name in `argv[0]`.
pub fn main() -> ExitCode {
    let mut argv = env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    let name = argv.next().unwrap_or_default();
    let program = Path::new(&name)
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let argv: Vec<String> = argv.collect();
    if program == "engine" {
        return real::engine::main(&argv);
    }
    if program == "stand-in" {
        return real::shell::main(&argv);
    }
    let mut call = Call::new(&program, argv);
    let rc = answer(&mut call).unwrap_or_else(|error| report(&call, &error));
    u8::try_from(rc).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Numbers the call, applies the fault that is set, runs the call and logs it.
fn answer(call: &mut Call) -> Result<i32> {
    let argv = call.args.clone();
    if classify::reads_stdin(&call.program, &argv) {
        call.read_stdin()?;
    }
    let changes = classify::changes(&call.program, &argv) || classify::changing_sql(call);
    let nested = fault::nested();
    let forwarded = classify::forwards(&call.program, &argv);
    let info = CallInfo { program: &call.program, argv: &argv, changes, nested, forwarded };
    let (seq, fault) = fault::begin(&call.store, &info)?;
    let rc = match fault {
        Some(Kind::Fail) => {
            call.warn("stand-in: this call fails");
            1
        }
        Some(Kind::Die | Kind::KillBefore) => 137,
        Some(Kind::Silent) => {
            fault::silence()?;
            serve(call)
        }
        Some(Kind::OrphanMs(wait)) => {
            // The plugin records its child once it has started it: this one has run for a while.
            sleep(Duration::from_secs(1));
            fault::kill_caller();
            sleep(Duration::from_millis(wait));
            serve(call)
        }
        Some(Kind::HangMs(wait)) => {
            sleep(Duration::from_millis(wait));
            serve(call)
        }
        Some(Kind::KillAfter) | None => serve(call),
    };
    let env =
        ENVIRONMENT.iter().filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?)));
    call.store.log(&Record {
        seq,
        program: call.program.clone(),
        argv,
        stdin: call.stdin.take(),
        env: env.collect::<BTreeMap<_, _>>(),
        rc,
        changes,
        caller: std::os::unix::process::parent_id(),
        nested,
        forwarded,
    })?;
    match fault {
        // Kill the caller only after the call is logged: whoever waits for the caller may then read
        // the log.
        Some(Kind::KillBefore | Kind::KillAfter) => fault::kill_caller(),
        Some(Kind::Die) => fault::die(),
        _ => {}
    }
    Ok(rc)
}

fn serve(call: &mut Call) -> i32 {
    let served = match call.program.as_str() {
        "dokku" => dokku::serve(call),
        "docker" => docker::serve(call),
        "plugn" => programs::plugn(call),
        "sudo" => programs::sudo(call),
        "ufw" => programs::ufw(call),
        "nginx" => programs::nginx(call),
        "sigil" => programs::sigil(call),
        other => unknown(other),
    };
    match served {
        Ok(()) => 0,
        Err(error) => report(call, &error),
    }
}

fn unknown(program: &str) -> Result<()> {
    bail!("stand-in: called as {program}, which it does not stand for")
}

/// Prints an error in Dokku's format and returns its exit code.
fn report(call: &Call, error: &anyhow::Error) -> i32 {
    match error.downcast_ref::<Stop>() {
        Some(stop) if stop.message.is_empty() => stop.rc,
        Some(stop) => {
            call.warn(&stop.message);
            stop.rc
        }
        None => {
            call.eprint(format!("stand-in: {error:#}\n"));
            UNSUPPORTED
        }
    }
}

/// The exit code as a shell reports it: 128 plus the signal number if a signal ended the program.
pub(crate) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// Ends the call with the exit code of a program that it ran.
pub(crate) fn exit_with(rc: i32) -> Result<()> {
    if rc == 0 { Ok(()) } else { quit(rc) }
}
