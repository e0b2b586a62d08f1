//! `apps:rename`: the intent goes over to the new name, and what Dokku loses is put back.

use super::camera::Camera;
use super::portrait::assert_alike;
use super::rig::Rig;
use crate::plugin_copy::Ran;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;

const CREATE: &str = "matrix:create matrix --email a@site.test --element";

fn host(line: &str) -> Rig {
    Rig::after(line)
}

fn one_main(rig: &Rig) {
    assert_eq!(rig.state().max_mains.into_values().max(), Some(1));
}

/// What the plugin has said among what Dokku says.
fn ours(ran: &Ran) -> Vec<String> {
    let titles = ["Setting", "Mapping", "Allowing", "Requesting", "Adding nginx"];
    let of_ours = |line: &&str| {
        titles
            .iter()
            .any(|title| line.strip_prefix("-----> ").is_some_and(|l| l.starts_with(title)))
    };
    ran.stdout.lines().filter(of_ours).map(str::to_owned).collect()
}

#[test]
fn of_the_homeserver() {
    let rig = host(CREATE);
    let _synapse = rig.homeserver("synapse");
    let keys = rig.secrets();
    let ran = rig.dokku("apps:rename matrix synapse");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(
        ours(&ran),
        [
            "-----> Setting domain matrix.site.test for synapse",
            "-----> Allowing one Synapse process in synapse",
            "-----> Setting the letsencrypt e-mail of synapse",
            "-----> Requesting a certificate for matrix.site.test",
        ]
    );
    assert_eq!(ran.stderr, " !     No web listeners specified for synapse\n");
    assert_eq!(
        rig.changes(),
        [
            "dokku apps:rename matrix synapse",
            "dokku domains:set synapse matrix.site.test",
            "dokku checks:disable synapse web",
            "dokku letsencrypt:set synapse email a@site.test",
            "dokku letsencrypt:enable synapse",
        ]
    );
    let state = rig.state();
    let app = &state.apps["synapse"];
    assert_eq!(app.domains, ["matrix.site.test"]);
    assert_eq!(app.checks_disabled.iter().collect::<Vec<_>>(), ["web"]);
    assert_eq!(app.letsencrypt["email"], "a@site.test");
    assert!(app.cert.as_ref().unwrap().letsencrypt.is_some());
    assert_eq!(state.running("synapse").count(), 1);
    assert!(!state.apps.contains_key("matrix"));
    one_main(&rig);
    assert_eq!(rig.secrets(), keys);
    // Nothing is left to do, and all commands know the new name alone.
    rig.ok("matrix:deploy synapse");
    assert_eq!(rig.changes(), [""; 0]);
    assert_eq!(rig.dokku("matrix:list").stdout, "=====> Matrix homeservers\nsynapse\n");
    assert_eq!(rig.dokku("matrix:report synapse --matrix-running").stdout, "true\n");
    assert_eq!(rig.dokku("matrix:deploy matrix").code, Some(20));
    assert!(rig.dokku("letsencrypt:list").stdout.contains("\nsynapse "));
    assert_eq!(rig.dokku("ps:scale synapse web=2").code, Some(1));
    // And back again, by the name that it had.
    assert_eq!(rig.dokku("apps:rename synapse matrix").code, Some(0));
    rig.changes();
    rig.ok(CREATE);
    assert_eq!(rig.changes(), [""; 0]);
    one_main(&rig);
}

#[test]
fn of_element() {
    let rig = host(CREATE);
    let ran = rig.dokku("apps:rename chat talk");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(
        ours(&ran),
        [
            "-----> Setting domain chat.site.test for talk",
            "-----> Setting the letsencrypt e-mail of talk",
            "-----> Requesting a certificate for chat.site.test",
        ]
    );
    assert_eq!(
        rig.changes(),
        [
            "dokku apps:rename chat talk",
            "dokku domains:set talk chat.site.test",
            "dokku letsencrypt:set talk email a@site.test",
            "dokku letsencrypt:enable talk",
        ]
    );
    assert_eq!(rig.state().running("talk").count(), 1);
    rig.ok("matrix:deploy matrix");
    assert_eq!(rig.changes(), [""; 0]);
    assert_eq!(rig.dokku("matrix:report matrix --matrix-element-app").stdout, "talk\n");
    rig.ok("matrix:disable-element matrix");
    assert!(!rig.state().apps.contains_key("talk"));
}

/// Each way of being renamed, and what a deploy finds to do afterwards.
#[test]
fn in_other_ways() {
    let from_image = "dokku git:from-image synapse matrixdotorg/synapse:v1.163.2";
    Rig::each(
        &[
            ("--tls off --no-deploy", "", vec![from_image]),
            ("--tls off", " --skip-deploy", vec![from_image, "dokku ps:rebuild synapse"]),
            ("--tls off --domain localhost", "", vec![]),
            ("--email a@site.test --server-name site.test", "", vec![]),
            ("--tls provided", "", vec![]),
        ],
        |(flags, skip, left)| {
            let rig = host(&format!("matrix:create matrix {flags}"));
            let _synapse = rig.homeserver("synapse");
            let ran = rig.dokku(&format!("apps:rename matrix synapse{skip}"));
            assert_eq!(ran.code, Some(0), "{flags}: {ran:#?}");
            rig.changes();
            rig.ok("matrix:deploy synapse");
            assert_eq!(rig.changes(), *left, "{flags}");
            rig.ok("matrix:deploy synapse");
            assert_eq!(rig.changes(), [""; 0], "{flags}");
            one_main(&rig);
        },
    );
}

/// Dokku takes the domain that it gave away with the name; others look for the server name there.
#[test]
fn with_another_domain_than_the_server_name() {
    let rig = host("matrix:create matrix --email a@site.test");
    rig.ok("matrix:create matrix --domain m.site.test");
    let _synapse = rig.homeserver("synapse");
    rig.setup(&["apps:rename matrix synapse"]);
    let mut domains = rig.state().apps["synapse"].domains.clone();
    domains.retain(|domain| domain != "synapse.site.test");
    domains.sort();
    assert_eq!(domains, ["m.site.test", "matrix.site.test"]);
    rig.changes();
    rig.ok("matrix:deploy synapse");
    assert_eq!(rig.changes(), [""; 0]);
}

/// The authority refuses: the rename goes on, the server is there, and a deploy asks again.
#[test]
fn without_a_new_certificate() {
    let rig = host("matrix:create matrix --email a@site.test");
    let _synapse = rig.homeserver("synapse");
    rig.scene.update(|state| state.letsencrypt.fails.insert("matrix.site.test".into())).unwrap();
    let ran = rig.dokku("apps:rename matrix synapse");
    assert_eq!(ran.code, Some(0));
    let said = " !     No certificate for matrix.site.test: letsencrypt:enable synapse failed\n";
    assert!(ran.stderr.contains(said), "{ran:#?}");
    let end = "Then: dokku matrix:deploy synapse\n";
    assert!(ran.stderr.ends_with(end), "{ran:#?}");
    assert_eq!(rig.state().running("synapse").count(), 1);
    rig.scene.update(|state| state.letsencrypt.fails.clear()).unwrap();
    rig.changes();
    rig.ok("matrix:deploy synapse");
    assert_eq!(rig.changes(), ["dokku letsencrypt:enable synapse"]);
}

/// Whatever Dokku does not answer or do while it renames is told, and a deploy does it.
#[test]
fn a_call_of_ours_fails_in_it() {
    Rig::each(
        &["domains:set", "checks:disable", "letsencrypt:set", "letsencrypt:report"],
        |word| {
            let rig = host("matrix:create matrix --email a@site.test");
            let _synapse = rig.homeserver("synapse");
            let prefix = ["dokku", word].map(str::to_owned).to_vec();
            let fault =
                stand_in::Fault { argv_prefix: Some(prefix), nested: true, ..Default::default() };
            rig.scene.set_fault(&fault).unwrap();
            let ran = rig.dokku("apps:rename matrix synapse");
            assert_eq!(ran.code, Some(0), "{word}: {ran:#?}");
            let (failed, mends) =
                (format!(" !     `dokku {word} "), " !     dokku matrix:deploy synapse\n");
            assert!(ran.stderr.contains(&failed) && ran.stderr.contains(mends), "{word}: {ran:#?}");
            assert_eq!(rig.state().running("synapse").count(), 1, "{word}");
            rig.ok("matrix:deploy synapse");
            rig.changes();
            rig.ok("matrix:deploy synapse");
            assert_eq!(rig.changes(), [""; 0]);
            let state = rig.state();
            assert!(state.apps["synapse"].domains.contains(&"matrix.site.test".into()), "{word}");
            assert!(state.apps["synapse"].checks_disabled.contains("web"), "{word}");
            one_main(&rig);
        },
    );
}

/// The machine goes down at each call inside the rename, Dokku's own doing included: what Dokku
/// has left is what a deploy goes on from.
#[test]
fn killed_half_way() {
    let rig = host("matrix:create matrix --email a@site.test");
    let _synapse = rig.homeserver("synapse");
    let camera = Camera::new(&rig);
    assert_eq!(rig.dokku("apps:rename matrix synapse").code, Some(0));
    let whole = rig.portrait();
    let shots = camera.shots();
    let seen = Mutex::new(BTreeSet::new());
    Rig::each(&shots[1..], |shot| {
        let host = camera.host(shot);
        let _synapse = host.homeserver("synapse");
        if !seen.lock().unwrap().insert(host.portrait()) {
            return;
        }
        let what = Camera::call(shot);
        let ran = host.dokku("matrix:deploy synapse");
        assert_eq!(ran.code, Some(3), "{what}: {ran:#?}");
        assert_eq!(host.state().running("synapse").count(), 1, "{what}");
        one_main(&host);
        // Two names of the app are not one too many: Dokku's default one may be left.
        assert_alike(&host.portrait(), &whole, &what);
    });
    assert!(seen.lock().unwrap().len() >= 5, "hosts that differ: {}", seen.lock().unwrap().len());
}

/// Killed while the intent goes over: two apps carry the marker, and Dokku has made no more than
/// the new app.
#[test]
fn killed_while_the_intent_goes_over() {
    let rig = host("matrix:create matrix --tls off");
    let _synapse = rig.homeserver("synapse");
    rig.setup(&["apps:create synapse"]);
    let marker = rig.lib("data/matrix/.apps/synapse");
    fs::write(&marker, "synapse matrix.site.test\n").unwrap();
    // The record still names the old app: that is the homeserver, and the new one is refused.
    let taken = |old: &str, new: &str| {
        format!(
            " !     {old} was the app of matrix.site.test, which {new} is now\n \
             !     If a rename was interrupted: dokku apps:destroy {new}, then dokku matrix:create {old}\n"
        )
    };
    let guard = |app: &str| rig.trigger("scheduler-deploy", &format!("docker-local {app} latest"));
    assert_eq!(guard("matrix").code, Some(0));
    assert_eq!(guard("synapse").stderr, taken("synapse", "matrix"));
    rig.changes();
    rig.ok("matrix:deploy matrix");
    assert_eq!(rig.changes(), [""; 0]);
    // The record names the new one.
    let intent = rig.read("server.json").replace("\"app\": \"matrix\"", "\"app\": \"synapse\"");
    fs::write(rig.file("server.json"), intent).unwrap();
    let before = rig.state().running("matrix").next().unwrap().id.clone();
    let ran = rig.dokku("ps:restart matrix");
    assert_eq!((ran.code, ran.stdout), (Some(1), taken("matrix", "synapse")));
    let ran = rig.dokku("matrix:deploy matrix");
    assert_eq!((ran.code, ran.stderr), (Some(1), taken("matrix", "synapse")));
    // Nor can the new one start while the old one runs.
    let ran = guard("synapse");
    let says = " !     matrix runs on the data of synapse
 !     Two Synapse processes on one database corrupt it.
 !     dokku ps:stop matrix
";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), says));
    assert_eq!(rig.state().running("matrix").next().unwrap().id, before);
    // As it is told: back to the old one.
    rig.setup(&["--force apps:destroy synapse"]);
    rig.ok("matrix:create matrix");
    assert_eq!(rig.state().running("matrix").next().unwrap().id, before);
    rig.changes();
    rig.ok("matrix:deploy matrix");
    assert_eq!(rig.changes(), [""; 0]);
    assert!(!marker.exists());
    one_main(&rig);
}

/// A name that Dokku takes and we do not: nothing of the kind runs unguarded.
#[test]
fn to_a_name_that_we_do_not_take() {
    let rig = host("matrix:create matrix --tls off");
    let long = "m".repeat(64);
    let ran = rig.dokku(&format!("apps:rename matrix {long}"));
    assert!(ran.stderr.contains("it must not be longer than 63 characters"), "{ran:#?}");
    assert_eq!(rig.state().running(&long).count(), 0);
    assert_eq!(rig.dokku(&format!("ps:scale {long} web=2")).code, Some(1));
    let _synapse = rig.homeserver("synapse");
    // Another rename is the way out.
    let ran = rig.dokku(&format!("apps:rename {long} synapse"));
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    rig.ok("matrix:deploy synapse");
    assert_eq!(rig.state().running("synapse").count(), 1);
    one_main(&rig);
}
