//! Hosts that lack something: the preflight names it, with the command, and nothing is touched.

use super::rig::Rig;
use super::triggers::instead;
use std::fs;

/// A host, the command on it, its exit code, and what is said, without Dokku's prefix.
type Case = (&'static str, fn(&Rig), &'static str, i32, &'static str);

const CREATE: &str = "matrix:create matrix --email a@site.test";

const WRONG: &str =
    "Nothing was changed. Either name a service that is not there yet:
  dokku matrix:create matrix --service <name>
or make a right database in db, link it, and point the app to it:
  dokku postgres:connect db <<< \"CREATE DATABASE synapse TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'\"
  dokku apps:create matrix
  dokku postgres:link db matrix --no-restart
  dokku config:set --no-restart matrix DATABASE_URL=<the same with /synapse instead of /db>
  dokku matrix:create matrix --service db";

const CASES: &[Case] = &[
    (
        "Dokku is too old",
        |rig| rig.scene.update(|state| state.version = "0.38.21".into()).unwrap(),
        CREATE,
        1,
        "Dokku 0.38.21 is too old; 0.38.22 or newer is needed
https://dokku.com/docs/getting-started/upgrading/",
    ),
    (
        "Dokku of the year before, by its file",
        |rig| fs::write(rig.lib("STABLE_VERSION"), "v0.37.10\n").unwrap(),
        CREATE,
        1,
        "Dokku 0.37.10 is too old; 0.38.22 or newer is needed
https://dokku.com/docs/getting-started/upgrading/",
    ),
    (
        "no postgres",
        |rig| rig.scene.disable_plugin("postgres").unwrap(),
        CREATE,
        1,
        "the plugin postgres is missing
sudo dokku plugin:install https://github.com/dokku/dokku-postgres.git --name postgres",
    ),
    (
        "no letsencrypt",
        |rig| rig.scene.disable_plugin("letsencrypt").unwrap(),
        CREATE,
        1,
        "the plugin letsencrypt is missing
sudo dokku plugin:install https://github.com/dokku/dokku-letsencrypt.git --name letsencrypt",
    ),
    (
        "letsencrypt is too old",
        |rig| rig.scene.enable_plugin("letsencrypt", "0.23.0", "x").unwrap(),
        CREATE,
        1,
        "dokku-letsencrypt 0.23.0 is too old; 0.24.0 or newer is needed
sudo dokku plugin:update letsencrypt",
    ),
    (
        "no global domain",
        |rig| rig.scene.update(|state| state.global_domains.clear()).unwrap(),
        CREATE,
        2,
        "matrix has no domain, for this host has no global one
dokku matrix:create matrix --domain matrix.example.org
or, for all apps: dokku domains:set-global example.org",
    ),
    (
        "no global domain for Element",
        |rig| rig.scene.update(|state| state.global_domains.clear()).unwrap(),
        "matrix:create matrix --email a@site.test --domain matrix.site.test --element",
        2,
        "chat has no domain, for this host has no global one
dokku matrix:enable-element <homeserver> --app chat --domain chat.example.org",
    ),
    (
        "another proxy",
        |rig| {
            rig.setup(&["apps:create matrix"]);
            other(rig, "proxy:report matrix", "--proxy-computed-type", "caddy");
        },
        CREATE,
        1,
        "the proxy of matrix is caddy; only nginx is supported
dokku proxy:set matrix nginx",
    ),
    (
        "another proxy for all that is new",
        |rig| other(rig, "proxy:report --global", "--proxy-computed-type", "caddy"),
        CREATE,
        1,
        "the proxy of matrix is caddy; only nginx is supported
dokku proxy:set --global nginx",
    ),
    (
        "another scheduler for all that is new",
        |rig| other(rig, "scheduler:report --global", "--scheduler-computed-selected", "k3s"),
        CREATE,
        1,
        "the scheduler of matrix is k3s; only docker-local is supported
dokku scheduler:set --global selected docker-local",
    ),
    (
        "another scheduler",
        |rig| {
            rig.setup(&["apps:create matrix"]);
            let folder = rig.lib("config/scheduler/matrix");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("selected"), "k3s").unwrap();
            other(rig, "scheduler:report matrix", "--scheduler-computed-selected", "k3s");
        },
        CREATE,
        1,
        "the scheduler of matrix is k3s; only docker-local is supported
dokku scheduler:set matrix selected docker-local",
    ),
    (
        "a certificate where TLS is to be off",
        |rig| {
            rig.setup(&["apps:create matrix"]);
            rig.scene.give_certificate("matrix", &["matrix.site.test"]).unwrap();
        },
        "matrix:create matrix --tls off",
        1,
        "matrix has a certificate, with which nginx sends everybody on to https
To go on without TLS: dokku certs:remove matrix",
    ),
    (
        "a certificate of Element where TLS is to be off",
        |rig| {
            rig.ok("matrix:create matrix --email a@site.test --element");
            rig.setup(&["letsencrypt:disable matrix"]);
        },
        "matrix:create matrix --tls off",
        1,
        "chat has a certificate, with which nginx sends everybody on to https
To go on without TLS: dokku letsencrypt:disable chat",
    ),
    (
        "a service with a wrong locale",
        |rig| rig.setup(&["postgres:create db"]),
        "matrix:create matrix --email a@site.test --service db",
        1,
        "the postgres service db has the database db with UTF8, en_US.utf8, en_US.utf8 instead of UTF8, C, C, which Synapse refuses",
    ),
    (
        "a service without a database",
        |rig| rig.setup(&["postgres:create db --custom-env LC_ALL=C"]),
        "matrix:create matrix --email a@site.test --service db",
        1,
        "the postgres service db has no database db, which Synapse refuses",
    ),
    (
        "an app that is linked to another service",
        |rig| {
            rig.setup(&[
                "apps:create matrix",
                "postgres:create db",
                "postgres:link db matrix --no-restart",
            ]);
        },
        CREATE,
        1,
        "matrix uses the postgres service db, not matrix-db
To go on with matrix-db: dokku postgres:unlink db matrix --no-restart
To go on with db: dokku matrix:create matrix --service db",
    ),
];

/// A `dokku` that gives another answer to one question.
fn other(rig: &Rig, command: &str, flag: &str, answer: &str) {
    instead(
        rig,
        "dokku",
        &format!("[[ \"$1 $2\" == \"{command}\" && $3 == {flag} ]]"),
        &format!("echo {answer}; exit"),
    );
}

#[test]
fn what_is_missing_is_named() {
    Rig::each(&CASES.iter().map(|case| case.0).collect::<Vec<_>>(), |name| {
        let (_, before, line, code, says) = CASES.iter().find(|case| case.0 == *name).unwrap();
        let rig = Rig::new();
        before(&rig);
        let portrait = rig.portrait();
        rig.changes();
        let ran = rig.dokku(line);
        let said = ran.stderr.replace(" !     ", "");
        let mut says = format!("{says}\n");
        if says.contains("Synapse refuses") {
            says += &format!("{WRONG}\n");
        }
        assert_eq!((ran.code, said), (Some(*code), says), "{name}");
        assert_eq!(ran.stdout, "", "{name}");
        assert_eq!(rig.changes(), [""; 0], "{name}");
        assert_eq!(rig.portrait(), portrait, "{name}");
    });
}

/// The way out of a wrong database, typed as it is told.
#[test]
fn the_way_out_of_a_wrong_database() {
    let rig = Rig::new();
    rig.setup(&["postgres:create db"]);
    let line = "matrix:create matrix --tls off --service db";
    assert_eq!(rig.dokku(line).code, Some(1));
    let sql =
        "CREATE DATABASE synapse TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'";
    assert_eq!(rig.dokku_with("postgres:connect db", sql.as_bytes()).code, Some(0));
    rig.setup(&["apps:create matrix", "postgres:link db matrix --no-restart"]);
    let url = rig.state().apps["matrix"].config["DATABASE_URL"].clone();
    let url = url.strip_suffix("/db").unwrap();
    rig.setup(&[&format!("config:set --no-restart matrix DATABASE_URL={url}/synapse")]);
    rig.ok(line);
    let yaml = rig.read("config/homeserver.d/20-database.yaml");
    assert!(yaml.contains("\n    dbname: synapse\n"), "{yaml}");
}

/// A plugin that is too old to request two certificates at a time, or that does not tell.
#[test]
fn old_plugins_do() {
    for version in ["0.24.0", ""] {
        let rig = Rig::new().lanes(3);
        rig.scene.enable_plugin("letsencrypt", version, "x").unwrap();
        rig.ok("matrix:create matrix --email a@site.test --element");
    }
}

/// Another service may be named until Synapse was told of the first one.
#[test]
fn another_service_while_there_is_time() {
    let rig = Rig::new();
    let fault = stand_in::Fault {
        argv_prefix: Some(["dokku", "postgres:create"].map(str::to_owned).to_vec()),
        ..stand_in::Fault::default()
    };
    rig.scene.set_fault(&fault).unwrap();
    let ran = rig.dokku("matrix:create matrix --tls off");
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    rig.ok("matrix:create matrix --service db");
    assert_eq!(rig.state().services.into_keys().collect::<Vec<_>>(), ["db"]);
    let ran = rig.dokku("matrix:create matrix --service db2");
    assert_eq!(
        ran.stderr,
        " !     the database of matrix.site.test is in the postgres service db\n \
         !     Another service would be an empty server. Leave --service out.\n"
    );
    assert_eq!(ran.code, Some(2));
}
