//! A real Dokku host.

use super::lifecycle::{APPS, SERVERS, SERVICES};
use super::{Host, HostExt, HttpClient, run_command};
use crate::support::Output;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Dokku's default.
const LIB: &str = "/var/lib/dokku";
/// All scenarios share one host, and take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Everything that the scenario creates is removed when the value is dropped.
pub(super) struct RealHost {
    global_domain: String,
    /// Released after the cleanup.
    _turn: MutexGuard<'static, ()>,
}

impl RealHost {
    /// `None` if there is no Dokku, or if the environment does not allow its use.
    pub(super) fn new() -> Option<Self> {
        let allowed = std::env::var("DOKKU_MATRIX_HOST_TESTS").is_ok_and(|value| value == "1");
        which::which("dokku").ok().filter(|_| allowed)?;
        // A failed scenario cleans up, too; the checks below find out if it did not.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(nix::unistd::getuid().is_root(), "these tests must be run by root");
        let apps = dokku("--quiet apps:list", "").stdout;
        let taken = apps.lines().find(|app| APPS.contains(app));
        assert_eq!(taken, None, "an app has a name of this scenario");
        for service in SERVICES {
            let output = dokku(&format!("postgres:exists {service}"), "");
            assert_ne!(output.code, Some(0), "a service has a name of this scenario: {output:?}");
        }
        let list = dokku("--quiet matrix:list", "");
        assert_eq!((list.code, list.stdout.as_str()), (Some(0), ""), "{list:?}");
        let domains = dokku("domains:report --global --domains-global-vhosts", "").stdout;
        let domain = domains.split_whitespace().next().expect("no global domain is set");
        for server in SERVERS {
            // Checked before the value exists, whose drop would remove somebody else's directory.
            let directory = format!("{LIB}/data/matrix/{server}.{domain}");
            assert!(!Path::new(&directory).exists(), "{directory} already exists");
        }
        Some(Self { global_domain: domain.to_owned(), _turn: turn })
    }
}

impl Drop for RealHost {
    fn drop(&mut self) {
        for app in APPS {
            dokku(&format!("--force apps:destroy {app}"), "");
            // Dokku leaves the certificates of a destroyed app behind.
            fs::remove_dir_all(format!("{LIB}/data/letsencrypt/{app}")).ok();
        }
        for service in SERVICES {
            dokku(&format!("postgres:destroy {service} --force"), "");
        }
        for server in SERVERS {
            fs::remove_dir_all(self.directory(server)).ok();
            for lock in ["server", "data"] {
                let name = format!("{server}.{}.{lock}", self.global_domain);
                fs::remove_file(format!("{LIB}/data/matrix/.host/locks/{name}")).ok();
            }
        }
    }
}

/// Sends all requests to the local nginx, whatever the DNS says.
impl HttpClient for RealHost {
    fn curl(&self) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["--connect-to", "::127.0.0.1:"]);
        curl
    }
}

impl Host for RealHost {
    /// The names may be known to the host alone.
    const SUCCESS: &'static [i32] = &[0, 3];

    fn global_domain(&self) -> String {
        self.global_domain.clone()
    }

    fn dokku(&self, line: &str, stdin: &str) -> Output {
        dokku(line, stdin)
    }

    fn docker(&self, line: &str) -> Output {
        let mut command = Command::new("docker");
        command.args(line.split_whitespace());
        run_command(command, b"")
    }

    fn root(&self, program: &str) -> Command {
        Command::new(program)
    }

    fn lib(&self) -> String {
        LIB.to_owned()
    }
}

/// Runs `dokku <line>` with the environment of a new root shell.
fn dokku(line: &str, stdin: &str) -> Output {
    let mut command = Command::new("dokku");
    command.args(line.split_whitespace()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/root");
    run_command(command, stdin.as_bytes())
}
