//! A real PostgreSQL with a cluster of its own, created in the same way as dokku-postgres does.

use super::{daemon::Daemon, free_port};
use dokku_matrix::{dokku::postgres::RIGHT_ENV, host::secret::Secret};
use stand_in::Scratch;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Contains characters that must be encoded in a URL.
const PASSWORD: &str = "p@ss/w%rd: '\"é";

pub(crate) struct Postgres {
    daemon: Option<Daemon>,
    port: u16,
    directory: Scratch,
}

impl Postgres {
    /// Starts a new cluster with an empty database `matrix_db`.
    pub(crate) fn start() -> Self {
        let directory = Scratch::new().unwrap();
        if let Some(nobody) = nobody() {
            std::os::unix::fs::chown(directory.path(), Some(nobody), Some(nobody)).unwrap();
        }
        let pwfile = directory.path().join("password");
        fs::write(&pwfile, PASSWORD).unwrap();
        let arguments = RIGHT_ENV.strip_prefix("POSTGRES_INITDB_ARGS=").unwrap().split(' ');
        let mut initdb = unprivileged("initdb");
        initdb
            .args(arguments)
            .args(["--no-sync", "--auth=scram-sha-256", "--username=postgres", "--pwfile"])
            .arg(&pwfile)
            .arg(data(&directory));
        let output = initdb.current_dir("/").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut postgres = Self { daemon: None, port: free_port(), directory };
        postgres.resume();
        postgres.sql("postgres", "CREATE DATABASE matrix_db");
        postgres
    }

    /// The value of `DATABASE_URL`.
    pub(crate) fn url(&self) -> Secret {
        let password = "p%40ss%2Fw%25rd:%20%27%22%C3%A9";
        Secret::new(format!("postgres://postgres:{password}@127.0.0.1:{}/matrix_db", self.port))
    }

    pub(crate) fn stop(&mut self) {
        self.daemon = None;
    }

    /// Starts it again with its existing data.
    pub(crate) fn resume(&mut self) {
        let mut command = unprivileged("postgres");
        command.arg("-D").arg(data(&self.directory)).args(["-h", "127.0.0.1", "-p"]);
        command.arg(self.port.to_string()).args(["-c", "unix_socket_directories="]);
        // The data is temporary, so nothing needs to be durable.
        command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        command.args(["-c", "synchronous_commit=off"]);
        command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
        self.daemon = Some(Daemon::start(command));
        let started = Instant::now();
        while !self.psql("postgres", "SELECT 1").status.success() {
            assert!(started.elapsed() < Duration::from_secs(120), "PostgreSQL does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn sql(&self, database: &str, sql: &str) {
        let output = self.psql(database, sql);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn psql(&self, database: &str, sql: &str) -> std::process::Output {
        Command::new(program("psql"))
            .args(["-X", "-h", "127.0.0.1", "-U", "postgres", "-d", database, "-c", sql, "-p"])
            .arg(self.port.to_string())
            .env("PGPASSWORD", PASSWORD)
            .output()
            .unwrap()
    }
}

fn data(directory: &Scratch) -> PathBuf {
    directory.path().join("data")
}

/// A program of the newest version that Debian has installed, which is not in PATH.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut programs: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| {
            let number = version.file_name().to_str()?.parse().ok()?;
            Some((number, version.path().join("bin").join(name)))
        })
        .filter(|(_, path)| path.exists())
        .collect();
    programs.sort();
    programs.pop().unwrap_or_else(|| panic!("PostgreSQL's {name} is missing: run dev/setup")).1
}

/// PostgreSQL refuses to run as root.
fn nobody() -> Option<u32> {
    nix::unistd::geteuid().is_root().then_some(65534)
}

fn unprivileged(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=QUIT");
    if let Some(nobody) = nobody() {
        let (user, group) = (format!("--reuid={nobody}"), format!("--regid={nobody}"));
        command.args([user, group, "--clear-groups".to_owned()]);
    }
    command.arg(Path::new(&program(name)));
    command
}
