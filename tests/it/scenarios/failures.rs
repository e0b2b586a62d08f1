//! Failures of a running homeserver. None of them may lose a message or the server's identity, and
//! `matrix:deploy` recovers from each.

use super::lifecycle::{SERVERS, SERVICES};
use super::user::{Message, User};
use super::{Host, HostExt};
use std::collections::BTreeSet;
use std::thread::{panicking, sleep};
use std::time::{Duration, Instant};

const APP: &str = SERVERS[0];
const SERVICE: &str = SERVICES[0];
const PASSWORD: &str = "battery staple";
const NEW_PASSWORD: &str = "0123456789abcdef0123456789abcdef";

struct Failures<'a, H> {
    host: &'a H,
    dave: User<'a, H>,
    message: Message,
    keys: String,
}

pub(super) fn run(host: &impl Host) {
    let domain = format!("{APP}.{}", host.global_domain());
    host.ok(&format!("matrix:create {APP} --email admin@{}", host.global_domain()));
    host.register(APP, "dave", PASSWORD);
    let dave = User::new(host, &domain, "dave", PASSWORD);
    let message = dave.send_in_new_room("before the failures");
    let keys = keys(&dave);
    let failures = Failures { host, dave, message, keys };
    failures.database_restarted();
    failures.database_recreated();
    failures.synapse_killed();
    failures.signing_key_lost();
    failures.registration_secret_lost();
    failures.bridge_changed();
    failures.settings_refused();
    failures.crash_loop();
    failures.password_changed();
    failures.disk_full();
    host.ok(&format!("--force apps:destroy {APP}"));
    host.ok(&format!("postgres:destroy {SERVICE} --force"));
}

/// The public keys of the server.
fn keys<P: Host>(user: &User<'_, P>) -> String {
    user.get("/_matrix/key/v2/server")["verify_keys"].to_string()
}

impl<H: Host> Failures<'_, H> {
    fn deploy(&self) {
        self.host.ok(&format!("matrix:deploy {APP}"));
        self.assert_recovers();
    }

    /// Checks that the server answers again after a while, has lost nothing, and has the same keys.
    fn assert_recovers(&self) {
        self.wait_for_status("Synapse is not available again", |status| status == 200);
        self.dave.assert_has_message(&self.message);
        self.dave.send(&self.message.room, "after the recovery");
        assert_eq!(keys(&self.dave), self.keys);
    }

    fn assert_unavailable(&self) {
        self.wait_for_status("Synapse is still available", |status| status >= 500);
    }

    /// Repeats a request that needs the database until its status is as expected.
    fn wait_for_status(&self, error: &str, expected: impl Fn(u16) -> bool) {
        let room = format!("/_matrix/client/v3/rooms/{}/messages?dir=b", self.message.room);
        let start = Instant::now();
        loop {
            let (status, body) = self.dave.request("GET", &room, b"", "");
            if expected(status) {
                return;
            }
            let body = String::from_utf8_lossy(&body);
            assert!(start.elapsed() < Duration::from_secs(300), "{error}: {status} {body}");
            sleep(Duration::from_millis(200));
        }
    }

    /// The database's container is stopped and started: Synapse reconnects by itself.
    fn database_restarted(&self) {
        self.host.docker_ok(&format!("stop dokku.postgres.{SERVICE}"));
        self.assert_unavailable();
        self.host.docker_ok(&format!("start dokku.postgres.{SERVICE}"));
        self.assert_recovers();
    }

    /// The app's container is linked to the old database container, and Docker could not restart it:
    /// it must be recreated. Synapse may still reach the new one, which may have the old one's address.
    fn database_recreated(&self) {
        self.host.ok(&format!("postgres:stop {SERVICE}"));
        self.host.ok(&format!("postgres:start {SERVICE}"));
        let stdout = self.host.ok(&format!("matrix:deploy {APP} --dry-run")).stdout;
        assert!(stdout.contains(&format!("dokku ps:restart {APP}")), "{stdout}");
        let before = self.host.inspect(APP, "{{.Id}}");
        self.deploy();
        assert_ne!(self.host.inspect(APP, "{{.Id}}"), before);
    }

    /// Docker restarts it.
    fn synapse_killed(&self) {
        let pid = self.host.inspect(APP, "{{.State.Pid}}");
        self.host.root_ok(&format!("kill -KILL {pid}"));
        self.assert_recovers();
        assert_ne!(self.host.inspect(APP, "{{.State.Pid}}"), pid);
    }

    /// Nothing generates a new key: neither the plugin, nor Dokku's commands, nor Synapse itself.
    fn signing_key_lost(&self) {
        let key = format!("{}/config/secrets/signing.key", self.host.directory(APP));
        self.host.root_ok(&format!("mv {key} {key}.aside"));
        for line in ["matrix:deploy", "matrix:create", "ps:rebuild", "ps:restart"] {
            self.host.fails(&format!("{line} {APP}"), "is missing");
            // The running server has read the key already.
            self.assert_recovers();
        }
        let pid = self.host.inspect(APP, "{{.State.Pid}}");
        self.host.root_ok(&format!("kill -KILL {pid}"));
        self.assert_unavailable();
        // Docker restarts it several times, and each time Synapse finds a read-only directory.
        let (restarts, start) = (|| self.host.inspect(APP, "{{.RestartCount}}"), Instant::now());
        let mut seen = BTreeSet::from([restarts()]);
        while seen.len() < 3 {
            assert!(start.elapsed() < Duration::from_secs(300), "it is not restarted: {seen:?}");
            sleep(Duration::from_millis(200));
            seen.insert(restarts());
        }
        self.assert_unavailable();
        let files = self.host.root_ok(&format!("ls {}/config/secrets", self.host.directory(APP)));
        assert!(!files.lines().any(|name| name == "signing.key"), "{files}");
        self.host.root_ok(&format!("mv {key}.aside {key}"));
        self.deploy();
    }

    /// What the validation finds stops no server.
    fn settings_refused(&self) {
        let local = format!("{}/config/homeserver.d/90-local.yaml", self.host.directory(APP));
        let before = self.host.inspect(APP, "{{.Id}}");
        self.host.root_ok(&format!("cp {local} {local}.aside"));
        for (setting, why) in [
            (
                "database: {name: sqlite3, args: {database: /data/homeserver.db}}",
                "line 1, database",
            ),
            ("listeners: [{type: metrics, port: 9000}]", "no listener of type http is there"),
            ("server_name: other.test", "can never be changed"),
            ("app_service_config_files: [/data/x.yaml]", "there is no file /data/x.yaml"),
            ("max_upload_size: lots", "invalid literal for int()"),
        ] {
            let mut tee = self.host.root("tee");
            tee.arg(&local);
            super::run_command(tee, format!("{setting}\n").as_bytes());
            for line in ["matrix:deploy", "ps:restart"] {
                self.host.fails(&format!("{line} {APP}"), why);
            }
            self.assert_recovers();
        }
        assert_eq!(self.host.inspect(APP, "{{.Id}}"), before);
        // Copied, so that the owner stays.
        self.host.root_ok(&format!("cp {local}.aside {local}"));
        self.host.root_ok(&format!("rm {local}.aside"));
        self.deploy();
    }

    /// The configuration is valid, but Synapse crashes with it. Dokku's deploy succeeds because it does
    /// not check; the plugin detects the crash loop well before its timeout.
    fn crash_loop(&self) {
        let host = self.host;
        let (directory, start) = (host.directory(APP), Instant::now());
        let (local, aside) = (
            format!("{directory}/config/homeserver.d/90-local.yaml"),
            format!("{directory}/local.aside"),
        );
        host.root_ok(&format!("cp {local} {aside}"));
        let mut tee = host.root("tee");
        tee.args(["--append", &local]);
        // A class that is no module: its constructor, which only a start calls, fails.
        super::run_command(tee, b"\nmodules: [{module: pathlib.Path, config: {}}]\n");
        for _ in 0..2 {
            host.fails(&format!("matrix:deploy {APP}"), "it ends again and again");
            // There is only one container, whatever its name.
            host.inspect(APP, "{{.Name}}");
        }
        assert!(start.elapsed() < Duration::from_secs(600), "{:?}", start.elapsed());
        self.assert_unavailable();
        host.root_ok(&format!("cp {aside} {local}"));
        host.root_ok(&format!("rm {aside}"));
        self.deploy();
        // If Docker has restarted the container before the deploy looked, it was not recreated.
        host.ok(&format!("ps:restart {APP}"));
        self.assert_recovers();
        // Its name is free again: the old container had it during Docker's restart back-off.
        assert_eq!(host.inspect(APP, "{{.Name}}"), format!("/{APP}.web.1"));
    }

    /// Synapse learns of the new one: it reads the file only when it starts.
    fn registration_secret_lost(&self) {
        let secret =
            format!("{}/config/secrets/registration_shared_secret", self.host.directory(APP));
        self.host.root_ok(&format!("rm {secret}"));
        self.deploy();
        self.host.register(APP, "erin", PASSWORD);
        let id = self.host.inspect(APP, "{{.Id}}");
        self.deploy();
        assert_eq!(self.host.inspect(APP, "{{.Id}}"), id, "nothing changed since");
    }

    /// The registration of a bridge, which the configuration names, gets another token.
    fn bridge_changed(&self) {
        const LOCAL: &str = "config/homeserver.d/90-local.yaml";
        let (host, directory) = (self.host, self.host.directory(APP));
        let write = |path: &str, text: &str| {
            let mut tee = host.root("tee");
            tee.arg(format!("{directory}/{path}"));
            assert_eq!(super::run_command(tee, text.as_bytes()).code, Some(0));
        };
        let registration = |token: &str| {
            format!(
                "id: bridge\nurl: null\nas_token: {token}\nhs_token: other\nsender_localpart: bridge\n\
                 rate_limited: false\nnamespaces: {{}}\n"
            )
        };
        let whoami = |token: &str| {
            let user = self.dave.with_token(token);
            user.request("GET", "/_matrix/client/v3/account/whoami", b"", "").0
        };
        let before = host.root_ok(&format!("cat {directory}/{LOCAL}"));
        write("data/bridge.yaml", &registration("first"));
        write(LOCAL, "app_service_config_files: [/data/bridge.yaml]\n");
        self.deploy();
        assert_eq!((whoami("first"), whoami("second")), (200, 401));
        write("data/bridge.yaml", &registration("second"));
        self.deploy();
        assert_eq!((whoami("first"), whoami("second")), (401, 200));
        write(LOCAL, &format!("{before}\n"));
        host.root_ok(&format!("rm {directory}/data/bridge.yaml"));
        self.deploy();
        assert_eq!(whoami("second"), 401);
    }

    /// The generated configuration follows the link to the service.
    fn password_changed(&self) {
        let (host, file) = (self.host, format!("{}/services/postgres/{SERVICE}", self.host.lib()));
        host.ok(&format!("postgres:unlink {SERVICE} {APP} --no-restart"));
        let sql = format!("ALTER USER postgres PASSWORD '{NEW_PASSWORD}';");
        let output = host.dokku(&format!("postgres:connect {SERVICE}"), &sql);
        assert!(output.stdout.contains("ALTER ROLE"), "{output:#?}");
        let mut tee = host.root("tee");
        tee.arg(format!("{file}/PASSWORD"));
        super::run_command(tee, NEW_PASSWORD.as_bytes());
        host.ok(&format!("postgres:link {SERVICE} {APP} --no-restart"));
        self.deploy();
        let config = format!("{}/config/homeserver.d/20-database.yaml", host.directory(APP));
        assert!(host.root_ok(&format!("cat {config}")).contains(NEW_PASSWORD));
    }

    /// Only an upload fails.
    fn disk_full(&self) {
        let data = format!("{}/data", self.host.directory(APP));
        let owner = self.host.root_ok(&format!("stat --format uid=%u,gid=%g {data}"));
        let full = FullDisk::new(self.host, data, &owner);
        self.host.ok(&format!("ps:restart {APP}"));
        self.deploy();
        assert!(self.dave.upload(5).0 >= 500);
        self.assert_recovers();
        drop(full);
        self.host.ok(&format!("ps:restart {APP}"));
        self.deploy();
        let (status, upload) = self.dave.upload(5);
        assert_eq!(status, 200);
        self.dave.assert_has_upload(&upload.unwrap(), 5);
    }
}

/// A small file system mounted over a directory. It is unmounted even if the test fails.
struct FullDisk<'a, H: Host> {
    host: &'a H,
    directory: String,
}

impl<'a, H: Host> FullDisk<'a, H> {
    fn new(host: &'a H, directory: String, owner: &str) -> Self {
        host.root_ok(&format!("mount -t tmpfs -o size=2m,mode=0700,{owner} tmpfs {directory}"));
        Self { host, directory }
    }
}

impl<H: Host> Drop for FullDisk<'_, H> {
    fn drop(&mut self) {
        let mut umount = self.host.root("umount");
        let output = umount.args(["--lazy", &self.directory]).output();
        let unmounted = output.as_ref().is_ok_and(|output| output.status.success());
        // A panic while panicking would abort all tests without a report.
        assert!(unmounted || panicking(), "{output:?}");
    }
}
