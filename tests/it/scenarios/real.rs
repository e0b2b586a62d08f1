//! A real host.

use super::life::{APPS, SERVERS, SERVICES};
use super::{Outside, Place, Steps, fed};
use crate::plugin_copy::Ran;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Dokku's own choice.
const LIB: &str = "/var/lib/dokku";
/// There is one host for all.
static TURN: Mutex<()> = Mutex::new(());

/// What the scenario makes on it goes away with the value.
pub(super) struct Real {
    global_domain: String,
    /// Given on after all is gone.
    _turn: MutexGuard<'static, ()>,
}

impl Real {
    /// None where there is no Dokku, or nobody has said that it may be used.
    pub(super) fn new() -> Option<Self> {
        let wanted = std::env::var("DOKKU_MATRIX_HOST_TESTS").is_ok_and(|value| value == "1");
        which::which("dokku").ok().filter(|_| wanted)?;
        // A scenario that failed has cleaned up all the same, or the next lines say that it has not.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(nix::unistd::getuid().is_root(), "this has to be run by root");
        let apps = dokku("--quiet apps:list", "").stdout;
        let taken = apps.lines().find(|app| APPS.contains(app));
        assert_eq!(taken, None, "an app has a name of this scenario");
        for service in SERVICES {
            let ran = dokku(&format!("postgres:exists {service}"), "");
            assert_ne!(ran.code, Some(0), "a service has a name of this scenario: {ran:?}");
        }
        let list = dokku("--quiet matrix:list", "");
        assert_eq!((list.code, list.stdout.as_str()), (Some(0), ""), "{list:?}");
        let domains = dokku("domains:report --global --domains-global-vhosts", "").stdout;
        let domain = domains.split_whitespace().next().expect("no global domain is set");
        for server in SERVERS {
            // Not yet ours: from a value made before this, it would be removed.
            let folder = format!("{LIB}/data/matrix/{server}.{domain}");
            assert!(!Path::new(&folder).exists(), "{folder} is there already");
        }
        Some(Self { global_domain: domain.to_owned(), _turn: turn })
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        for app in APPS {
            dokku(&format!("--force apps:destroy {app}"), "");
            // Dokku leaves the certificates of an app behind.
            fs::remove_dir_all(format!("{LIB}/data/letsencrypt/{app}")).ok();
        }
        for service in SERVICES {
            dokku(&format!("postgres:destroy {service} --force"), "");
        }
        for server in SERVERS {
            fs::remove_dir_all(self.folder(server)).ok();
            let lock = format!("{LIB}/data/matrix/.{server}.{}.lock", self.global_domain);
            fs::remove_file(lock).ok();
        }
    }
}

/// Its nginx, whatever the DNS says.
impl Outside for Real {
    fn curl(&self) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["--connect-to", "::127.0.0.1:"]);
        curl
    }
}

impl Place for Real {
    /// Its names may be known to itself alone.
    const DONE: &'static [i32] = &[0, 3];

    fn global_domain(&self) -> String {
        self.global_domain.clone()
    }

    fn dokku(&self, line: &str, stdin: &str) -> Ran {
        dokku(line, stdin)
    }

    fn docker(&self, line: &str) -> Ran {
        let mut command = Command::new("docker");
        command.args(line.split_whitespace());
        fed(command, b"")
    }

    fn root(&self, program: &str) -> Command {
        Command::new(program)
    }

    fn lib(&self) -> String {
        LIB.to_owned()
    }
}

/// As from a fresh shell of root's.
fn dokku(line: &str, stdin: &str) -> Ran {
    let mut command = Command::new("dokku");
    command.args(line.split_whitespace()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/root");
    fed(command, stdin.as_bytes())
}
