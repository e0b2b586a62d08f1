//! `matrix:create`: what it does, and that a second run changes nothing.

use super::harness::{TestHost, in_parallel};
use insta::assert_snapshot;

/// A name, the flags, and what prepares the host.
const CASES: &[(&str, &str, fn(&TestHost))] = &[
    ("plain", "--email admin@site.test", |_| ()),
    ("element", "--email admin@site.test --element", |_| ()),
    ("tls_off", "--tls off --element web", |_| ()),
    ("localhost", "--tls off --domain localhost", |_| ()),
    ("no_8448", "--email admin@site.test --no-8448", |_| ()),
    ("global_email", "", |host| {
        host.setup(&["letsencrypt:set --global email a@site.test"]);
    }),
    ("delegated", "--email admin@site.test --server-name site.test", |_| ()),
    ("sibling", "--email admin@site.test --server-name site.test", |host| {
        host.website("site", "site.test");
    }),
    (
        "named",
        "--server-name site.test:8448 --domain m.site.test --service db --image ghcr.io/x/synapse:v1 --timeout 20",
        |host| {
            host.setup(&["letsencrypt:set --global email a@site.test"]);
            host.scene
                .update(|state| state.pullable.insert("ghcr.io/x/synapse:v1".into()))
                .unwrap();
        },
    ),
    (
        "support",
        "--tls off --support-email a@site.test --support-mxid @a:site.test --support-page https://site.test/help",
        |_| (),
    ),
    ("no_deploy", "--email admin@site.test --element --no-deploy", |_| ()),
    ("provided", "--tls provided --element", |_| ()),
    ("firewall", "--email admin@site.test", |host| {
        host.scene.update(|state| state.ufw.active = true).unwrap();
    }),
];

#[test]
fn creates_once() {
    in_parallel(CASES, |(name, flags, before)| {
        let host = TestHost::new();
        before(&host);
        let line = format!("matrix:create matrix {flags}");
        let line = line.trim();
        let first = host.transcript(line);
        assert_snapshot!(*name, format!("{first}\n{}", host.transcript(line)));
        let state = host.state();
        let one = usize::from(*name != "no_deploy");
        assert_eq!(state.running("matrix").count(), one, "{name}");
        assert_eq!(state.max_mains.into_values().sum::<usize>(), one, "{name}");
    });
}

#[test]
fn dry_run_changes_nothing() {
    for flags in ["--email admin@site.test --element", "--tls off"] {
        let host = TestHost::new();
        let before = host.dump();
        let line = format!("matrix:create matrix {flags} --dry-run");
        let dry = host.transcript(&line);
        assert_eq!(host.dump(), before);
        host.ok(line.trim_end_matches(" --dry-run"));
        let before = host.dump();
        let name = if flags.contains("off") { "dry_run_tls_off" } else { "dry_run" };
        assert_snapshot!(name, format!("{dry}\n{}", host.transcript(&line)));
        assert_eq!(host.dump(), before);
    }
}

/// The name that can never be changed is told before the first change, with the reason, and only then.
#[test]
fn tells_the_server_name_first() {
    let cases = [
        ("matrix", "matrix.site.test, the domain that Dokku gives matrix", true),
        ("a.b", "a.b, as the app is called", true),
        ("matrix --domain m.site.test", "m.site.test, as --domain says", true),
        ("matrix --server-name site.test:8448", "site.test:8448, as --server-name says", false),
    ];
    in_parallel(&cases, |(words, what, has_choice)| {
        let host = TestHost::new();
        let choice = if *has_choice { " (another one: --server-name NAME)" } else { "" };
        let expected =
            format!("=====> The server name will be {what}{choice}; it can never be changed");
        let line = format!("matrix:create {words} --tls off --no-deploy");
        for flag in [" --dry-run", "", " --dry-run"] {
            let output = host.dokku(&format!("{line}{flag}"));
            let first = output.stdout.lines().next();
            let is_told = first == Some(expected.as_str());
            let was_created = host.lib("data/matrix").join(".host/apps").exists();
            assert_eq!(is_told, flag.is_empty() || !was_created, "{line}{flag}: {output:#?}");
        }
        // A homeserver that is created again has its name already.
        let app = words.split(' ').next().unwrap();
        host.setup(&[&format!("--force apps:destroy {app}")]);
        let output = host.dokku(&line);
        assert!(!output.stdout.contains("The server name will be"), "{output:#?}");
    });
}

/// Dokku's output is shown, but the passwords in it are masked.
#[test]
fn verbose_hides_passwords() {
    let host = TestHost::new().parallel_steps(3);
    let output = host.ok("matrix:create matrix --tls off --element --verbose");
    assert!(
        output.stdout.contains("       matrix: -----> Creating matrix...\n"),
        "{}",
        output.stdout
    );
    // Each line names its app: steps run in parallel.
    assert!(output.stdout.contains("       chat: -----> Creating chat...\n"), "{}", output.stdout);
    assert!(
        output.stdout.contains("postgres:***@dokku-postgres-matrix-db:5432"),
        "{}",
        output.stdout
    );
}
