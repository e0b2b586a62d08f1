//! What an administrator hopes never to see. Nothing of it costs anybody a message, or the server its
//! name; and `matrix:deploy` is what to type.

use super::life::{SERVERS, SERVICES};
use super::person::{Person, Said};
use super::{Place, Steps};
use std::collections::BTreeSet;
use std::thread::{panicking, sleep};
use std::time::{Duration, Instant};

const APP: &str = SERVERS[0];
const SERVICE: &str = SERVICES[0];
const PASSWORD: &str = "battery staple";
const NEW_PASSWORD: &str = "0123456789abcdef0123456789abcdef";

struct Days<'a, P> {
    place: &'a P,
    dave: Person<'a, P>,
    said: Said,
    keys: String,
}

pub(super) fn play(place: &impl Place) {
    let domain = format!("{APP}.{}", place.global_domain());
    place.ok(&format!("matrix:create {APP} --email admin@{}", place.global_domain()));
    place.registered(APP, "dave", PASSWORD);
    let dave = Person::new(place, &domain, "dave", PASSWORD);
    let said = dave.says("before the bad days");
    let keys = keys(&dave);
    let days = Days { place, dave, said, keys };
    days.database_away_for_a_while();
    days.database_made_anew();
    days.synapse_killed();
    days.signing_key_lost();
    days.it_ends_again_and_again();
    days.password_changed();
    days.disk_full();
    place.ok(&format!("--force apps:destroy {APP}"));
    place.ok(&format!("postgres:destroy {SERVICE} --force"));
}

/// The keys that the server proves itself with.
fn keys<P: Place>(person: &Person<'_, P>) -> String {
    person.get("/_matrix/key/v2/server")["verify_keys"].to_string()
}

impl<P: Place> Days<'_, P> {
    fn deploy(&self) {
        self.place.ok(&format!("matrix:deploy {APP}"));
        self.all_is_well();
    }

    /// It answers by itself, after a while at the most; nothing is lost, and it is the same server.
    fn all_is_well(&self) {
        self.until("it does not come back", |status| status == 200);
        self.dave.still_reads(&self.said);
        self.dave.says_in(&self.said.room, "and on it goes");
        assert_eq!(keys(&self.dave), self.keys);
    }

    fn does_not_answer(&self) {
        self.until("it still answers", |status| status >= 500);
    }

    /// Asks for what only the database knows, until the answer is as it should be.
    fn until(&self, otherwise: &str, right: impl Fn(u16) -> bool) {
        let room = format!("/_matrix/client/v3/rooms/{}/messages?dir=b", self.said.room);
        let since = Instant::now();
        loop {
            let (status, body) = self.dave.ask("GET", &room, b"", "");
            if right(status) {
                return;
            }
            let body = String::from_utf8_lossy(&body);
            assert!(since.elapsed() < Duration::from_secs(60), "{otherwise}: {status} {body}");
            sleep(Duration::from_millis(200));
        }
    }

    /// The same container goes and comes: Synapse finds it by itself.
    fn database_away_for_a_while(&self) {
        self.place.by_docker(&format!("stop dokku.postgres.{SERVICE}"));
        self.does_not_answer();
        self.place.by_docker(&format!("start dokku.postgres.{SERVICE}"));
        self.all_is_well();
    }

    /// The link is to the old container, and dead until the app's is made anew: Docker would not start
    /// it again. Synapse may find the new one all the same, for it may have the old one's address.
    fn database_made_anew(&self) {
        self.place.ok(&format!("postgres:stop {SERVICE}"));
        self.place.ok(&format!("postgres:start {SERVICE}"));
        let told = self.place.ok(&format!("matrix:deploy {APP} --dry-run")).stdout;
        assert!(told.contains(&format!("dokku ps:restart {APP}")), "{told}");
        let before = self.place.inspected(APP, "{{.Id}}");
        self.deploy();
        assert_ne!(self.place.inspected(APP, "{{.Id}}"), before);
    }

    /// Docker starts it again.
    fn synapse_killed(&self) {
        let pid = self.place.inspected(APP, "{{.State.Pid}}");
        self.place.by_root(&format!("kill -KILL {pid}"));
        self.all_is_well();
        assert_ne!(self.place.inspected(APP, "{{.State.Pid}}"), pid);
    }

    /// Nothing makes a new key: not the plugin, not Dokku's own ways, not Synapse itself.
    fn signing_key_lost(&self) {
        let key = format!("{}/config/secrets/signing.key", self.place.folder(APP));
        self.place.by_root(&format!("mv {key} {key}.aside"));
        for line in ["matrix:deploy", "matrix:create", "ps:rebuild", "ps:restart"] {
            self.place.refused(&format!("{line} {APP}"), "is missing");
            // The server that runs has read it, and runs on.
            self.all_is_well();
        }
        let pid = self.place.inspected(APP, "{{.State.Pid}}");
        self.place.by_root(&format!("kill -KILL {pid}"));
        self.does_not_answer();
        // It tries again and again, and each time the folder is read-only.
        let (tries, since) = (|| self.place.inspected(APP, "{{.RestartCount}}"), Instant::now());
        let mut seen = BTreeSet::from([tries()]);
        while seen.len() < 3 {
            assert!(since.elapsed() < Duration::from_secs(60), "it does not try: {seen:?}");
            sleep(Duration::from_millis(200));
            seen.insert(tries());
        }
        self.does_not_answer();
        let there = self.place.by_root(&format!("ls {}/config/secrets", self.place.folder(APP)));
        assert!(!there.lines().any(|name| name == "signing.key"), "{there}");
        self.place.by_root(&format!("mv {key}.aside {key}"));
        self.deploy();
    }

    /// Synapse accepts the configuration, and ends when it is started with it. Dokku's deploy succeeds,
    /// for it does not look; the plugin does, and does not wait for long.
    fn it_ends_again_and_again(&self) {
        let place = self.place;
        let (folder, since) = (place.folder(APP), Instant::now());
        let (local, aside) = (
            format!("{folder}/config/homeserver.d/90-local.yaml"),
            format!("{folder}/local.aside"),
        );
        place.by_root(&format!("cp {local} {aside}"));
        let mut tee = place.root("tee");
        tee.args(["--append", &local]);
        super::fed(tee, b"\nlog_config: /config/nowhere.config\n");
        for _ in 0..2 {
            place.refused(&format!("matrix:deploy {APP}"), "it ends again and again");
            // There is the one container, whatever Docker calls it.
            place.inspected(APP, "{{.Name}}");
        }
        assert!(since.elapsed() < Duration::from_secs(300), "{:?}", since.elapsed());
        self.does_not_answer();
        place.by_root(&format!("cp {aside} {local}"));
        place.by_root(&format!("rm {aside}"));
        self.deploy();
        // Where Docker has started it before the deploy looked, nothing was made anew.
        place.ok(&format!("ps:restart {APP}"));
        self.all_is_well();
        // It took over a name that one before it had in the pause.
        assert_eq!(place.inspected(APP, "{{.Name}}"), format!("/{APP}.web.1"));
    }

    /// The generated file follows the link.
    fn password_changed(&self) {
        let (place, file) =
            (self.place, format!("{}/services/postgres/{SERVICE}", self.place.lib()));
        place.ok(&format!("postgres:unlink {SERVICE} {APP} --no-restart"));
        let sql = format!("ALTER USER postgres PASSWORD '{NEW_PASSWORD}';");
        let ran = place.dokku(&format!("postgres:connect {SERVICE}"), &sql);
        assert!(ran.stdout.contains("ALTER ROLE"), "{ran:#?}");
        let mut tee = place.root("tee");
        tee.arg(format!("{file}/PASSWORD"));
        super::fed(tee, NEW_PASSWORD.as_bytes());
        place.ok(&format!("postgres:link {SERVICE} {APP} --no-restart"));
        self.deploy();
        let config = format!("{}/config/homeserver.d/20-database.yaml", place.folder(APP));
        assert!(place.by_root(&format!("cat {config}")).contains(NEW_PASSWORD));
    }

    /// An upload fails, and nothing else.
    fn disk_full(&self) {
        let data = format!("{}/data", self.place.folder(APP));
        let owner = self.place.by_root(&format!("stat --format uid=%u,gid=%g {data}"));
        let full = Full::new(self.place, data, &owner);
        self.place.ok(&format!("ps:restart {APP}"));
        self.deploy();
        assert!(self.dave.uploads(5).0 >= 500);
        self.all_is_well();
        drop(full);
        self.place.ok(&format!("ps:restart {APP}"));
        self.deploy();
        let (status, upload) = self.dave.uploads(5);
        assert_eq!(status, 200);
        self.dave.still_has(&upload.unwrap(), 5);
    }
}

/// A disk with little room over a folder, also gone when the test has failed.
struct Full<'a, P: Place> {
    place: &'a P,
    folder: String,
}

impl<'a, P: Place> Full<'a, P> {
    fn new(place: &'a P, folder: String, owner: &str) -> Self {
        place.by_root(&format!("mount -t tmpfs -o size=2m,mode=0700,{owner} tmpfs {folder}"));
        Self { place, folder }
    }
}

impl<P: Place> Drop for Full<'_, P> {
    fn drop(&mut self) {
        let mut umount = self.place.root("umount");
        let ran = umount.args(["--lazy", &self.folder]).output();
        let gone = ran.as_ref().is_ok_and(|ran| ran.status.success());
        // A second panic would end all tests, and tell of none.
        assert!(gone || panicking(), "{ran:?}");
    }
}
