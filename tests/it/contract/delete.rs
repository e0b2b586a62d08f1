//! `apps:destroy`: what is kept is named, what the host shared is taken back, and the same server
//! name takes all of it up again.

use super::camera::Camera;
use super::rig::Rig;
use stand_in::{Fault, State};
use std::fs;

fn host(line: &str) -> Rig {
    Rig::after(line)
}

fn fails(rig: &Rig, words: &[&str]) {
    let argv_prefix = Some(words.iter().map(|&word| word.to_owned()).collect());
    let fault = Fault { argv_prefix, nested: true, ..Fault::default() };
    rig.scene.set_fault(&fault).unwrap();
}

#[test]
fn what_is_kept_is_named() {
    let rig = host("matrix:create matrix --email a@site.test --element");
    let keys = rig.secrets();
    let database = rig.state().services["matrix-db"].password.clone();
    let ran = rig.dokku("--force apps:destroy matrix");
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.stderr, "");
    assert!(
        ran.stdout.contains(
            "
-----> Keeping the data of Matrix homeserver matrix.site.test
       Files and signing key  <host>/lib/data/matrix/matrix.site.test
       Database               postgres service matrix-db
       Element Web            app chat
       To have it again       dokku matrix:create matrix --server-name matrix.site.test
"
        ),
        "{ran:#?}"
    );
    assert_eq!(
        rig.changes(),
        ["dokku --force apps:destroy matrix", "dokku proxy:clear-config matrix"]
    );
    assert_eq!(rig.secrets(), keys);
    assert!(!rig.lib("data/matrix/.apps/matrix").exists());
    assert!(!rig.lib("data/matrix/default-8448").exists());
    let ran = rig.dokku("matrix:list");
    assert_eq!(ran.stderr, " !     There are no Matrix homeservers\n");
    assert_eq!(rig.dokku("matrix:deploy matrix").code, Some(20));
    // Again, as it was told, and under another name: the same keys and the same database.
    rig.ok("matrix:create matrix --server-name matrix.site.test");
    assert_eq!(rig.secrets(), keys);
    assert_eq!(rig.state().services["matrix-db"].password, database);
    assert_eq!(rig.state().apps["matrix"].letsencrypt["email"], "a@site.test");
    assert_eq!(rig.dokku("--force apps:destroy matrix").code, Some(0));
    let _synapse = rig.homeserver("other");
    rig.ok("matrix:create other --server-name matrix.site.test");
    assert_eq!(rig.secrets(), keys);
    let state = rig.state();
    assert_eq!(state.apps["other"].domains, ["matrix.site.test"]);
    assert!(state.services["matrix-db"].links.contains("other"));
    assert_eq!(state.services.len(), 1);
    rig.changes();
    rig.ok("matrix:deploy other");
    assert_eq!(rig.changes(), [""; 0]);
    assert!(rig.state().max_mains.values().all(|mains| *mains == 1));
}

/// Destroyed while Dokku dies at each call inside it: the same command, or a new create, goes on.
#[test]
fn killed_half_way() {
    let rig = host("matrix:create matrix --email a@site.test --server-name site.test");
    rig.website("site", "site.test");
    rig.ok("matrix:deploy matrix");
    let camera = Camera::new(&rig);
    assert_eq!(rig.dokku("--force apps:destroy matrix").code, Some(0));
    let shots = camera.shots();
    assert!(shots.len() > 3);
    Rig::each(&shots, |shot| {
        let what = Camera::call(shot);
        let host = camera.host(shot);
        assert_eq!(host.dokku("--force apps:destroy matrix").code, Some(0), "{what}");
        assert_eq!(host.dokku("nginx:validate-config").code, Some(0), "{what}");
        host.ok("matrix:create matrix --server-name site.test");
        let host = camera.host(shot);
        let again = "matrix:create matrix --server-name site.test";
        let ran = host.dokku(again);
        if ran.code == Some(1) {
            // The link is gone, but not yet the variable.
            let says = " !     matrix has a DATABASE_URL, but matrix-db is not linked to it
 !     dokku config:unset --no-restart matrix DATABASE_URL
 !     dokku matrix:create matrix
";
            assert_eq!(ran.stderr, says, "{what}");
            host.setup(&["config:unset --no-restart matrix DATABASE_URL"]);
        }
        host.ok(again);
        assert_eq!(host.state().running("matrix").count(), 1, "{what}");
        assert!(host.state().max_mains.values().all(|mains| *mains == 1));
    });
}

/// One part that fails is told, the rest is done, and the app is gone.
#[test]
fn a_part_of_it_fails() {
    let withdrawn = "-----> Well-known files of site.test removed from site\n";
    let closed = "-----> Closed port 8448 in the firewall\n";
    for (words, done) in [
        (&["dokku", "proxy:clear-config"][..], vec![withdrawn, closed]),
        (&["dokku", "proxy:build-config", "site"], vec![closed]),
        (&["ufw", "delete"], vec![withdrawn]),
        (&["ufw", "status"], vec![withdrawn]),
    ] {
        let rig = Rig::new();
        rig.website("site", "site.test");
        rig.scene.update(|state| state.ufw.active = true).unwrap();
        rig.ok("matrix:create matrix --email a@site.test --server-name site.test");
        fails(&rig, words);
        let ran = rig.dokku("--force apps:destroy matrix");
        assert_eq!(ran.code, Some(0), "{words:?}: {ran:#?}");
        let says = ["Well-known files", "Closed port"];
        let lines = ran.stdout.split_inclusive('\n');
        let told: Vec<_> = lines.filter(|line| says.iter().any(|say| line.contains(say))).collect();
        assert_eq!(told, done, "{words:?}: {ran:#?}");
        if words[1] != "status" {
            assert!(ran.stderr.contains("ended with exit code 1"), "{words:?}: {ran:#?}");
        }
        assert!(!rig.state().apps.contains_key("matrix"));
        assert!(!rig.lib("data/matrix/.apps/matrix").exists());
    }
}

/// Nothing that is damaged keeps an app from being destroyed, nor is anything lost with it.
#[test]
fn with_a_damaged_intent() {
    let rig = host("matrix:create matrix --tls off");
    let keys = rig.secrets();
    let intent = rig.read("server.json");
    fs::write(rig.file("server.json"), "{").unwrap();
    let ran = rig.dokku("--force apps:destroy matrix");
    assert_eq!(ran.code, Some(0));
    let says = " !     <host>/lib/data/matrix/matrix.site.test/server.json is damaged: ";
    assert_eq!(ran.stderr.matches(says).count(), 2, "{ran:#?}");
    assert!(!rig.lib("data/matrix/.apps/matrix").exists());
    let ran = rig.dokku("matrix:create matrix --tls off");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.starts_with(says), "{ran:#?}");
    fs::write(rig.file("server.json"), intent).unwrap();
    rig.ok("matrix:create matrix");
    assert_eq!(rig.secrets(), keys);
}

/// Element Web's app destroyed by hand: the homeserver goes on without it.
#[test]
fn of_element_by_hand() {
    let rig = host("matrix:create matrix --tls off --element");
    let ran = rig.dokku("--force apps:destroy chat");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(!ran.stdout.contains("Keeping"), "{ran:#?}");
    assert_eq!(rig.changes(), ["dokku --force apps:destroy chat"]);
    assert_eq!(rig.dokku("matrix:report matrix --matrix-element-app").stdout, "\n");
    assert!(!rig.lib("data/matrix/.apps/chat").exists());
    let ran = rig.dokku("matrix:disable-element matrix");
    assert_eq!(ran.stdout, "=====> Element Web is not enabled for matrix\n");
    rig.ok("matrix:deploy matrix");
    rig.changes();
    rig.ok("matrix:deploy matrix");
    assert_eq!(rig.changes(), [""; 0]);
    rig.ok("matrix:enable-element matrix");
    assert_eq!(rig.state().running("chat").count(), 1);
}

/// The postgres service was destroyed by hand, too: an empty one in its place would be an empty
/// server under the old name and key.
#[test]
fn with_its_folder() {
    let rig = host("matrix:create matrix --tls off");
    let filled = |state: &mut State| state.services.get_mut("matrix-db").unwrap().tables = 176;
    rig.scene.update(filled).unwrap();
    rig.setup(&["--force apps:destroy matrix"]);
    fs::remove_dir_all(rig.file("")).unwrap();
    let says = "the postgres service matrix-db holds a homeserver, and its signing key is missing
Put the key back from a backup: <host>/lib/data/matrix/matrix.site.test/config/secrets/signing.key
For a new homeserver name another service:
  dokku matrix:create matrix --service <name>
";
    for line in ["--dry-run", "", ""].map(|flag| format!("matrix:create matrix --tls off {flag}")) {
        let ran = rig.dokku(line.trim_end());
        assert_eq!((ran.code, ran.stderr.replace(" !     ", "")), (Some(1), says.to_owned()));
        assert!(!rig.file("config/secrets/signing.key").exists());
        assert_eq!(rig.state().running("matrix").count(), 0);
    }
    rig.ok("matrix:create matrix --tls off --service other-db");
}

#[test]
fn with_its_database() {
    let rig = host("matrix:create matrix --tls off");
    rig.setup(&["--force apps:destroy matrix", "postgres:destroy matrix-db --force"]);
    let says = "the postgres service matrix-db is gone, with all users and rooms of matrix.site.test
Nothing was changed. To restore it from a backup:
  dokku postgres:create matrix-db --custom-env \"POSTGRES_INITDB_ARGS=--encoding=UTF8 --lc-collate=C --lc-ctype=C\"
  dokku postgres:import matrix-db < <backup>
  dokku matrix:create matrix --server-name matrix.site.test
To begin with an empty database: sudo rm <host>/lib/data/matrix/matrix.site.test/config/homeserver.d/20-database.yaml
";
    for line in ["matrix:create matrix", "matrix:create matrix --dry-run"] {
        let ran = rig.dokku(line);
        assert_eq!((ran.code, ran.stderr.replace(" !     ", "")), (Some(1), says.to_owned()));
        assert_eq!(rig.changes(), [""; 0]);
    }
    // As it is told.
    let mut command = rig.command("postgres:create matrix-db --custom-env");
    command.arg("POSTGRES_INITDB_ARGS=--encoding=UTF8 --lc-collate=C --lc-ctype=C");
    assert_eq!(rig.run(command, b"").code, Some(0));
    rig.ok("matrix:create matrix");
    // Or anew.
    rig.setup(&["--force apps:destroy matrix", "postgres:destroy matrix-db --force"]);
    fs::remove_file(rig.file("config/homeserver.d/20-database.yaml")).unwrap();
    rig.ok("matrix:create matrix");
}
