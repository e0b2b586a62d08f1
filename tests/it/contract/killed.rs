//! Killed anywhere, the same command finishes the job: the host is then what it would have become
//! undisturbed, and what was secret has stayed the same.

use super::camera::{Camera, Ready};
use super::portrait::assert_alike;
use super::rig::Rig;
use stand_in::{Count, Fault, Kind, Service, State};
use std::collections::BTreeSet;
use std::fs;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

const LINE: &str = "matrix:create matrix --email admin@site.test --element";

/// An undisturbed run.
struct Whole {
    portrait: String,
    changes: u64,
}

static WHOLE: LazyLock<Whole> = LazyLock::new(|| {
    let rig = Rig::new();
    rig.ok(LINE);
    let changes = rig.scene.changes().unwrap().iter().filter(|call| !call.nested).count();
    Whole { portrait: rig.portrait(), changes: changes.try_into().unwrap() }
});

/// After whatever has happened, the same command ends well and the host is as it should be.
fn finishes(rig: &Rig, what: &str) {
    rig.scene.settle(Duration::from_secs(20)).unwrap();
    rig.scene.clear_fault().unwrap();
    let made = rig.secrets();
    let ran = rig.dokku(LINE);
    assert_eq!(ran.code, Some(3), "{what}: {ran:#?}");
    let now = rig.secrets();
    for (name, text) in made {
        assert_eq!(now[&name], text, "{what}: {name}");
    }
    assert_alike(&rig.portrait(), &WHOLE.portrait, what);
}

/// After each with one step at a time, before each with three: then others are at work.
#[test]
fn killed_at_every_change() {
    let kinds = [(Kind::KillAfter, 1), (Kind::KillBefore, 3)];
    let cases: Vec<_> = (1..=WHOLE.changes)
        .flat_map(|call| kinds.map(|(kind, lanes)| (call, kind, lanes)))
        .collect();
    assert_eq!(cases.len(), 50);
    Rig::each(&cases, |&(call, kind, lanes)| {
        let rig = Rig::new().lanes(lanes);
        let fault = Fault { call: Some(call), count: Count::Changes, kind, ..Fault::default() };
        rig.scene.set_fault(&fault).unwrap();
        let ran = rig.dokku(LINE);
        assert_eq!(ran.code, Some(137), "{ran:#?}");
        finishes(&rig, &format!("{kind:?} {call}"));
    });
}

/// Before every call, those of triggers included: then Dokku dies in the middle of a command as
/// well. Many calls follow each other on the same host, and each host is tried once.
#[test]
fn killed_at_every_call() {
    let rig = Rig::new();
    let camera = Camera::new(&rig);
    rig.ok(LINE);
    let shots = camera.shots();
    let seen = Mutex::new(BTreeSet::new());
    Rig::each(&shots, |shot| {
        let host = camera.host(shot);
        if seen.lock().unwrap().insert(host.portrait()) {
            finishes(&host, &Camera::call(shot));
        }
    });
    let counts = (shots.len(), seen.lock().unwrap().len());
    assert!(counts.0 >= 130 && counts.1 >= 30, "calls, and hosts that differ: {counts:?}");
}

/// The database is made by a command of its own, which a crash leaves half done.
#[test]
fn a_half_made_database_is_made_again() {
    let missing = |service: &mut Service| service.databases.retain(|name, _| name != "matrix_db");
    let stopped = |service: &mut Service| service.container = None;
    let wrong = |service: &mut Service| {
        let locale = ["SQL_ASCII", "C", "C"].map(str::to_owned);
        service.databases.insert("matrix_db".into(), locale);
    };
    let halves: [(&str, fn(&mut Service)); 3] =
        [("without its database", missing), ("without a container", stopped), ("wrong", wrong)];
    Rig::each(&halves, |(what, half)| {
        let rig = killed_at("postgres:create");
        assert_eq!(rig.read("making-service"), "matrix-db");
        rig.scene.update(|state| half(state.services.get_mut("matrix-db").unwrap())).unwrap();
        let before = rig.state().services["matrix-db"].password.clone();
        finishes(&rig, what);
        assert_ne!(rig.state().services["matrix-db"].password, before);
        assert!(!rig.file("making-service").exists());
    });
}

/// What is not ours to destroy: tables, and a service that no run of ours was making.
#[test]
fn other_databases_are_never_made_again() {
    let wrong = |rig: &Rig, tables: u32| {
        let change = |state: &mut State| {
            let service = state.services.get_mut("matrix-db").unwrap();
            let locale = ["UTF8", "en_US.utf8", "en_US.utf8"].map(str::to_owned);
            service.databases.insert("matrix_db".into(), locale);
            service.tables = tables;
        };
        rig.scene.update(change).unwrap();
    };
    let with_tables = killed_at("postgres:create");
    wrong(&with_tables, 1);
    let not_ours = Rig::new();
    not_ours.setup(&["postgres:create matrix-db"]);
    wrong(&not_ours, 0);
    for rig in [with_tables, not_ours] {
        rig.changes();
        let ran = rig.dokku(LINE);
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        let first = ran.stderr.lines().next().unwrap();
        assert_eq!(
            first,
            " !     the postgres service matrix-db has the database matrix_db with UTF8, en_US.utf8, \
             en_US.utf8 instead of UTF8, C, C, which Synapse refuses"
        );
        assert!(!rig.changes().iter().any(|call| call.contains("postgres:")));
    }
}

/// The child of a killed run goes on: until it has ended, the server is busy.
#[test]
fn an_orphan_is_waited_for() {
    let rig = Rig::new();
    let prefix = ["dokku", "postgres:create"].map(str::to_owned).to_vec();
    let kind = Kind::OrphanMs(8000);
    rig.scene.set_fault(&Fault { argv_prefix: Some(prefix), kind, ..Fault::default() }).unwrap();
    assert_eq!(rig.dokku(LINE).code, Some(137));
    let ran = rig.dokku(LINE);
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    let (first, hint) = ran.stderr.split_once('\n').unwrap();
    assert!(
        first.starts_with(
            " !     a run that was interrupted left a dokku command at work (process "
        ),
        "{first}"
    );
    assert_eq!(hint, " !     wait until it has ended, then type the same command again\n");
    finishes(&rig, "an orphan");
}

/// Dokku was killed after it had started a container and before it had noted it, or before it took the
/// app for deployed: it would leave that one at work beside the next.
#[test]
fn no_second_main_beside_one_that_dokku_does_not_know() {
    let unnoted = |rig: &Rig| {
        fs::remove_file(rig.scene.root().join("matrix/CONTAINER.web.1")).unwrap();
        let its = |state: &mut State| {
            let mut all = state.containers.iter_mut();
            all.rfind(|container| container.app == "matrix").unwrap().listed = false;
        };
        rig.scene.update(its).unwrap();
    };
    let unfinished = |rig: &Rig| {
        rig.scene.update(|state| state.apps.get_mut("matrix").unwrap().deployed = false).unwrap();
    };
    let both = |rig: &Rig| {
        unnoted(rig);
        unfinished(rig);
    };
    let ready = Ready::after(LINE);
    let states: [(&str, &(dyn Fn(&Rig) + Sync)); 3] =
        [("unnoted", &unnoted), ("unfinished", &unfinished), ("both", &both)];
    Rig::each(&[0, 1, 2], |&at| {
        let (what, state) = &states[at];
        for line in [LINE, "ps:rebuild matrix"] {
            let rig = ready.host();
            let before: Vec<_> = rig.state().running("matrix").map(|c| c.id.clone()).collect();
            state(&rig);
            rig.ok(line);
            let now = rig.state();
            let after: Vec<_> = now.running("matrix").map(|c| c.id.clone()).collect();
            assert!(after.len() == 1 && after != before, "{what}, {line}: {before:?} {after:?}");
            assert!(now.max_mains.values().all(|mains| *mains == 1), "{what}, {line}");
        }
    });
}

fn killed_at(command: &str) -> Rig {
    let rig = Rig::new();
    let prefix = ["dokku", command].map(str::to_owned).to_vec();
    let fault = Fault { argv_prefix: Some(prefix), kind: Kind::KillAfter, ..Fault::default() };
    rig.scene.set_fault(&fault).unwrap();
    assert_eq!(rig.dokku(LINE).code, Some(137));
    rig
}
