//! A run that is killed at any moment is completed by the same command. The host is then the same
//! as after an uninterrupted run, and secrets that existed have not changed.

use super::harness::{TestHost, in_parallel};
use super::normalize::assert_same;
use super::sample::sample;
use super::snapshot::{PreparedHost, Snapshots};
use stand_in::{Count, Fault, Kind, Service, State};
use std::collections::BTreeSet;
use std::fs;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

const LINE: &str = "matrix:create matrix --email admin@site.test --element";

/// The result of an uninterrupted run.
struct Uninterrupted {
    dump: String,
    changes: u64,
}

static UNINTERRUPTED: LazyLock<Uninterrupted> = LazyLock::new(|| {
    let host = TestHost::new();
    host.ok(LINE);
    let changes = host.scene.changes().unwrap().iter().filter(|call| !call.nested).count();
    Uninterrupted { dump: host.dump(), changes: changes.try_into().unwrap() }
});

/// Checks that the same command completes, and that the host is then in the expected state.
fn assert_completes(host: &TestHost, context: &str) {
    host.scene.settle(Duration::from_secs(20)).unwrap();
    host.scene.clear_fault().unwrap();
    let made = host.secrets();
    let output = host.dokku(LINE);
    assert_eq!(output.code, Some(3), "{context}: {output:#?}");
    let now = host.secrets();
    for (name, text) in made {
        assert_eq!(now[&name], text, "{context}: {name}");
    }
    assert_same(&host.dump(), &UNINTERRUPTED.dump, context);
}

/// After each change with one step at a time, and before each change with three parallel steps, so
/// that others are still running.
#[test]
fn completes_after_a_kill_at_any_change() {
    let kinds = [(Kind::KillAfter, 1), (Kind::KillBefore, 3)];
    let cases: Vec<_> = (1..=UNINTERRUPTED.changes)
        .flat_map(|call| kinds.map(|(kind, lanes)| (call, kind, lanes)))
        .collect();
    assert_eq!(cases.len(), 62);
    in_parallel(&cases, |&(call, kind, lanes)| {
        let host = TestHost::new().parallel_steps(lanes);
        let fault = Fault { call: Some(call), count: Count::Changes, kind, ..Fault::default() };
        host.scene.set_fault(&fault).unwrap();
        let output = host.dokku(LINE);
        assert_eq!(output.code, Some(137), "{output:#?}");
        assert_completes(&host, &format!("{kind:?} {call}"));
    });
}

/// Killed before every call, including those of triggers, when Dokku dies in the middle of a
/// command, too. Each distinct state of the host is tried once.
#[test]
fn completes_after_a_kill_at_any_call() {
    let host = TestHost::new();
    let recording = Snapshots::record(&host);
    host.ok(LINE);
    let snapshots = recording.all();
    assert!(snapshots.len() >= 200, "{}", snapshots.len());
    let snapshots = sample(snapshots);
    let seen = Mutex::new(BTreeSet::new());
    in_parallel(&snapshots, |snapshot| {
        let host = recording.restore(snapshot);
        if seen.lock().unwrap().insert(host.dump()) {
            assert_completes(&host, &Snapshots::call(snapshot));
        }
    });
    let different = seen.lock().unwrap().len();
    assert!(different >= 10, "hosts that differ: {different}");
}

/// Dokku creates a service in several steps, which a crash can interrupt.
#[test]
fn recreates_an_unfinished_database() {
    let missing = |service: &mut Service| service.databases.retain(|name, _| name != "matrix_db");
    let stopped = |service: &mut Service| service.container = None;
    let wrong = |service: &mut Service| {
        let locale = ["SQL_ASCII", "C", "C"].map(str::to_owned);
        service.databases.insert("matrix_db".into(), locale);
    };
    let damages: [(&str, fn(&mut Service)); 3] =
        [("without its database", missing), ("without a container", stopped), ("wrong", wrong)];
    in_parallel(&damages, |(context, damage)| {
        let host = killed_at("postgres:create");
        assert_eq!(host.status()["creating_service"], "matrix-db");
        host.scene.update(|state| damage(state.services.get_mut("matrix-db").unwrap())).unwrap();
        let before = host.state().services["matrix-db"].password.clone();
        assert_completes(&host, context);
        assert_ne!(host.state().services["matrix-db"].password, before);
        assert!(host.status()["creating_service"].is_null());
    });
}

/// A service is never destroyed if it has tables, or if no run of the plugin was creating it.
#[test]
fn never_recreates_other_databases() {
    let wrong = |host: &TestHost, tables: u32| {
        let change = |state: &mut State| {
            let service = state.services.get_mut("matrix-db").unwrap();
            let locale = ["UTF8", "en_US.utf8", "en_US.utf8"].map(str::to_owned);
            service.databases.insert("matrix_db".into(), locale);
            service.tables = tables;
        };
        host.scene.update(change).unwrap();
    };
    let with_tables = killed_at("postgres:create");
    wrong(&with_tables, 1);
    let not_ours = TestHost::new();
    not_ours.setup(&["postgres:create matrix-db"]);
    wrong(&not_ours, 0);
    for host in [with_tables, not_ours] {
        host.changes();
        let output = host.dokku(LINE);
        assert_eq!(output.code, Some(1), "{output:#?}");
        let first = output.stderr.lines().next().unwrap();
        assert_eq!(
            first,
            " !     the postgres service matrix-db has the database matrix_db with UTF8, en_US.utf8, \
             en_US.utf8 instead of UTF8, C, C, which Synapse refuses"
        );
        assert!(!host.changes().iter().any(|call| call.contains("postgres:")));
    }
}

/// A command that a killed run has started keeps running. Until it ends, the server is locked.
#[test]
fn waits_for_an_orphaned_command() {
    let host = TestHost::new();
    let prefix = ["dokku", "postgres:create"].map(str::to_owned).to_vec();
    let kind = Kind::OrphanMs(8000);
    host.scene.set_fault(&Fault { argv_prefix: Some(prefix), kind, ..Fault::default() }).unwrap();
    assert_eq!(host.dokku(LINE).code, Some(137));
    let output = host.dokku(LINE);
    assert_eq!(output.code, Some(4), "{output:#?}");
    let (first, hint) = output.stderr.split_once('\n').unwrap();
    assert!(
        first.starts_with(" !     an interrupted run left a dokku command at work (process "),
        "{first}"
    );
    assert_eq!(hint, " !     Wait until it has ended, then run the same command again.\n");
    assert_completes(&host, "an orphan");
}

/// Dokku was killed after it had started a container, and before it recorded the container or the
/// deploy. It would start the next container beside that one.
#[test]
fn never_starts_a_second_process_beside_an_untracked_one() {
    let untracked = |host: &TestHost| {
        fs::remove_file(host.scene.root().join("matrix/CONTAINER.web.1")).unwrap();
        let its = |state: &mut State| {
            let mut all = state.containers.iter_mut();
            all.rfind(|container| container.app == "matrix").unwrap().listed = false;
        };
        host.scene.update(its).unwrap();
    };
    let unfinished = |host: &TestHost| {
        host.scene.update(|state| state.apps.get_mut("matrix").unwrap().deployed = false).unwrap();
    };
    let both = |host: &TestHost| {
        untracked(host);
        unfinished(host);
    };
    let prepared = PreparedHost::after(LINE);
    let states: [(&str, &(dyn Fn(&TestHost) + Sync)); 3] =
        [("unnoted", &untracked), ("unfinished", &unfinished), ("both", &both)];
    in_parallel(&[0, 1, 2], |&at| {
        let (context, state) = &states[at];
        for line in [LINE, "ps:rebuild matrix"] {
            let host = prepared.copy();
            let before: Vec<_> = host.state().running("matrix").map(|c| c.id.clone()).collect();
            state(&host);
            host.ok(line);
            let now = host.state();
            let after: Vec<_> = now.running("matrix").map(|c| c.id.clone()).collect();
            assert!(after.len() == 1 && after != before, "{context}, {line}: {before:?} {after:?}");
            assert!(now.max_mains.values().all(|mains| *mains == 1), "{context}, {line}");
        }
    });
}

fn killed_at(command: &str) -> TestHost {
    let host = TestHost::new();
    let prefix = ["dokku", command].map(str::to_owned).to_vec();
    let fault = Fault { argv_prefix: Some(prefix), kind: Kind::KillAfter, ..Fault::default() };
    host.scene.set_fault(&fault).unwrap();
    assert_eq!(host.dokku(LINE).code, Some(137));
    host
}
