//! The life of a homeserver: from a bare host to people who talk on it, through everything that Dokku
//! does to its apps, and away again.

use super::person::{Person, Said};
use super::{Place, Steps, fed, printed};
use serde_json::Value;
use std::thread::sleep;
use std::time::Duration;

/// Names that nobody else gives an app. The last one is that of a clone.
pub(super) const APPS: [&str; 5] =
    ["matrix-test", "matrix-test-new", "matrix-test-b", "matrix-test-chat", "matrix-test-copy"];
/// The postgres services that come of them.
pub(super) const SERVICES: [&str; 2] = ["matrix-test-db", "matrix-test-b-db"];
/// The apps that give a server its name, which begins the name of its folder.
pub(super) const SERVERS: [&str; 2] = ["matrix-test", "matrix-test-b"];

const FIRST: &str = SERVERS[0];
const SECOND: &str = SERVERS[1];
const RENAMED: &str = APPS[1];
const CHAT: &str = APPS[3];
const COPY: &str = APPS[4];

const PASSWORD: &str = r#"it's a "pass" wörd"#;
/// MiB.
const LARGE: usize = 40;

struct Life<'a, P> {
    place: &'a P,
    domain: String,
}

pub(super) fn play(place: &impl Place) {
    let global = place.global_domain();
    let of = Life { place, domain: format!("{FIRST}.{global}") };
    let email = format!("admin@{global}");
    of.created(&format!(
        "matrix:create {FIRST} --email {email} --support-email {email} --element {CHAT}"
    ));
    of.serves(&global);
    let alice = Person::new(place, &of.domain, "alice", PASSWORD);
    let said = alice.says("before everything");
    let upload = alice.uploads(LARGE).1.unwrap();
    let remembers = || {
        alice.still_reads(&said);
        alice.still_has(&upload, LARGE);
    };
    of.only_one_main();
    remembers();
    of.renamed();
    of.two_servers(&global, &email);
    of.gone_and_back(&said);
    remembers();
    of.gone();
}

impl<P: Place> Life<'_, P> {
    fn list(&self) -> Vec<String> {
        self.place.ok("--quiet matrix:list").stdout.lines().map(str::to_owned).collect()
    }

    /// The homeserver of this domain answers clients and, on both ports, other servers.
    fn answers(&self, domain: &str) {
        let clients = format!("https://{domain}/_matrix/client/versions");
        assert!(self.found(&clients)["versions"].is_array());
        for port in ["", ":8448"] {
            let url = format!("https://{domain}{port}/_matrix/federation/v1/version");
            assert_eq!(self.found(&url)["server"]["name"], "Synapse");
        }
    }

    /// The status and the answer.
    fn get(&self, url: &str) -> (String, Value) {
        let mut curl = self.place.curl();
        let output =
            curl.args(["--silent", "--max-time", "30", "--write-out", "\n%{http_code}", url]);
        let output = String::from_utf8(output.output().unwrap().stdout).unwrap();
        let (answer, status) = output.rsplit_once('\n').unwrap();
        (status.to_owned(), serde_json::from_str(answer).unwrap_or_default())
    }

    /// What is served there; nginx takes a new configuration up a moment after it was told to.
    fn found(&self, url: &str) -> Value {
        let mut tries = (0..20).map(|_| self.get(url)).inspect(|(status, _)| {
            if status != "200" {
                sleep(Duration::from_millis(200));
            }
        });
        let found = tries.find(|(status, _)| status == "200");
        found.unwrap_or_else(|| panic!("{url}: {:?}", self.get(url))).1
    }

    /// One process runs on the first server's data, as dokku's user, and it answers.
    fn unharmed(&self, app: &str) {
        let folder = self.place.folder(FIRST);
        let on = format!("ps --quiet --no-trunc --filter volume={folder}/config");
        assert_eq!(self.place.by_docker(&on), self.place.inspected(app, "{{.Id}}"));
        let owner = self.place.by_root(&format!("stat --format %u {folder}"));
        assert_ne!(owner, "0");
        assert_eq!(self.mains(), [owner]);
        assert_eq!(self.place.report(app, "running"), "true");
        self.answers(&self.domain);
    }

    /// The users of all processes of Synapse that see the first server's data, whatever Docker knows.
    fn mains(&self) -> Vec<String> {
        // The root of a mount need not be that of the host.
        let data = format!("/data/matrix/{}/data ", self.domain);
        let script = format!(
            "for process in /proc/[0-9]*; do
               grep -qs synapse.app.homeserver $process/cmdline || continue
               ! grep -qsF '{data}' $process/mountinfo || stat --format %u $process
             done"
        );
        let mut shell = self.place.root("sh");
        shell.args(["-c", &script]);
        printed(&script, &fed(shell, b"")).lines().map(str::to_owned).collect()
    }

    fn created(&self, line: &str) {
        self.place.ok(&format!("{line} --dry-run"));
        assert_eq!(self.list(), [""; 0]);
        self.place.ok(line);
        let again = self.place.ok(line).stdout;
        assert!(again.contains("is ready; nothing had to be changed"), "{again}");
        let register = format!("matrix:register-user {FIRST} alice --admin");
        for code in [0, 1] {
            let ran = self.place.dokku(&register, &format!("{PASSWORD}\n"));
            assert_eq!(ran.code, Some(code), "{ran:#?}");
        }
        assert_eq!(self.list(), [FIRST]);
    }

    fn serves(&self, global: &str) {
        let domain = &self.domain;
        self.unharmed(FIRST);
        let well_known =
            |name: &str| self.found(&format!("https://{domain}/.well-known/matrix/{name}"));
        assert_eq!(well_known("server")["m.server"], format!("{domain}:443"));
        assert_eq!(well_known("client")["m.homeserver"]["base_url"], format!("https://{domain}"));
        assert_eq!(
            well_known("support")["contacts"][0]["email_address"],
            format!("admin@{global}")
        );
        let (status, _) = self.get(&format!("https://{domain}/_synapse/admin/v1/server_version"));
        assert_eq!(status, "404");
        let config = self.found(&format!("https://{CHAT}.{global}/config.json"));
        let base = &config["default_server_config"]["m.homeserver"]["base_url"];
        assert_eq!(*base, format!("https://{domain}"));
    }

    /// Whatever would start a second process on the data does not, and stops nothing.
    fn only_one_main(&self) {
        for scale in ["web=2", "worker=1"] {
            self.place.refused(&format!("ps:scale {FIRST} {scale}"), "must have one web process");
            self.unharmed(FIRST);
        }
        self.place
            .refused(&format!("apps:clone {FIRST} {COPY}"), "is a clone of a homeserver's app");
        self.place.ok(&format!("--force apps:destroy {COPY}"));
        self.unharmed(FIRST);
        for line in ["ps:rebuild", "ps:restart"] {
            self.place.ok(&format!("{line} {FIRST}"));
            self.place.ok(&format!("matrix:deploy {FIRST}"));
            self.unharmed(FIRST);
        }
        // The host goes down and comes up, as far as this app is concerned.
        let id = self.place.inspected(FIRST, "{{.Id}}");
        self.place.by_docker(&format!("stop {id}"));
        assert_eq!(self.mains(), [""; 0]);
        self.place.ok(&format!("ps:restore {FIRST}"));
        self.place.ok(&format!("matrix:deploy {FIRST}"));
        self.unharmed(FIRST);
    }

    fn renamed(&self) {
        self.place.ok(&format!("apps:rename {FIRST} {RENAMED}"));
        self.unharmed(RENAMED);
        assert_eq!(self.list(), [RENAMED]);
        assert_eq!(self.place.report(RENAMED, "domain"), self.domain);
        let certificates = self.place.ok("letsencrypt:list").stdout;
        assert!(certificates.lines().any(|line| line.starts_with(&format!("{RENAMED} "))));
    }

    /// Each has its port 8448; destroying the first passes its default there on.
    fn two_servers(&self, global: &str, email: &str) {
        self.place.ok(&format!("matrix:create {SECOND} --email {email}"));
        assert_eq!(self.list(), [SECOND, RENAMED]);
        self.unharmed(RENAMED);
        let other = format!("{SECOND}.{global}");
        self.answers(&other);
        let passed = self.place.ok(&format!("--force apps:destroy {RENAMED}")).stdout;
        let said = format!("{other} is the default homeserver on port 8448 now");
        assert!(passed.contains(&said), "{passed}");
        self.place.ok("nginx:validate-config");
        self.answers(&other);
        assert_eq!(self.list(), [SECOND]);
    }

    /// The destroyed one takes up what it left: name, key, users, and what they have said.
    fn gone_and_back(&self, said: &Said) {
        self.place.ok(&format!("matrix:create {FIRST} --server-name {}", self.domain));
        self.unharmed(FIRST);
        Person::new(self.place, &self.domain, "alice", PASSWORD).still_reads(said);
    }

    fn gone(&self) {
        self.place.ok(&format!("matrix:disable-element {FIRST}"));
        assert_eq!(self.place.report(FIRST, "element-app"), "");
        for app in SERVERS {
            self.place.ok(&format!("--force apps:destroy {app}"));
        }
        assert_eq!(self.list(), [""; 0]);
    }
}
