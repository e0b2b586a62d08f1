//! `apps:destroy`: it names what is kept and removes the homeserver's settings from the host. A new
//! app with the same server name takes over the data.

use super::harness::{TestHost, in_parallel};
use super::snapshot::Snapshots;
use stand_in::{Fault, State};
use std::fs;

fn set_failing_call(host: &TestHost, command: &[&str]) {
    let argv_prefix = Some(command.iter().map(|&word| word.to_owned()).collect());
    let fault = Fault { argv_prefix, nested: true, ..Fault::default() };
    host.scene.set_fault(&fault).unwrap();
}

#[test]
fn names_what_is_kept() {
    let host = TestHost::after("matrix:create matrix --email a@site.test --element");
    let keys = host.secrets();
    let database = host.state().services["matrix-db"].password.clone();
    let output = host.dokku("--force apps:destroy matrix");
    assert_eq!(output.code, Some(0));
    assert_eq!(output.stderr, "");
    assert!(
        output.stdout.contains(
            "
-----> Keeping the data of Matrix homeserver matrix.site.test
       Files and signing key  <host>/lib/data/matrix/matrix.site.test
       Database               postgres service matrix-db
       Element Web            app chat
       To restore it          dokku matrix:create matrix --server-name matrix.site.test
"
        ),
        "{output:#?}"
    );
    assert_eq!(
        host.changes(),
        ["dokku --force apps:destroy matrix", "dokku proxy:clear-config matrix"]
    );
    assert_eq!(host.secrets(), keys);
    assert!(!host.lib("data/matrix/.host/apps/matrix").exists());
    assert_eq!(host.default_8448(), None);
    let output = host.dokku("matrix:list");
    assert_eq!(output.stderr, " !     There are no Matrix homeservers\n");
    assert_eq!(host.dokku("matrix:deploy matrix").code, Some(20));
    // Create it again as the output says, then as another app: keys and database stay the same.
    host.ok("matrix:create matrix --server-name matrix.site.test");
    assert_eq!(host.secrets(), keys);
    assert_eq!(host.state().services["matrix-db"].password, database);
    assert_eq!(host.state().apps["matrix"].letsencrypt["email"], "a@site.test");
    assert_eq!(host.dokku("--force apps:destroy matrix").code, Some(0));
    let _synapse = host.homeserver("other");
    host.ok("matrix:create other --server-name matrix.site.test");
    assert_eq!(host.secrets(), keys);
    let state = host.state();
    assert_eq!(state.apps["other"].domains, ["matrix.site.test"]);
    assert!(state.services["matrix-db"].links.contains("other"));
    assert_eq!(state.services.len(), 1);
    host.changes();
    host.ok("matrix:deploy other");
    assert_eq!(host.changes(), [""; 0]);
    assert!(host.state().max_mains.values().all(|mains| *mains == 1));
}

/// Dokku is killed at each call of `apps:destroy`. Either the same command or `matrix:create`
/// continues from there.
#[test]
fn completes_a_killed_destroy() {
    let host = TestHost::after("matrix:create matrix --email a@site.test --server-name site.test");
    host.website("site", "site.test");
    host.ok("matrix:deploy matrix");
    let recording = Snapshots::record(&host);
    assert_eq!(host.dokku("--force apps:destroy matrix").code, Some(0));
    let snapshots = recording.all();
    assert!(snapshots.len() > 3);
    in_parallel(&snapshots, |snapshot| {
        let call = Snapshots::call(snapshot);
        let host = recording.restore(snapshot);
        assert_eq!(host.dokku("--force apps:destroy matrix").code, Some(0), "{call}");
        assert_eq!(host.dokku("nginx:validate-config").code, Some(0), "{call}");
        host.ok("matrix:create matrix --server-name site.test");
        let host = recording.restore(snapshot);
        let again = "matrix:create matrix --server-name site.test";
        let output = host.dokku(again);
        if output.code == Some(1) {
            // Dokku has removed the link, but not yet the variable.
            let error = " !     matrix has a DATABASE_URL, but matrix-db is not linked to it
 !     dokku config:unset --no-restart matrix DATABASE_URL
 !     dokku matrix:create matrix --server-name site.test
";
            assert_eq!(output.stderr, error, "{call}");
            host.setup(&["config:unset --no-restart matrix DATABASE_URL"]);
        }
        host.ok(again);
        assert_eq!(host.state().running("matrix").count(), 1, "{call}");
        assert!(host.state().max_mains.values().all(|mains| *mains == 1));
    });
}

/// One part fails and is reported. The other parts run, and the app is destroyed.
#[test]
fn continues_after_a_failed_part() {
    let removed = "-----> Well-known files of site.test removed from site\n";
    let closed = "-----> Closed port 8448 in the firewall\n";
    for (command, expected) in [
        (&["dokku", "proxy:clear-config"][..], vec![removed, closed]),
        (&["dokku", "proxy:build-config", "site"], vec![closed]),
        (&["ufw", "delete"], vec![removed]),
        (&["ufw", "status"], vec![removed]),
    ] {
        let host = TestHost::new();
        host.website("site", "site.test");
        host.scene.update(|state| state.ufw.active = true).unwrap();
        host.ok("matrix:create matrix --email a@site.test --server-name site.test");
        set_failing_call(&host, command);
        let output = host.dokku("--force apps:destroy matrix");
        assert_eq!(output.code, Some(0), "{command:?}: {output:#?}");
        let titles = ["Well-known files", "Closed port"];
        let lines = output.stdout.split_inclusive('\n');
        let shown: Vec<_> =
            lines.filter(|line| titles.iter().any(|title| line.contains(title))).collect();
        assert_eq!(shown, expected, "{command:?}: {output:#?}");
        if command[1] != "status" {
            assert!(output.stderr.contains("ended with exit code 1"), "{command:?}: {output:#?}");
        }
        assert!(!host.state().apps.contains_key("matrix"));
        assert!(!host.lib("data/matrix/.host/apps/matrix").exists());
    }
}

/// A damaged record neither prevents the destroy nor loses any data.
#[test]
fn destroys_with_a_damaged_spec() {
    let host = TestHost::after("matrix:create matrix --tls off");
    let keys = host.secrets();
    let spec = host.read("server.json");
    fs::write(host.file("server.json"), "{").unwrap();
    let output = host.dokku("--force apps:destroy matrix");
    assert_eq!(output.code, Some(0));
    let error = " !     <host>/lib/data/matrix/matrix.site.test/server.json is damaged: ";
    assert_eq!(output.stderr.matches(error).count(), 2, "{output:#?}");
    assert!(!host.lib("data/matrix/.host/apps/matrix").exists());
    let output = host.dokku("matrix:create matrix --tls off");
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.starts_with(error), "{output:#?}");
    fs::write(host.file("server.json"), spec).unwrap();
    host.ok("matrix:create matrix");
    assert_eq!(host.secrets(), keys);
}

/// After the app of Element Web is destroyed, the homeserver continues without it.
#[test]
fn homeserver_survives_without_element() {
    let host = TestHost::after("matrix:create matrix --tls off --element");
    let output = host.dokku("--force apps:destroy chat");
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert!(!output.stdout.contains("Keeping"), "{output:#?}");
    assert_eq!(host.changes(), ["dokku --force apps:destroy chat"]);
    assert_eq!(host.dokku("matrix:report matrix --matrix-element-app").stdout, "\n");
    assert!(!host.lib("data/matrix/.host/apps/chat").exists());
    let output = host.dokku("matrix:disable-element matrix");
    assert_eq!(output.stdout, "=====> Element Web is not enabled for matrix\n");
    host.ok("matrix:deploy matrix");
    host.changes();
    host.ok("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0]);
    host.ok("matrix:enable-element matrix");
    assert_eq!(host.state().running("chat").count(), 1);
}

/// A new signing key for an existing database would be another server with the same name.
#[test]
fn refuses_a_database_without_its_signing_key() {
    let host = TestHost::after("matrix:create matrix --tls off");
    let filled = |state: &mut State| state.services.get_mut("matrix-db").unwrap().tables = 176;
    host.scene.update(filled).unwrap();
    host.setup(&["--force apps:destroy matrix"]);
    fs::remove_dir_all(host.file("")).unwrap();
    let error = "the postgres service matrix-db holds a homeserver, and its signing key is missing
Restore the key from a backup: <host>/lib/data/matrix/matrix.site.test/config/secrets/signing.key
For a new homeserver name another service:
  dokku matrix:create matrix --tls off --service <name>
";
    for line in ["--dry-run", "", ""].map(|flag| format!("matrix:create matrix --tls off {flag}")) {
        let output = host.dokku(line.trim_end());
        assert_eq!(
            (output.code, output.stderr.replace(" !     ", "")),
            (Some(1), error.to_owned())
        );
        assert!(!host.file("config/secrets/signing.key").exists());
        assert_eq!(host.state().running("matrix").count(), 0);
    }
    host.ok("matrix:create matrix --tls off --service other-db");
}

/// An empty database in its place would be an empty server with the old name and key.
#[test]
fn refuses_a_missing_database_service() {
    let host = TestHost::after("matrix:create matrix --tls off");
    host.setup(&["--force apps:destroy matrix", "postgres:destroy matrix-db --force"]);
    let error = "the postgres service matrix-db is gone, with all users and rooms of matrix.site.test
Nothing was changed. To restore it from a backup:
  dokku postgres:create matrix-db --custom-env \"POSTGRES_INITDB_ARGS=--encoding=UTF8 --lc-collate=C --lc-ctype=C\"
  dokku postgres:import matrix-db < <backup>
  dokku matrix:create matrix --server-name matrix.site.test
To begin with an empty database: sudo rm <host>/lib/data/matrix/matrix.site.test/config/homeserver.d/20-database.yaml
";
    for line in ["matrix:create matrix", "matrix:create matrix --dry-run"] {
        let output = host.dokku(line);
        assert_eq!(
            (output.code, output.stderr.replace(" !     ", "")),
            (Some(1), error.to_owned())
        );
        assert_eq!(host.changes(), [""; 0]);
    }
    // Follow the hint.
    let mut command = host.command("postgres:create matrix-db --custom-env");
    command.arg("POSTGRES_INITDB_ARGS=--encoding=UTF8 --lc-collate=C --lc-ctype=C");
    assert_eq!(host.run(command, b"").code, Some(0));
    host.ok("matrix:create matrix");
    // Or start with an empty database.
    host.setup(&["--force apps:destroy matrix", "postgres:destroy matrix-db --force"]);
    fs::remove_file(host.file("config/homeserver.d/20-database.yaml")).unwrap();
    host.ok("matrix:create matrix");
}
