//! Hosts that do not meet the requirements: the preflight says what is missing and which command
//! fixes it, and changes nothing.

use super::harness::{TestHost, in_parallel};
use std::fs;

/// A name, what prepares the host, the command, its exit code, and the error without Dokku's
/// prefix.
type Case = (&'static str, fn(&TestHost), &'static str, i32, &'static str);

const CREATE: &str = "matrix:create matrix --email a@site.test";

const WRONG_DATABASE_HELP: &str =
    "Nothing was changed. Either name a service that does not exist yet:
  dokku matrix:create matrix --email a@site.test --service <name>
or create a right database in db, link it, and point the app to it:
  dokku postgres:enter db psql -U postgres -c \"CREATE DATABASE synapse TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'\"
  dokku apps:create matrix
  dokku postgres:link db matrix --no-restart
  dokku config:set --no-restart matrix DATABASE_URL=<the same with /synapse instead of /db>
  dokku matrix:create matrix --email a@site.test --service db";

const MISSING_DATABASE_HELP: &str =
    "Nothing was changed. Either name a service that does not exist yet:
  dokku matrix:create matrix --email a@site.test --service <name>
or create the database:
  dokku postgres:enter db psql -U postgres -c \"CREATE DATABASE db TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'\"
  dokku matrix:create matrix --email a@site.test --service db";

const CASES: &[Case] = &[
    (
        "Dokku is too old",
        |host| host.scene.update(|state| state.version = "0.38.21".into()).unwrap(),
        CREATE,
        1,
        "Dokku 0.38.21 is too old; 0.38.22 or newer is needed
https://dokku.com/docs/getting-started/upgrading/",
    ),
    (
        "Dokku of the year before, by its file",
        |host| fs::write(host.lib("STABLE_VERSION"), "v0.37.10\n").unwrap(),
        CREATE,
        1,
        "Dokku 0.37.10 is too old; 0.38.22 or newer is needed
https://dokku.com/docs/getting-started/upgrading/",
    ),
    (
        "no postgres",
        |host| host.scene.disable_plugin("postgres").unwrap(),
        CREATE,
        1,
        "the plugin postgres is missing
sudo dokku plugin:install https://github.com/dokku/dokku-postgres.git --name postgres",
    ),
    (
        "no letsencrypt",
        |host| host.scene.disable_plugin("letsencrypt").unwrap(),
        CREATE,
        1,
        "the plugin letsencrypt is missing
sudo dokku plugin:install https://github.com/dokku/dokku-letsencrypt.git --name letsencrypt",
    ),
    (
        "letsencrypt is too old",
        |host| host.scene.enable_plugin("letsencrypt", "0.23.0", "x").unwrap(),
        CREATE,
        1,
        "dokku-letsencrypt 0.23.0 is too old; 0.24.0 or newer is needed
sudo dokku plugin:update letsencrypt",
    ),
    (
        "no global domain",
        |host| host.scene.update(|state| state.global_domains.clear()).unwrap(),
        CREATE,
        2,
        "matrix has no domain, for this host has no global one
dokku matrix:create matrix --email a@site.test --domain matrix.example.org
or, for all apps: dokku domains:set-global example.org",
    ),
    (
        "no global domain for Element",
        |host| host.scene.update(|state| state.global_domains.clear()).unwrap(),
        "matrix:create matrix --email a@site.test --domain matrix.site.test --element",
        2,
        "chat has no domain, for this host has no global one
dokku matrix:enable-element <homeserver> --app chat --domain chat.example.org",
    ),
    (
        "another proxy",
        |host| {
            host.setup(&["apps:create matrix"]);
            override_report(host, "proxy:report matrix", "--proxy-computed-type", "caddy");
        },
        CREATE,
        1,
        "the proxy of matrix is caddy; only nginx is supported
dokku proxy:set matrix nginx",
    ),
    (
        "another proxy for all that is new",
        |host| override_report(host, "proxy:report --global", "--proxy-computed-type", "caddy"),
        CREATE,
        1,
        "the proxy of matrix is caddy; only nginx is supported
dokku proxy:set --global nginx",
    ),
    (
        "another scheduler for all that is new",
        |host| {
            override_report(
                host,
                "scheduler:report --global",
                "--scheduler-computed-selected",
                "k3s",
            );
        },
        CREATE,
        1,
        "the scheduler of matrix is k3s; only docker-local is supported
dokku scheduler:set --global selected docker-local",
    ),
    (
        "another scheduler",
        |host| {
            host.setup(&["apps:create matrix"]);
            let directory = host.lib("config/scheduler/matrix");
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("selected"), "k3s").unwrap();
            override_report(
                host,
                "scheduler:report matrix",
                "--scheduler-computed-selected",
                "k3s",
            );
        },
        CREATE,
        1,
        "the scheduler of matrix is k3s; only docker-local is supported
dokku scheduler:set matrix selected docker-local",
    ),
    (
        "a certificate where TLS is to be off",
        |host| {
            host.setup(&["apps:create matrix"]);
            host.scene.give_certificate("matrix", &["matrix.site.test"]).unwrap();
        },
        "matrix:create matrix --tls off",
        1,
        "matrix has a certificate, so nginx sends everybody on to https
To go on without TLS: dokku certs:remove matrix",
    ),
    (
        "a certificate of Element where TLS is to be off",
        |host| {
            host.ok("matrix:create matrix --email a@site.test --element");
            host.setup(&["letsencrypt:disable matrix"]);
        },
        "matrix:create matrix --tls off",
        1,
        "chat has a certificate, so nginx sends everybody on to https
To go on without TLS: dokku letsencrypt:disable chat",
    ),
    (
        "a service with a wrong locale",
        |host| host.setup(&["postgres:create db"]),
        "matrix:create matrix --email a@site.test --service db",
        1,
        "the postgres service db has the database db with UTF8, en_US.utf8, en_US.utf8 instead of UTF8, C, C, which Synapse refuses",
    ),
    (
        "a service without a database",
        |host| host.setup(&["postgres:create db --custom-env LC_ALL=C"]),
        "matrix:create matrix --email a@site.test --service db",
        1,
        "the postgres service db has no database db, which Synapse refuses",
    ),
    (
        "an app that is linked to another service",
        |host| {
            host.setup(&[
                "apps:create matrix",
                "postgres:create db",
                "postgres:link db matrix --no-restart",
            ]);
        },
        CREATE,
        1,
        "matrix uses the postgres service db, not matrix-db
To go on with matrix-db: dokku postgres:unlink db matrix --no-restart
To go on with db: dokku matrix:create matrix --email a@site.test --service db",
    ),
    (
        "an app with a database elsewhere",
        |host| {
            host.setup(&[
                "apps:create matrix",
                "config:set --no-restart matrix DATABASE_URL=postgres://u:p@db.site.test/d",
            ]);
        },
        CREATE,
        1,
        "matrix has a DATABASE_URL, but matrix-db is not linked to it
dokku config:unset --no-restart matrix DATABASE_URL
dokku matrix:create matrix --email a@site.test",
    ),
    (
        "an app with another directory in the place of ours",
        |host| host.setup(&["apps:create matrix", "storage:mount matrix /srv/other:/data"]),
        CREATE,
        1,
        "matrix has /srv/other mounted at /data
dokku storage:unmount matrix /srv/other:/data",
    ),
    (
        "an app with a variable that breaks its image",
        |host| host.setup(&["apps:create matrix", "config:set --no-restart matrix UID=991"]),
        CREATE,
        1,
        "matrix has a variable UID, which breaks every build of Dokku
dokku config:unset --no-restart matrix UID",
    ),
    (
        "an app of Element with another file in the place of ours",
        |host| {
            host.setup(&["apps:create chat", "storage:mount chat /srv/other.json:/app/config.json"]);
        },
        "matrix:create matrix --tls off --element",
        1,
        "chat has /srv/other.json mounted at /app/config.json
dokku storage:unmount chat /srv/other.json:/app/config.json",
    ),
    (
        "a service with a table of somebody else",
        |host| tables(host, &["customers"]),
        CREATE,
        1,
        "the postgres service matrix-db holds tables that are not Synapse's: customers
Nothing was changed. Name a service that does not exist yet:
  dokku matrix:create matrix --email a@site.test --service <name>",
    ),
    (
        "a service with many tables of somebody else",
        |host| tables(host, &["a", "b", "shop.c", "d", "e", "f", "g"]),
        "matrix:create matrix --tls off --service matrix-db",
        1,
        "the postgres service matrix-db holds tables that are not Synapse's: a, b, d, e, f, and 2 more
Nothing was changed. Name a service that does not exist yet:
  dokku matrix:create matrix --tls off --service <name>",
    ),
    (
        "a certificate that would be requested without an address",
        |host| {
            host.setup(&["apps:create matrix"]);
            host.scene.give_certificate("matrix", &["*.site.test"]).unwrap();
        },
        "matrix:create matrix --no-8448",
        2,
        "letsencrypt needs an e-mail address
dokku matrix:create matrix --no-8448 --email you@example.org
To keep the certificate that it has: dokku matrix:create matrix --no-8448 --tls provided",
    ),
];

/// A service with a right database, in which somebody has made these tables.
fn tables(host: &TestHost, names: &[&str]) {
    const RIGHT: &str = "POSTGRES_INITDB_ARGS=--encoding=UTF8;LC_ALL=C";
    host.setup(&[&format!("postgres:create matrix-db --custom-env {RIGHT}")]);
    let names = names.iter().map(|&name| name.to_owned()).collect();
    host.scene
        .update(|state| state.services.get_mut("matrix-db").unwrap().other_tables = names)
        .unwrap();
}

/// A database with Synapse's tables is taken up, whatever else a bridge has put there.
#[test]
fn accepts_the_tables_of_synapse() {
    let host = TestHost::new();
    host.ok("matrix:create matrix --tls off");
    host.setup(&["--force apps:destroy matrix"]);
    host.scene
        .update(|state| {
            let service = state.services.get_mut("matrix-db").unwrap();
            service.tables = 170;
            service.other_tables = vec!["portal".to_owned()];
        })
        .unwrap();
    host.ok("matrix:create matrix --tls off");
}

/// The service was stopped, so its tables are only known once it runs: the app is not linked to it.
#[test]
fn refuses_tables_that_it_sees_late() {
    let host = TestHost::new();
    tables(&host, &["customers"]);
    host.setup(&["postgres:stop matrix-db"]);
    let output = host.dokku("matrix:create matrix --tls off");
    assert_eq!(output.code, Some(1), "{output:#?}");
    assert!(output.stderr.contains("that are not Synapse's: customers\n"), "{output:#?}");
    assert!(host.state().services["matrix-db"].links.is_empty());
    assert!(!host.file("config/secrets/signing.key").exists());
}

/// Replaces one value that `dokku` reports.
fn override_report(host: &TestHost, command: &str, flag: &str, answer: &str) {
    host.override_program(
        "dokku",
        &format!("[[ \"$1 $2\" == \"{command}\" && $3 == {flag} ]]"),
        &format!("echo {answer}; exit"),
    );
}

#[test]
fn names_what_is_missing() {
    in_parallel(&CASES.iter().map(|case| case.0).collect::<Vec<_>>(), |name| {
        let (_, before, line, code, expected) = CASES.iter().find(|case| case.0 == *name).unwrap();
        let host = TestHost::new();
        before(&host);
        let before_run = host.dump();
        host.changes();
        let output = host.dokku(line);
        let error = output.stderr.replace(" !     ", "");
        let mut expected = format!("{expected}\n");
        if expected.contains("has no database") {
            expected += &format!("{MISSING_DATABASE_HELP}\n");
        } else if expected.contains("Synapse refuses") {
            expected += &format!("{WRONG_DATABASE_HELP}\n");
        }
        assert_eq!((output.code, error), (Some(*code), expected), "{name}");
        assert_eq!(output.stdout, "", "{name}");
        assert_eq!(host.changes(), [""; 0], "{name}");
        assert_eq!(host.dump(), before_run, "{name}");
    });
}

/// The commands that the error suggests, typed as they are printed, solve the problem: for a service
/// with a wrong database, and for one without any.
#[test]
fn suggested_database_commands_work() {
    const PLACEHOLDER: &str = "<the same with /synapse instead of /db>";
    for (custom, count, database) in [("", 5, "synapse"), (" --custom-env LC_ALL=C", 2, "db")] {
        let host = TestHost::new();
        let create = format!("postgres:create db{custom}");
        host.setup(&["letsencrypt:set --global email a@site.test", &create]);
        let output = host.dokku("matrix:create matrix --service db");
        assert_eq!(output.code, Some(1));
        let hints = output.stderr.lines().filter_map(|line| line.strip_prefix(" !       dokku "));
        // The first one is the other way: another service.
        let hints: Vec<&str> = hints.skip(1).collect();
        assert_eq!(hints.len(), count, "{output:#?}");
        for hint in hints {
            let state = host.state();
            let url = state.apps.get("matrix").and_then(|app| app.config.get("DATABASE_URL"));
            let url = url.and_then(|url| url.strip_suffix("/db")).unwrap_or_default();
            let typed = hint.replace(PLACEHOLDER, &format!("{url}/synapse"));
            let output = host.shell(&format!("dokku {typed}"));
            assert!(matches!(output.status.code(), Some(0 | 3)), "{hint}: {output:#?}");
        }
        let yaml = host.read("config/homeserver.d/20-database.yaml");
        assert!(yaml.contains(&format!("\n    dbname: {database}\n")), "{yaml}");
        assert_eq!(host.state().running("matrix").count(), 1);
    }
}

/// A letsencrypt plugin that is too old for parallel requests, or that does not report its version.
#[test]
fn works_with_old_plugins() {
    for version in ["0.24.0", ""] {
        let host = TestHost::new().parallel_steps(3);
        host.scene.enable_plugin("letsencrypt", version, "x").unwrap();
        host.ok("matrix:create matrix --email a@site.test --element");
    }
}

/// Another service can be named until Synapse is configured with the first one.
#[test]
fn allows_another_service_before_the_first() {
    let host = TestHost::new();
    let fault = stand_in::Fault {
        argv_prefix: Some(["dokku", "postgres:create"].map(str::to_owned).to_vec()),
        ..stand_in::Fault::default()
    };
    host.scene.set_fault(&fault).unwrap();
    let output = host.dokku("matrix:create matrix --tls off");
    assert_eq!(output.code, Some(1), "{output:#?}");
    host.ok("matrix:create matrix --service db");
    assert_eq!(host.state().services.into_keys().collect::<Vec<_>>(), ["db"]);
    let output = host.dokku("matrix:create matrix --service db2");
    assert_eq!(
        output.stderr,
        " !     the database of matrix.site.test is in the postgres service db\n \
         !     Another service would be an empty server. Leave --service out.\n"
    );
    assert_eq!(output.code, Some(2));
}

/// A server name can never be changed, so one with a port that nothing serves is refused at once. A
/// homeserver that has such a name already goes on.
#[test]
fn port_of_the_server_name_must_be_served() {
    const CREATE: &str = "matrix:create matrix --tls provided --server-name ";
    const WHY: &str =
        "Other servers connect to exactly this port, and the name can never be changed.";
    const OTHER: &str = "Use port 8448, or a server name without a port:
 !       dokku matrix:create matrix --tls provided --server-name example.org";
    // Not only left out: it may be recorded.
    const SERVE: &str = "Serve on it: dokku matrix:create matrix --server-name example.org:8448 --tls provided --8448";
    let cases = [
        ("example.org:9999", "9999", OTHER),
        ("example.org:80", "80", OTHER),
        ("example.org:8448 --no-8448", "8448", SERVE),
    ];
    in_parallel(&cases, |(flags, port, advice)| {
        let host = TestHost::new();
        let output = host.dokku(&format!("{CREATE}{flags}"));
        let name = flags.split(' ').next().unwrap();
        let stderr = format!(
            " !     matrix would not be served on port {port}, which the server name {name} requires
 !     {WHY}
 !     {advice}\n"
        );
        assert_eq!((output.code, output.stderr), (Some(2), stderr), "{flags}");
        assert_eq!(host.changes(), [""; 0], "{flags}");
        assert!(!host.lib("data/matrix/example.org_8448/server.json").exists());
    });
    let good = [
        "example.org:8448",
        "example.org:443 --no-8448",
        "example.org",
        "matrix",
        "localhost:8448",
    ];
    in_parallel(&good, |flags| drop(TestHost::new().ok(&format!("{CREATE}{flags}"))));
    // Without TLS somebody else serves the port. Version 1 also accepted this with TLS.
    let host = TestHost::after(
        "matrix:create matrix --tls off --federation open --server-name example.org:9999",
    );
    let path = host.lib("data/matrix/example.org_9999/server.json");
    assert_eq!(host.dokku("matrix:create matrix --tls provided").code, Some(2));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"off\"", "\"provided\"")).unwrap();
    for line in [
        "matrix:deploy matrix",
        "matrix:create matrix",
        "matrix:report matrix",
        "ps:restart matrix",
    ] {
        host.ok(line);
    }
    let report = host.ok("matrix:report matrix --matrix-server-name");
    assert_eq!(report.stdout, "example.org:9999\n");
}
