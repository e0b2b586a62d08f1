//! The lifecycle of a homeserver: it is created on an empty host, used, scaled, cloned, restarted,
//! renamed, destroyed, created again from its data, and destroyed for good.

use super::user::{Message, User};
use super::{Host, HostExt, run_command, stdout};
use serde_json::Value;
use std::thread::sleep;
use std::time::Duration;

/// Names that no other app is likely to have. The last one is for a clone.
pub(super) const APPS: [&str; 5] =
    ["matrix-test", "matrix-test-new", "matrix-test-b", "matrix-test-chat", "matrix-test-copy"];
/// The postgres services of these apps.
pub(super) const SERVICES: [&str; 2] = ["matrix-test-db", "matrix-test-b-db"];
/// The apps after which servers, and so their directories, are named.
pub(super) const SERVERS: [&str; 2] = ["matrix-test", "matrix-test-b"];

const FIRST: &str = SERVERS[0];
const SECOND: &str = SERVERS[1];
const RENAMED: &str = APPS[1];
const CHAT: &str = APPS[3];
const COPY: &str = APPS[4];

const PASSWORD: &str = r#"it's a "pass" wörd"#;
/// In MiB.
const LARGE: usize = 40;

struct Lifecycle<'a, P> {
    host: &'a P,
    domain: String,
}

pub(super) fn run(host: &impl Host) {
    let global = host.global_domain();
    let lifecycle = Lifecycle { host, domain: format!("{FIRST}.{global}") };
    let email = format!("admin@{global}");
    lifecycle.create(&format!(
        "matrix:create {FIRST} --email {email} --support-email {email} --element {CHAT}"
    ));
    lifecycle.assert_serves(&global);
    let alice = User::new(host, &lifecycle.domain, "alice", PASSWORD);
    let message = alice.send_in_new_room("before everything");
    let upload = alice.upload(LARGE).1.unwrap();
    let assert_data_kept = || {
        alice.assert_has_message(&message);
        alice.assert_has_upload(&upload, LARGE);
    };
    lifecycle.runs_a_single_process();
    assert_data_kept();
    lifecycle.rename();
    lifecycle.two_servers(&global, &email);
    lifecycle.create_again(&message);
    assert_data_kept();
    lifecycle.destroy();
}

impl<H: Host> Lifecycle<'_, H> {
    fn list(&self) -> Vec<String> {
        self.host.ok("--quiet matrix:list").stdout.lines().map(str::to_owned).collect()
    }

    /// Checks that the homeserver of this domain answers clients and, on both ports, other servers.
    fn assert_answers(&self, domain: &str) {
        let clients = format!("https://{domain}/_matrix/client/versions");
        assert!(self.wait_for(&clients)["versions"].is_array());
        for port in ["", ":8448"] {
            let url = format!("https://{domain}{port}/_matrix/federation/v1/version");
            assert_eq!(self.wait_for(&url)["server"]["name"], "Synapse");
        }
    }

    /// The status and the body.
    fn get(&self, url: &str) -> (String, Value) {
        let mut curl = self.host.curl();
        let output =
            curl.args(["--silent", "--max-time", "30", "--write-out", "\n%{http_code}", url]);
        let output = String::from_utf8(output.output().unwrap().stdout).unwrap();
        let (body, status) = output.rsplit_once('\n').unwrap();
        (status.to_owned(), serde_json::from_str(body).unwrap_or_default())
    }

    /// The body, once the status is 200: nginx needs a moment to apply a new configuration.
    fn wait_for(&self, url: &str) -> Value {
        let mut tries = (0..20).map(|_| self.get(url)).inspect(|(status, _)| {
            if status != "200" {
                sleep(Duration::from_millis(200));
            }
        });
        let success = tries.find(|(status, _)| status == "200");
        success.unwrap_or_else(|| panic!("{url}: {:?}", self.get(url))).1
    }

    /// Checks that one process runs on the first server's data, as dokku's user, and that it answers.
    fn assert_healthy(&self, app: &str) {
        let directory = self.host.directory(FIRST);
        let ps = format!("ps --quiet --no-trunc --filter volume={directory}/config");
        assert_eq!(self.host.docker_ok(&ps), self.host.inspect(app, "{{.Id}}"));
        let owner = self.host.root_ok(&format!("stat --format %u {directory}"));
        assert_ne!(owner, "0");
        assert_eq!(self.process_owners(), [owner]);
        assert_eq!(self.host.report(app, "running"), "true");
        self.assert_answers(&self.domain);
    }

    /// The users of all Synapse processes that see the first server's data. Docker is not asked: it
    /// may not know all of them.
    fn process_owners(&self) -> Vec<String> {
        // The path is relative to the root of the mount, which may not be the root of the host.
        let data = format!("/data/matrix/{}/data ", self.domain);
        let script = format!(
            "for process in /proc/[0-9]*; do
               grep -qs synapse.app.homeserver $process/cmdline || continue
               ! grep -qsF '{data}' $process/mountinfo || stat --format %u $process
             done"
        );
        let mut shell = self.host.root("sh");
        shell.args(["-c", &script]);
        stdout(&script, &run_command(shell, b"")).lines().map(str::to_owned).collect()
    }

    fn create(&self, line: &str) {
        self.host.ok(&format!("{line} --dry-run"));
        assert_eq!(self.list(), [""; 0]);
        self.host.ok(line);
        let again = self.host.ok(line).stdout;
        assert!(again.contains("is ready; nothing had to be changed"), "{again}");
        let register = format!("matrix:register-user {FIRST} alice --admin");
        for code in [0, 1] {
            let output = self.host.dokku(&register, &format!("{PASSWORD}\n"));
            assert_eq!(output.code, Some(code), "{output:#?}");
        }
        assert_eq!(self.list(), [FIRST]);
    }

    fn assert_serves(&self, global: &str) {
        let domain = &self.domain;
        self.assert_healthy(FIRST);
        let well_known =
            |name: &str| self.wait_for(&format!("https://{domain}/.well-known/matrix/{name}"));
        assert_eq!(well_known("server")["m.server"], format!("{domain}:443"));
        assert_eq!(well_known("client")["m.homeserver"]["base_url"], format!("https://{domain}"));
        assert_eq!(
            well_known("support")["contacts"][0]["email_address"],
            format!("admin@{global}")
        );
        let (status, _) = self.get(&format!("https://{domain}/_synapse/admin/v1/server_version"));
        assert_eq!(status, "404");
        let config = self.wait_for(&format!("https://{CHAT}.{global}/config.json"));
        let base = &config["default_server_config"]["m.homeserver"]["base_url"];
        assert_eq!(*base, format!("https://{domain}"));
    }

    /// Whatever would start a second process on the data is refused, and the first one keeps running.
    fn runs_a_single_process(&self) {
        for scale in ["web=2", "worker=1"] {
            self.host.fails(&format!("ps:scale {FIRST} {scale}"), "must have one web process");
            self.assert_healthy(FIRST);
        }
        self.host.fails(&format!("apps:clone {FIRST} {COPY}"), "is a clone of a homeserver's app");
        self.host.ok(&format!("--force apps:destroy {COPY}"));
        self.assert_healthy(FIRST);
        for line in ["ps:rebuild", "ps:restart"] {
            self.host.ok(&format!("{line} {FIRST}"));
            self.host.ok(&format!("matrix:deploy {FIRST}"));
            self.assert_healthy(FIRST);
        }
        // A reboot of the host, as far as this app is concerned.
        let id = self.host.inspect(FIRST, "{{.Id}}");
        self.host.docker_ok(&format!("stop {id}"));
        assert_eq!(self.process_owners(), [""; 0]);
        self.host.ok(&format!("ps:restore {FIRST}"));
        self.host.ok(&format!("matrix:deploy {FIRST}"));
        self.assert_healthy(FIRST);
    }

    fn rename(&self) {
        self.host.ok(&format!("apps:rename {FIRST} {RENAMED}"));
        self.assert_healthy(RENAMED);
        assert_eq!(self.list(), [RENAMED]);
        assert_eq!(self.host.report(RENAMED, "domain"), self.domain);
        let certificates = self.host.ok("letsencrypt:list").stdout;
        assert!(certificates.lines().any(|line| line.starts_with(&format!("{RENAMED} "))));
    }

    /// Both have port 8448. When the first one is destroyed, the second one becomes the default there.
    fn two_servers(&self, global: &str, email: &str) {
        self.host.ok(&format!("matrix:create {SECOND} --email {email}"));
        assert_eq!(self.list(), [SECOND, RENAMED]);
        self.assert_healthy(RENAMED);
        let other = format!("{SECOND}.{global}");
        self.assert_answers(&other);
        let stdout = self.host.ok(&format!("--force apps:destroy {RENAMED}")).stdout;
        let message = format!("{other} is the default homeserver on port 8448 now");
        assert!(stdout.contains(&message), "{stdout}");
        self.host.ok("nginx:validate-config");
        self.assert_answers(&other);
        assert_eq!(self.list(), [SECOND]);
    }

    /// A new app takes over the data of the destroyed one: name, key, users and messages.
    fn create_again(&self, message: &Message) {
        self.host.ok(&format!("matrix:create {FIRST} --server-name {}", self.domain));
        self.assert_healthy(FIRST);
        User::new(self.host, &self.domain, "alice", PASSWORD).assert_has_message(message);
    }

    fn destroy(&self) {
        self.host.ok(&format!("matrix:disable-element {FIRST}"));
        assert_eq!(self.host.report(FIRST, "element-app"), "");
        for app in SERVERS {
            self.host.ok(&format!("--force apps:destroy {app}"));
        }
        assert_eq!(self.list(), [""; 0]);
    }
}
