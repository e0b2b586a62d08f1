//! Scenarios in two places: on a stood-in host with real parts, with all other tests, and on a real
//! Dokku, where root runs them:
//!
//! ```text
//! DOKKU_MATRIX_HOST_TESTS=1 cargo test --test it scenarios::real_
//! ```
//!
//! There the plugins postgres, letsencrypt and matrix are installed, a global domain is set, and
//! the names below it lead to the host. A host that has a homeserver already, or an app with a
//! name of a scenario, is refused. Where the two places differ, the stand-in is wrong.

mod bad_days;
mod clients;
mod federation;
mod interrupted;
mod life;
mod parts;
mod person;
mod power_cut;
mod real;
mod restored;
mod serving;
mod traps;

use crate::plugin_copy::Ran;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A place to ask from.
trait Outside: Sync {
    /// curl that finds hosts by their public names, whatever the DNS says.
    fn curl(&self) -> Command;
}

/// A host with Dokku and the plugin, and what differs from one to the other.
trait Place: Outside {
    /// With what a command ends that has done all it could.
    const DONE: &'static [i32];

    /// What the names of its apps end with.
    fn global_domain(&self) -> String;

    /// `dokku <line>`, as a user types it, with this on standard input.
    fn dokku(&self, line: &str, stdin: &str) -> Ran;

    /// `docker <line>`, as dokku may call it.
    fn docker(&self, line: &str) -> Ran;

    /// A program that root runs on the host.
    fn root(&self, program: &str) -> Command;

    /// `$DOKKU_LIB_ROOT`.
    fn lib(&self) -> String;
}

#[test]
fn life() {
    life::play(&parts::Parts::alone());
}

#[test]
fn serving() {
    serving::play(&parts::Parts::alone());
}

#[test]
fn bad_days() {
    bad_days::play(&parts::Parts::alone());
}

#[test]
fn traps() {
    traps::play(&parts::Parts::alone());
}

#[test]
fn real_traps() {
    on_a_real_host(traps::play);
}

#[test]
fn real_life() {
    on_a_real_host(life::play);
}

#[test]
fn real_serving() {
    on_a_real_host(serving::play);
}

#[test]
fn real_bad_days() {
    on_a_real_host(bad_days::play);
}

/// Each scenario finds it as bare as a stood-in one, and has it for itself.
#[expect(clippy::print_stderr, reason = "who runs them wants to know how long a real host takes")]
fn on_a_real_host(play: impl FnOnce(&real::Real)) {
    let Some(place) = real::Real::new() else {
        eprintln!("skipped: no dokku here, or DOKKU_MATRIX_HOST_TESTS is not 1");
        return;
    };
    let since = Instant::now();
    play(&place);
    eprintln!("played in {:.0?}", since.elapsed());
}

/// What is done on a host, with what has to come of it.
trait Steps: Place {
    fn ok(&self, line: &str) -> Ran {
        self.done(line, self.dokku(line, ""))
    }

    /// It has ended as it should.
    fn done(&self, line: &str, ran: Ran) -> Ran {
        assert!(ran.code.is_some_and(|code| Self::DONE.contains(&code)), "{line}: {ran:#?}");
        ran
    }

    /// Fails with these words.
    fn refused(&self, line: &str, why: &str) {
        let ran = self.dokku(line, "");
        assert_eq!(ran.code, Some(1), "{line}: {ran:#?}");
        assert!(ran.stdout.contains(why) || ran.stderr.contains(why), "{line}: {ran:#?}");
    }

    /// Registers a user of an app's homeserver.
    fn registered(&self, app: &str, name: &str, password: &str) {
        let ran = self.dokku(&format!("matrix:register-user {app} {name}"), password);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
    }

    fn report(&self, app: &str, flag: &str) -> String {
        self.ok(&format!("matrix:report {app} --matrix-{flag}")).stdout.trim_end().to_owned()
    }

    /// What `docker inspect` says of the one container that runs for an app.
    fn inspected(&self, app: &str, format: &str) -> String {
        let ids = self.by_docker(&format!("ps --quiet --filter label=com.dokku.app-name={app}"));
        let ids: Vec<_> = ids.lines().collect();
        assert_eq!(ids.len(), 1, "{app}: {ids:?}");
        self.by_docker(&format!("inspect --format {format} {}", ids[0]))
    }

    /// `docker <line>` has to succeed; what it prints.
    fn by_docker(&self, line: &str) -> String {
        printed(line, &self.docker(line))
    }

    /// Root's program has to succeed; what it prints.
    fn by_root(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let mut command = self.root(words.next().unwrap());
        command.args(words);
        printed(line, &fed(command, b""))
    }

    /// The folder of the server that is called like an app.
    fn folder(&self, app: &str) -> String {
        format!("{}/data/matrix/{app}.{}", self.lib(), self.global_domain())
    }
}

impl<P: Place> Steps for P {}

fn printed(line: &str, ran: &Ran) -> String {
    assert_eq!(ran.code, Some(0), "{line}: {ran:#?}");
    ran.stdout.trim_end().to_owned()
}

/// Runs a command to its end with this on standard input.
fn fed(mut command: Command, stdin: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who does not read it has that right.
    child.stdin.take().unwrap().write_all(stdin).ok();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}
