//! One scenario in two places: the main job, from a bare host to homeservers that people log in
//! to, through everything that Dokku does to their apps, and away again.
//!
//! On the stood-in host it runs with all other tests. On a real one it is run by root:
//!
//! ```text
//! DOKKU_MATRIX_HOST_TESTS=1 cargo test --test it host::real
//! ```
//!
//! There the plugins postgres, letsencrypt and matrix are installed, a global domain is set, and
//! the names below it lead to the host. A host that has a homeserver already, or an app with a
//! name of the scenario, is refused.

mod real;
mod scenario;
mod stood_in;

use crate::plugin_copy::Ran;
use std::process::Command;

/// A host with Dokku and the plugin, and what differs from one to the other.
trait Place {
    /// What the names of its apps end with.
    fn global_domain(&self) -> String;

    /// `dokku <line>`, as a user types it, with this on standard input.
    fn dokku(&self, line: &str, stdin: &str) -> Ran;

    /// curl that asks the host's nginx, whatever the DNS says.
    fn curl(&self) -> Command;

    /// The user can log in, make a room, say something, and upload a file of 40 MiB.
    fn is_at_home(&self, user: &User<'_>);

    /// How many containers run on the server's data; all of them as dokku's user.
    fn mains(&self, server: &str) -> usize;

    /// The machine goes down and comes up, as far as this app is concerned.
    fn reboot(&self, app: &str);
}

struct User<'a> {
    /// The domain of the homeserver.
    domain: &'a str,
    name: &'a str,
    password: &'a str,
}

#[test]
fn stood_in() {
    scenario::play(&stood_in::StoodIn::new());
}

#[test]
fn real() {
    match real::Real::new() {
        Some(place) => scenario::play(&place),
        None => eprintln!("skipped: no dokku here, or DOKKU_MATRIX_HOST_TESTS is not 1"),
    }
}
