//! `apps:rename`: the plugin follows to the new name, and restores the settings that Dokku loses.

use super::harness::{TestHost, in_parallel};
use super::normalize::assert_same;
use super::snapshot::Snapshots;
use crate::support::Output;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;

const CREATE: &str = "matrix:create matrix --email a@site.test --element";

fn assert_single_process(host: &TestHost) {
    assert_eq!(host.state().max_mains.into_values().max(), Some(1));
}

/// The titles that the plugin prints among Dokku's own output.
fn plugin_titles(output: &Output) -> Vec<String> {
    let titles = ["Setting", "Mapping", "Allowing", "Requesting", "Adding nginx"];
    let of_ours = |line: &&str| {
        titles
            .iter()
            .any(|title| line.strip_prefix("-----> ").is_some_and(|l| l.starts_with(title)))
    };
    output.stdout.lines().filter(of_ours).map(str::to_owned).collect()
}

#[test]
fn renames_the_homeserver() {
    let host = TestHost::after(CREATE);
    let _synapse = host.homeserver("synapse");
    let keys = host.secrets();
    let output = host.dokku("apps:rename matrix synapse");
    assert_eq!(output.code, Some(0), "{output:#?}");
    assert_eq!(
        plugin_titles(&output),
        [
            "-----> Setting domain matrix.site.test for synapse",
            "-----> Allowing one Synapse process in synapse",
            "-----> Setting the letsencrypt e-mail of synapse",
            "-----> Requesting a certificate for matrix.site.test",
        ]
    );
    assert_eq!(output.stderr, " !     No web listeners specified for synapse\n");
    assert_eq!(
        host.changes(),
        [
            "dokku apps:rename matrix synapse",
            "dokku domains:set synapse matrix.site.test",
            "dokku checks:disable synapse web",
            "dokku letsencrypt:set synapse email a@site.test",
            "dokku letsencrypt:enable synapse",
        ]
    );
    let state = host.state();
    let app = &state.apps["synapse"];
    assert_eq!(app.domains, ["matrix.site.test"]);
    assert_eq!(app.checks_disabled.iter().collect::<Vec<_>>(), ["web"]);
    assert_eq!(app.letsencrypt["email"], "a@site.test");
    assert!(app.cert.as_ref().unwrap().letsencrypt.is_some());
    assert_eq!(state.running("synapse").count(), 1);
    assert!(!state.apps.contains_key("matrix"));
    assert_single_process(&host);
    assert_eq!(host.secrets(), keys);
    // A deploy changes nothing, and all commands know only the new name.
    host.ok("matrix:deploy synapse");
    assert_eq!(host.changes(), [""; 0]);
    assert_eq!(host.dokku("matrix:list").stdout, "=====> Matrix homeservers\nsynapse\n");
    assert_eq!(host.dokku("matrix:report synapse --matrix-running").stdout, "true\n");
    assert_eq!(host.dokku("matrix:deploy matrix").code, Some(20));
    assert!(host.dokku("letsencrypt:list").stdout.contains("\nsynapse "));
    assert_eq!(host.dokku("ps:scale synapse web=2").code, Some(1));
    // Rename it back.
    assert_eq!(host.dokku("apps:rename synapse matrix").code, Some(0));
    host.changes();
    host.ok(CREATE);
    assert_eq!(host.changes(), [""; 0]);
    assert_single_process(&host);
}

#[test]
fn renames_element() {
    let host = TestHost::after(CREATE);
    let output = host.dokku("apps:rename chat talk");
    assert_eq!(output.code, Some(0), "{output:#?}");
    assert_eq!(
        plugin_titles(&output),
        [
            "-----> Setting domain chat.site.test for talk",
            "-----> Setting the letsencrypt e-mail of talk",
            "-----> Requesting a certificate for chat.site.test",
        ]
    );
    assert_eq!(
        host.changes(),
        [
            "dokku apps:rename chat talk",
            "dokku domains:set talk chat.site.test",
            "dokku letsencrypt:set talk email a@site.test",
            "dokku letsencrypt:enable talk",
        ]
    );
    assert_eq!(host.state().running("talk").count(), 1);
    host.ok("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0]);
    assert_eq!(host.dokku("matrix:report matrix --matrix-element-app").stdout, "talk\n");
    host.ok("matrix:disable-element matrix");
    assert!(!host.state().apps.contains_key("talk"));
}

/// Renames with other settings, and the changes that the next deploy makes.
#[test]
fn renames_with_other_options() {
    let from_image = "dokku git:from-image synapse matrixdotorg/synapse:v1.163.2";
    in_parallel(
        &[
            ("--tls off --no-deploy", "", vec![from_image]),
            ("--tls off", " --skip-deploy", vec![from_image, "dokku ps:rebuild synapse"]),
            ("--tls off --domain localhost", "", vec![]),
            ("--email a@site.test --server-name site.test", "", vec![]),
            ("--tls provided", "", vec![]),
        ],
        |(flags, skip, left)| {
            let host = TestHost::after(&format!("matrix:create matrix {flags}"));
            let _synapse = host.homeserver("synapse");
            let output = host.dokku(&format!("apps:rename matrix synapse{skip}"));
            assert_eq!(output.code, Some(0), "{flags}: {output:#?}");
            host.changes();
            host.ok("matrix:deploy synapse");
            assert_eq!(host.changes(), *left, "{flags}");
            host.ok("matrix:deploy synapse");
            assert_eq!(host.changes(), [""; 0], "{flags}");
            assert_single_process(&host);
        },
    );
}

/// Dokku removes the domain that it derived from the old name, which here is also the server name,
/// where other servers look for this one.
#[test]
fn keeps_both_domains() {
    let host = TestHost::after("matrix:create matrix --email a@site.test");
    host.ok("matrix:create matrix --domain m.site.test");
    let _synapse = host.homeserver("synapse");
    host.setup(&["apps:rename matrix synapse"]);
    let mut domains = host.state().apps["synapse"].domains.clone();
    domains.retain(|domain| domain != "synapse.site.test");
    domains.sort();
    assert_eq!(domains, ["m.site.test", "matrix.site.test"]);
    host.changes();
    host.ok("matrix:deploy synapse");
    assert_eq!(host.changes(), [""; 0]);
}

/// The certificate authority refuses: the rename continues, the server runs, and a deploy retries.
#[test]
fn continues_without_a_certificate() {
    let host = TestHost::after("matrix:create matrix --email a@site.test");
    let _synapse = host.homeserver("synapse");
    host.scene.update(|state| state.letsencrypt.fails.insert("matrix.site.test".into())).unwrap();
    let output = host.dokku("apps:rename matrix synapse");
    assert_eq!(output.code, Some(0));
    let error = " !     No certificate for matrix.site.test: letsencrypt:enable synapse failed\n";
    assert!(output.stderr.contains(error), "{output:#?}");
    let end = "Then: dokku matrix:deploy synapse\n";
    assert!(output.stderr.ends_with(end), "{output:#?}");
    assert_eq!(host.state().running("synapse").count(), 1);
    host.scene.update(|state| state.letsencrypt.fails.clear()).unwrap();
    host.changes();
    host.ok("matrix:deploy synapse");
    assert_eq!(host.changes(), ["dokku letsencrypt:enable synapse"]);
}

/// A call to Dokku that fails during the rename is reported, and the next deploy repeats it.
#[test]
fn continues_after_a_failed_call() {
    in_parallel(
        &["domains:set", "checks:disable", "letsencrypt:set", "letsencrypt:report"],
        |word| {
            let host = TestHost::after("matrix:create matrix --email a@site.test");
            let _synapse = host.homeserver("synapse");
            let prefix = ["dokku", word].map(str::to_owned).to_vec();
            let fault =
                stand_in::Fault { argv_prefix: Some(prefix), nested: true, ..Default::default() };
            host.scene.set_fault(&fault).unwrap();
            let output = host.dokku("apps:rename matrix synapse");
            assert_eq!(output.code, Some(0), "{word}: {output:#?}");
            let (failed, hint) =
                (format!(" !     `dokku {word} "), " !     dokku matrix:deploy synapse\n");
            assert!(
                output.stderr.contains(&failed) && output.stderr.contains(hint),
                "{word}: {output:#?}"
            );
            assert_eq!(host.state().running("synapse").count(), 1, "{word}");
            host.ok("matrix:deploy synapse");
            host.changes();
            host.ok("matrix:deploy synapse");
            assert_eq!(host.changes(), [""; 0]);
            let state = host.state();
            assert!(state.apps["synapse"].domains.contains(&"matrix.site.test".into()), "{word}");
            assert!(state.apps["synapse"].checks_disabled.contains("web"), "{word}");
            assert_single_process(&host);
        },
    );
}

/// The machine fails at each call during the rename, Dokku's own calls included. A deploy completes
/// whatever state that leaves.
#[test]
fn deploy_completes_a_killed_rename() {
    let host = TestHost::after("matrix:create matrix --email a@site.test");
    let _synapse = host.homeserver("synapse");
    let recording = Snapshots::record(&host);
    assert_eq!(host.dokku("apps:rename matrix synapse").code, Some(0));
    let expected = host.dump();
    let snapshots = recording.all();
    let seen = Mutex::new(BTreeSet::new());
    in_parallel(&snapshots[1..], |snapshot| {
        let host = recording.restore(snapshot);
        let _synapse = host.homeserver("synapse");
        if !seen.lock().unwrap().insert(host.dump()) {
            return;
        }
        let call = Snapshots::call(snapshot);
        let output = host.dokku("matrix:deploy synapse");
        assert_eq!(output.code, Some(3), "{call}: {output:#?}");
        assert_eq!(host.state().running("synapse").count(), 1, "{call}");
        assert_single_process(&host);
        assert_same(&host.dump(), &expected, &call);
    });
    assert!(seen.lock().unwrap().len() >= 5, "hosts that differ: {}", seen.lock().unwrap().len());
}

/// Killed while the record changes to the new name: both apps have the marker, and Dokku has only
/// created the new app.
#[test]
fn only_the_recorded_app_runs_after_a_kill() {
    let host = TestHost::after("matrix:create matrix --tls off");
    let _synapse = host.homeserver("synapse");
    // Dokku copies the docker options before it calls this plugin, and the mounts after it.
    host.setup(&[
        "apps:create synapse",
        "docker-options:add synapse deploy --label=com.dokku-matrix.server=matrix.site.test",
    ]);
    let marker = host.lib("data/matrix/.host/apps/synapse");
    fs::write(&marker, "synapse matrix.site.test\n").unwrap();
    // While the record names the old app, that one is the homeserver, and the new one is refused.
    let taken = |old: &str, new: &str| {
        format!(
            " !     {old} is not the app of matrix.site.test any more: that is {new}\n \
             !     If a rename was interrupted: dokku apps:destroy {new}, then dokku matrix:create {old}\n"
        )
    };
    let guard = |app: &str| host.trigger("scheduler-deploy", &format!("docker-local {app} latest"));
    assert_eq!(guard("matrix").code, Some(0));
    assert_eq!(guard("synapse").stderr, taken("synapse", "matrix"));
    host.changes();
    host.ok("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0]);
    // Now the record names the new app.
    let spec = host.read("server.json").replace("\"app\": \"matrix\"", "\"app\": \"synapse\"");
    fs::write(host.file("server.json"), spec).unwrap();
    let before = host.state().running("matrix").next().unwrap().id.clone();
    let output = host.dokku("ps:restart matrix");
    assert_eq!((output.code, output.stdout), (Some(1), taken("matrix", "synapse")));
    let output = host.dokku("matrix:deploy matrix");
    assert_eq!((output.code, output.stderr), (Some(1), taken("matrix", "synapse")));
    // The new app cannot start while the old one runs.
    let output = guard("synapse");
    let error = " !     matrix runs on the data of synapse
 !     Two Synapse processes on one database corrupt it.
 !     dokku ps:stop matrix
";
    assert_eq!((output.code, output.stderr.as_str()), (Some(1), error));
    assert_eq!(host.state().running("matrix").next().unwrap().id, before);
    // Follow the hint: return to the old app.
    host.setup(&["--force apps:destroy synapse"]);
    host.ok("matrix:create matrix");
    assert_eq!(host.state().running("matrix").next().unwrap().id, before);
    host.changes();
    host.ok("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0]);
    assert!(!marker.exists());
    assert_single_process(&host);
}

/// Dokku accepts names that the plugin does not. An app with such a name must not run unguarded.
#[test]
fn guards_an_app_with_an_invalid_name() {
    let host = TestHost::after("matrix:create matrix --tls off");
    let long = "m".repeat(64);
    let output = host.dokku(&format!("apps:rename matrix {long}"));
    assert!(output.stderr.contains("it must not be longer than 63 characters"), "{output:#?}");
    assert_eq!(host.state().running(&long).count(), 0);
    assert_eq!(host.dokku(&format!("ps:scale {long} web=2")).code, Some(1));
    let _synapse = host.homeserver("synapse");
    // Another rename solves it.
    let output = host.dokku(&format!("apps:rename {long} synapse"));
    assert_eq!(output.code, Some(0), "{output:#?}");
    host.ok("matrix:deploy synapse");
    assert_eq!(host.state().running("synapse").count(), 1);
    assert_single_process(&host);
}
