//! A real host.

use super::scenario::{APPS, SERVERS, SERVICES};
use super::{Place, User};
use crate::plugin_copy::Ran;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the plugins keep.
const DATA: &str = "/var/lib/dokku/data";
/// 40 MiB.
const LARGE: usize = 40 << 20;

/// What the scenario makes on it goes away with the value.
pub(super) struct Real {
    global_domain: String,
}

impl Real {
    /// None where there is no Dokku, or nobody has said that it may be used.
    pub(super) fn new() -> Option<Self> {
        let wanted = std::env::var("DOKKU_MATRIX_HOST_TESTS").is_ok_and(|value| value == "1");
        which::which("dokku").ok().filter(|_| wanted)?;
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
        let place = Self { global_domain: domain.to_owned() };
        for server in SERVERS {
            let folder = place.folder(server);
            assert!(!folder.exists(), "{} is there already", folder.display());
        }
        Some(place)
    }

    /// The folder of the server that is called like an app.
    fn folder(&self, app: &str) -> PathBuf {
        Path::new(DATA).join(format!("matrix/{app}.{}", self.global_domain))
    }

    /// A request of a client, which has to be answered with 200.
    fn request(&self, token: &str, args: [&str; 3], body: &[u8]) -> Value {
        let mut curl = self.curl();
        curl.args([
            "--silent",
            "--show-error",
            "--fail",
            "--max-time",
            "120",
            "--data-binary",
            "@-",
        ])
        .args(["--header", &format!("Authorization: Bearer {token}"), "--request"])
        .args(args);
        let ran = fed(curl, body);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        for app in APPS {
            dokku(&format!("--force apps:destroy {app}"), "");
            // Dokku leaves the certificates of an app behind.
            fs::remove_dir_all(Path::new(DATA).join("letsencrypt").join(app)).ok();
        }
        for service in SERVICES {
            dokku(&format!("--force postgres:destroy {service}"), "");
        }
        for server in SERVERS {
            fs::remove_dir_all(self.folder(server)).ok();
            let lock = format!("matrix/.{server}.{}.lock", self.global_domain);
            fs::remove_file(Path::new(DATA).join(lock)).ok();
        }
    }
}

impl Place for Real {
    fn global_domain(&self) -> String {
        self.global_domain.clone()
    }

    fn dokku(&self, line: &str, stdin: &str) -> Ran {
        dokku(line, stdin)
    }

    fn curl(&self) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["--connect-to", "::127.0.0.1:"]);
        curl
    }

    fn is_at_home(&self, user: &User<'_>) {
        let client = format!("https://{}/_matrix/client/v3", user.domain);
        let media = format!("https://{}/_matrix/media/v3/upload", user.domain);
        let json = "-HContent-Type: application/json";
        let login = json!({
            "type": "m.login.password",
            "identifier": { "type": "m.id.user", "user": user.name },
            "password": user.password,
        });
        let login = self.request(
            "",
            ["POST", &format!("{client}/login"), json],
            login.to_string().as_bytes(),
        );
        let token = login["access_token"].as_str().unwrap();
        let room = self.request(token, ["POST", &format!("{client}/createRoom"), json], b"{}");
        let room = room["room_id"].as_str().unwrap();
        let send = format!("{client}/rooms/{room}/send/m.room.message/1");
        let message = json!({ "msgtype": "m.text", "body": "hello" }).to_string();
        self.request(token, ["PUT", &send, json], message.as_bytes());
        let binary = "-HContent-Type: application/octet-stream";
        self.request(token, ["POST", &media, binary], &vec![7; LARGE]);
    }

    fn mains(&self, server: &str) -> usize {
        let path = format!("volume={DATA}/matrix/{server}/config");
        let ids = docker(&["ps", "--quiet", "--filter", &path]);
        let dokku = nix::unistd::User::from_name("dokku").unwrap().unwrap().uid.as_raw();
        for id in ids.lines() {
            let pid = docker(&["inspect", "--format", "{{.State.Pid}}", id]);
            let owner = fs::metadata(format!("/proc/{}", pid.trim())).unwrap().uid();
            assert_eq!(owner, dokku);
        }
        ids.lines().count()
    }

    /// Its containers alone: other apps of the host are not the scenario's.
    fn reboot(&self, app: &str) {
        let label = format!("label=com.dokku.app-name={app}");
        for id in docker(&["ps", "--quiet", "--filter", &label]).lines() {
            docker(&["stop", id]);
        }
        let ran = dokku(&format!("ps:restore {app}"), "");
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
}

/// As from a fresh shell of root's.
fn dokku(line: &str, stdin: &str) -> Ran {
    let mut command = Command::new("dokku");
    command.args(line.split_whitespace()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/root");
    fed(command, stdin.as_bytes())
}

fn docker(args: &[&str]) -> String {
    let mut command = Command::new("docker");
    command.args(args);
    let ran = fed(command, b"");
    assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
    ran.stdout
}

/// Runs a command to its end with this on standard input.
pub(super) fn fed(mut command: Command, stdin: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who does not read it has that right.
    child.stdin.take().unwrap().write_all(stdin).ok();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}
