//! Scenarios from the first command on. They run on a stand-in host with real parts, with all other
//! tests, and on a real Dokku host, where root runs them:
//!
//! ```text
//! DOKKU_MATRIX_HOST_TESTS=1 cargo test --test it scenarios::real_
//! ```
//!
//! The real host needs the plugins postgres, letsencrypt and matrix, a global domain, and DNS names
//! below it that lead to the host. A host that already has a homeserver, or an app with a name of a
//! scenario, is refused. Where the two hosts differ, the stand-in is wrong.

mod clients;
mod failures;
mod federation;
mod interrupted_test;
mod lifecycle;
mod power_cut;
mod real_host;
mod restore;
mod serving;
mod stand_in_host;
mod user;
mod wrong_databases;

use crate::support::Output;
use real_host::RealHost;
use stand_in_host::StandInHost;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Where HTTP requests are sent from.
trait HttpClient: Sync {
    /// A curl that resolves the public names of the hosts, whatever the DNS says.
    fn curl(&self) -> Command;
}

/// A host with Dokku and the plugin.
trait Host: HttpClient {
    /// The exit codes of a command that did all it could on such a host.
    const SUCCESS: &'static [i32];

    /// The domain below which new apps get their names.
    fn global_domain(&self) -> String;

    /// Runs `dokku <line>` as a user does, with this standard input.
    fn dokku(&self, line: &str, stdin: &str) -> Output;

    /// Runs `docker <line>` as dokku's user.
    fn docker(&self, line: &str) -> Output;

    /// A program to be run by root on the host.
    fn root(&self, program: &str) -> Command;

    /// `$DOKKU_LIB_ROOT`.
    fn lib(&self) -> String;
}

#[test]
fn lifecycle() {
    lifecycle::run(&StandInHost::new());
}

#[test]
fn serving() {
    serving::run(&StandInHost::new());
}

#[test]
fn failures() {
    failures::run(&StandInHost::new());
}

#[test]
fn wrong_databases() {
    wrong_databases::run(&StandInHost::new());
}

#[test]
fn real_wrong_databases() {
    on_a_real_host(wrong_databases::run);
}

#[test]
fn real_lifecycle() {
    on_a_real_host(lifecycle::run);
}

#[test]
fn real_serving() {
    on_a_real_host(serving::run);
}

#[test]
fn real_failures() {
    on_a_real_host(failures::run);
}

/// One scenario at a time has the host, and each starts without any homeserver.
#[expect(clippy::print_stderr, reason = "shows how long a scenario takes on a real host")]
fn on_a_real_host(scenario: impl FnOnce(&RealHost)) {
    let Some(host) = RealHost::new() else {
        eprintln!("skipped: no dokku here, or DOKKU_MATRIX_HOST_TESTS is not 1");
        return;
    };
    let start = Instant::now();
    scenario(&host);
    eprintln!("finished in {:.0?}", start.elapsed());
}

/// Commands on a host, with the checks that all scenarios share.
trait HostExt: Host {
    fn ok(&self, line: &str) -> Output {
        self.assert_success(line, self.dokku(line, ""))
    }

    fn assert_success(&self, line: &str, output: Output) -> Output {
        let success = output.code.is_some_and(|code| Self::SUCCESS.contains(&code));
        assert!(success, "{line}: {output:#?}");
        output
    }

    /// Runs a command that must fail with this message.
    fn fails(&self, line: &str, message: &str) {
        let output = self.dokku(line, "");
        assert_eq!(output.code, Some(1), "{line}: {output:#?}");
        let all = [&output.stdout, &output.stderr];
        assert!(all.iter().any(|text| text.contains(message)), "{line}: {output:#?}");
    }

    fn register(&self, app: &str, name: &str, password: &str) {
        let output = self.dokku(&format!("matrix:register-user {app} {name}"), password);
        assert_eq!(output.code, Some(0), "{output:#?}");
    }

    fn report(&self, app: &str, flag: &str) -> String {
        self.ok(&format!("matrix:report {app} --matrix-{flag}")).stdout.trim_end().to_owned()
    }

    /// Runs `docker inspect` on the only running container of an app.
    fn inspect(&self, app: &str, format: &str) -> String {
        let ids = self.docker_ok(&format!("ps --quiet --filter label=com.dokku.app-name={app}"));
        let ids: Vec<_> = ids.lines().collect();
        assert_eq!(ids.len(), 1, "{app}: {ids:?}");
        self.docker_ok(&format!("inspect --format {format} {}", ids[0]))
    }

    /// Runs `docker <line>`, which must succeed, and returns what it prints.
    fn docker_ok(&self, line: &str) -> String {
        stdout(line, &self.docker(line))
    }

    /// Runs a command as root, which must succeed, and returns what it prints.
    fn root_ok(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let mut command = self.root(words.next().unwrap());
        command.args(words);
        stdout(line, &run_command(command, b""))
    }

    /// The data directory of the server that has its name from this app.
    fn directory(&self, app: &str) -> String {
        format!("{}/data/matrix/{app}.{}", self.lib(), self.global_domain())
    }
}

impl<H: Host> HostExt for H {}

fn stdout(line: &str, output: &Output) -> String {
    assert_eq!(output.code, Some(0), "{line}: {output:#?}");
    output.stdout.trim_end().to_owned()
}

/// Runs a command to its end with this standard input.
fn run_command(mut command: Command, stdin: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // This fails if the command exits without reading its input, which is fine.
    child.stdin.take().unwrap().write_all(stdin).ok();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}
