//! A real Synapse with the files that the plugin writes, and a real PostgreSQL.

use super::{
    daemon::Daemon,
    directories::{Directories, server},
    free_port, host,
    postgres::Postgres,
};
use dokku_matrix::{
    host::{
        net::{self, Reply, Request, Via},
        secret::Secret,
    },
    synapse::{
        config,
        health::{self, Readiness},
    },
};
use serde_json::Value;
use std::{
    fs::{self, File},
    process::Command,
    time::{Duration, Instant},
};

/// The arguments after `python`. The last two are the test's own and set a free port.
pub(crate) const ARGS: [&str; 6] = [
    "-m",
    "synapse.app.homeserver",
    "--config-path",
    config::DIRECTORY,
    "--config-path",
    "/test/port.yaml",
];

/// What an administrator might add; the tests log in more often than a person may.
const LOCAL: &str = "rc_login:
  address: {per_second: 1000, burst_count: 1000}
  account: {per_second: 1000, burst_count: 1000}
";

pub(crate) struct Homeserver {
    daemon: Option<Daemon>,
    pub(crate) directories: Directories,
    pub(crate) postgres: Postgres,
    port: u16,
}

impl Homeserver {
    /// Starts Synapse with new files and an empty database, and waits until it is ready.
    pub(crate) fn start() -> Self {
        let postgres = Postgres::start();
        let directories = Directories::write(&server(), &postgres.url(), None);
        directories.put_local(LOCAL);
        let mut server = Self { daemon: None, directories, postgres, port: free_port() };
        server.resume();
        server
    }

    pub(crate) fn stop(&mut self) {
        self.daemon = None;
    }

    /// Starts it again with its existing files and database.
    pub(crate) fn resume(&mut self) {
        put_port(&self.directories, self.port);
        let log = self.directories.test().join("log");
        let out = File::create(&log).unwrap();
        let mut command = Command::new("bwrap");
        command.args(self.directories.container()).arg("python").args(ARGS);
        command.stdout(out.try_clone().unwrap()).stderr(out);
        let daemon = Daemon::start(command);
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            let readiness = self.probe();
            if readiness == Readiness::Ready {
                break;
            }
            let log = || fs::read_to_string(&log).unwrap();
            assert!(!daemon.has_ended() && Instant::now() < deadline, "{readiness:?}: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        self.daemon = Some(daemon);
    }

    /// The address that stands for that of its container.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn probe(&self) -> Readiness {
        health::probe(&host(), &self.address()).unwrap()
    }

    /// The shared secret for registering users.
    pub(crate) fn secret(&self) -> Secret {
        Secret::new(self.directories.read(&format!("secrets/{}", config::REGISTRATION_SECRET)))
    }

    pub(crate) fn get(&self, path: &str, bearer: Option<&str>) -> Reply {
        self.send(path, None, bearer)
    }

    pub(crate) fn post(&self, path: &str, json: Value) -> Reply {
        self.send(path, Some(json), None)
    }

    fn send(&self, path: &str, json: Option<Value>, bearer: Option<&str>) -> Reply {
        let url = format!("http://{}{path}", self.address());
        let timeout = Duration::from_secs(30);
        let bearer = bearer.map(Secret::new);
        net::ask(&host(), &Request { json, bearer, timeout, ..Request::get(&url, Via::Dns) })
            .unwrap()
    }
}

/// Writes a copy of the generated file with another port, which overrides it.
pub(crate) fn put_port(directories: &Directories, port: u16) {
    let text = directories.read(&format!("homeserver.d/{}", config::SERVER_FILE));
    let text = text.replace(&format!("port: {}", config::PORT), &format!("port: {port}"));
    fs::write(directories.test().join("port.yaml"), text).unwrap();
}
