//! What is typed, and what has to come of it.

use super::{Place, User};
use crate::plugin_copy::Ran;
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

struct Scenario<'a, P> {
    place: &'a P,
    domain: String,
}

pub(super) fn play(place: &impl Place) {
    let global = place.global_domain();
    let on = Scenario { place, domain: format!("{FIRST}.{global}") };
    let email = format!("admin@{global}");
    on.created(&format!(
        "matrix:create {FIRST} --email {email} --support-email {email} --element {CHAT}"
    ));
    on.serves(&global);
    on.only_one_main();
    on.renamed();
    on.two_servers(&global, &email);
    on.gone_and_back();
}

impl<P: Place> Scenario<'_, P> {
    /// Ends with 0, or with 3 where the names are in no DNS.
    fn ok(&self, line: &str) -> Ran {
        let ran = self.place.dokku(line, "");
        assert!(matches!(ran.code, Some(0 | 3)), "{line}: {ran:#?}");
        ran
    }

    /// Is refused with these words.
    fn refused(&self, line: &str, why: &str) {
        let ran = self.place.dokku(line, "");
        assert_eq!(ran.code, Some(1), "{line}: {ran:#?}");
        assert!(ran.stdout.contains(why) || ran.stderr.contains(why), "{line}: {ran:#?}");
    }

    fn report(&self, app: &str, flag: &str) -> String {
        self.ok(&format!("matrix:report {app} --matrix-{flag}")).stdout.trim_end().to_owned()
    }

    fn list(&self) -> Vec<String> {
        self.ok("--quiet matrix:list").stdout.lines().map(str::to_owned).collect()
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

    /// One process runs on the first server's data, and it answers.
    fn unharmed(&self, app: &str) {
        assert_eq!(self.place.mains(&self.domain), 1);
        assert_eq!(self.report(app, "running"), "true");
        self.answers(&self.domain);
    }

    fn at_home(&self) {
        let user = User { domain: &self.domain, name: "alice", password: PASSWORD };
        self.place.is_at_home(&user);
    }

    fn created(&self, line: &str) {
        self.ok(&format!("{line} --dry-run"));
        assert_eq!(self.list(), [""; 0]);
        self.ok(line);
        let again = self.ok(line).stdout;
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
        self.at_home();
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
            self.refused(&format!("ps:scale {FIRST} {scale}"), "must have one web process");
            self.unharmed(FIRST);
        }
        self.refused(&format!("apps:clone {FIRST} {COPY}"), "is a clone of a homeserver's app");
        self.ok(&format!("--force apps:destroy {COPY}"));
        self.unharmed(FIRST);
        self.ok(&format!("ps:rebuild {FIRST}"));
        self.unharmed(FIRST);
        self.place.reboot(FIRST);
        self.ok(&format!("matrix:deploy {FIRST}"));
        self.unharmed(FIRST);
    }

    fn renamed(&self) {
        self.ok(&format!("apps:rename {FIRST} {RENAMED}"));
        self.unharmed(RENAMED);
        assert_eq!(self.list(), [RENAMED]);
        assert_eq!(self.report(RENAMED, "domain"), self.domain);
        let certificates = self.ok("letsencrypt:list").stdout;
        assert!(certificates.lines().any(|line| line.starts_with(&format!("{RENAMED} "))));
    }

    /// Each has its port 8448; destroying the first passes its default there on.
    fn two_servers(&self, global: &str, email: &str) {
        self.ok(&format!("matrix:create {SECOND} --email {email}"));
        assert_eq!(self.list(), [SECOND, RENAMED]);
        self.unharmed(RENAMED);
        let other = format!("{SECOND}.{global}");
        self.answers(&other);
        let passed = self.ok(&format!("--force apps:destroy {RENAMED}")).stdout;
        let said = format!("{other} is the default homeserver on port 8448 now");
        assert!(passed.contains(&said), "{passed}");
        self.ok("nginx:validate-config");
        self.answers(&other);
        assert_eq!(self.list(), [SECOND]);
    }

    /// The destroyed one takes up what it left: name, key, users.
    fn gone_and_back(&self) {
        self.ok(&format!("matrix:create {FIRST} --server-name {}", self.domain));
        self.unharmed(FIRST);
        self.at_home();
        self.ok(&format!("matrix:disable-element {FIRST}"));
        assert_eq!(self.report(FIRST, "element-app"), "");
        for app in SERVERS {
            self.ok(&format!("--force apps:destroy {app}"));
        }
        assert_eq!(self.list(), [""; 0]);
    }
}
