//! `matrix:create`: what it does, and that a second time there is nothing to do.

use super::rig::Rig;
use insta::assert_snapshot;

/// A flag set, and what is there before.
const CASES: &[(&str, &str, fn(&Rig))] = &[
    ("plain", "--email admin@site.test", |_| ()),
    ("element", "--email admin@site.test --element", |_| ()),
    ("tls_off", "--tls off --element web", |_| ()),
    ("localhost", "--tls off --domain localhost", |_| ()),
    ("no_8448", "--email admin@site.test --no-8448", |_| ()),
    ("global_email", "", |rig| {
        rig.setup(&["letsencrypt:set --global email a@site.test"]);
    }),
    ("delegated", "--email admin@site.test --server-name site.test", |_| ()),
    ("sibling", "--email admin@site.test --server-name site.test", |rig| {
        rig.website("site", "site.test");
    }),
    (
        "named",
        "--server-name site.test:8448 --domain m.site.test --service db --image ghcr.io/x/synapse:v1 --timeout 20",
        |rig| {
            rig.setup(&["letsencrypt:set --global email a@site.test"]);
            rig.scene.update(|state| state.pullable.insert("ghcr.io/x/synapse:v1".into())).unwrap();
        },
    ),
    (
        "support",
        "--tls off --support-email a@site.test --support-mxid @a:site.test --support-page https://site.test/help",
        |_| (),
    ),
    ("no_deploy", "--email admin@site.test --element --no-deploy", |_| ()),
    ("provided", "--tls provided --element", |_| ()),
    ("firewall", "--email admin@site.test", |rig| {
        rig.scene.update(|state| state.ufw.active = true).unwrap();
    }),
];

#[test]
fn from_nothing_and_again() {
    Rig::each(CASES, |(name, flags, before)| {
        let rig = Rig::new();
        before(&rig);
        let line = format!("matrix:create matrix {flags}");
        let line = line.trim();
        let first = rig.whole(line);
        assert_snapshot!(*name, format!("{first}\n{}", rig.whole(line)));
        let state = rig.state();
        let one = usize::from(*name != "no_deploy");
        assert_eq!(state.running("matrix").count(), one, "{name}");
        assert_eq!(state.max_mains.into_values().sum::<usize>(), one, "{name}");
    });
}

#[test]
fn a_dry_run_changes_nothing() {
    for flags in ["--email admin@site.test --element", "--tls off"] {
        let rig = Rig::new();
        let before = rig.portrait();
        let line = format!("matrix:create matrix {flags} --dry-run");
        let dry = rig.whole(&line);
        assert_eq!(rig.portrait(), before);
        rig.ok(line.trim_end_matches(" --dry-run"));
        let before = rig.portrait();
        let name = if flags.contains("off") { "dry_run_tls_off" } else { "dry_run" };
        assert_snapshot!(name, format!("{dry}\n{}", rig.whole(&line)));
        assert_eq!(rig.portrait(), before);
    }
}

/// What Dokku prints is shown, and what it says of passwords is not.
#[test]
fn with_all_that_dokku_prints() {
    let rig = Rig::new().lanes(3);
    let ran = rig.ok("matrix:create matrix --tls off --element --verbose");
    assert!(ran.stdout.contains("       -----> Creating matrix...\n"), "{}", ran.stdout);
    // Element Web's beside it name their app.
    assert!(ran.stdout.contains("       chat: -----> Creating chat...\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("postgres:***@dokku-postgres-matrix-db:5432"), "{}", ran.stdout);
}
