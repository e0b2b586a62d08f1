//! Fault injection at a chosen call.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use stand_in::{Count, Fault, Kind, Scene};

use crate::{ok, plugin, refused, run, scene, stderr};

/// A shell under the plugin's name, because faults kill only the plugin.
fn dokku_matrix(scene: &Scene, script: &str) -> Child {
    let shell: PathBuf = scene.path().join("dokku-matrix");
    fs::copy(fs::canonicalize("/bin/sh").unwrap(), &shell).unwrap();
    let mut command = scene.command(&shell);
    command.args(["-c", script]).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Runs a script as the plugin and returns whether it completed.
fn completes(scene: &Scene, script: &str) -> bool {
    let completed = dokku_matrix(scene, script).wait().unwrap().success();
    scene.settle(Duration::from_secs(10)).unwrap();
    completed
}

fn change(call: u64, kind: Kind) -> Fault {
    Fault { call: Some(call), count: Count::Changes, kind, ..Fault::default() }
}

const TWO: &str = "dokku apps:list && dokku apps:create a && dokku apps:create b";

#[test]
fn a_call_fails_without_effect() {
    let scene = scene();
    scene.set_fault(&change(2, Kind::Fail)).unwrap();
    ok(&scene, &["dokku apps:list", "dokku apps:create a"]);
    let output = refused(&scene, "dokku apps:create b");
    assert_eq!(stderr(&output), " !     stand-in: this call fails\n");
    ok(&scene, &["dokku apps:create b"]);
    scene.set_fault(&Fault { call: Some(2), ..Fault::default() }).unwrap();
    ok(&scene, &["dokku apps:list"]);
    refused(&scene, "dokku apps:list");
}

#[test]
fn selects_a_call_by_its_arguments() {
    let scene = scene();
    let prefix = ["dokku", "apps:exists", "b"].map(str::to_owned).to_vec();
    scene
        .set_fault(&Fault { argv_prefix: Some(prefix), nth: Some(2), ..Fault::default() })
        .unwrap();
    ok(&scene, &["dokku apps:create b", "dokku apps:exists b"]);
    refused(&scene, "dokku apps:exists b");
    ok(&scene, &["dokku apps:exists b"]);
}

#[test]
fn kills_the_caller_before_or_after_the_call() {
    let scene = scene();
    scene.set_fault(&change(2, Kind::KillBefore)).unwrap();
    assert!(!completes(&scene, TWO));
    assert_eq!(scene.state().unwrap().apps.len(), 1);
    scene.clear_fault().unwrap();
    ok(&scene, &["dokku apps:destroy a --force"]);
    scene.set_fault(&change(2, Kind::KillAfter)).unwrap();
    assert!(!completes(&scene, &format!("{TWO} && dokku apps:create c")));
    assert_eq!(scene.state().unwrap().apps.len(), 2);
}

#[test]
fn kills_only_the_call() {
    let scene = scene();
    scene.set_fault(&change(1, Kind::Die)).unwrap();
    let output = run(&scene, "dokku apps:create a");
    assert_eq!((output.status.code(), output.status.signal()), (None, Some(9)));
    assert!(scene.state().unwrap().apps.is_empty());
    scene.set_fault(&change(1, Kind::Die)).unwrap();
    assert!(completes(&scene, "dokku apps:create a; [ $? = 137 ] && dokku apps:create b"));
    let apps: Vec<String> = scene.state().unwrap().apps.into_keys().collect();
    assert_eq!(apps, ["b"]);
}

#[test]
fn an_orphaned_call_completes() {
    let scene = scene();
    scene.set_fault(&change(1, Kind::OrphanMs(300))).unwrap();
    let mut plugin = dokku_matrix(&scene, TWO);
    assert!(!plugin.wait().unwrap().success());
    assert!(scene.state().unwrap().apps.is_empty());
    scene.settle(Duration::from_secs(10)).unwrap();
    assert_eq!(scene.state().unwrap().apps.len(), 1);
}

#[test]
fn delays_a_call() {
    let scene = scene();
    scene.set_fault(&change(1, Kind::HangMs(300))).unwrap();
    let since = Instant::now();
    ok(&scene, &["dokku apps:create a"]);
    assert!(since.elapsed() >= Duration::from_millis(300));
}

#[test]
fn counts_nested_calls_only_on_request() {
    let scene = scene();
    plugin(&scene, &[("post-create", "dokku checks:disable $1 web || exit 1")]);
    scene.set_fault(&change(2, Kind::Fail)).unwrap();
    ok(&scene, &["dokku apps:create a"]);
    refused(&scene, "dokku apps:create b");
    scene.set_fault(&Fault { nested: true, ..change(2, Kind::Fail) }).unwrap();
    refused(&scene, "dokku apps:create c");
    assert_eq!(run(&scene, "dokku apps:exists c").status.code(), Some(0));
}

#[test]
fn parallel_calls_lose_no_update() {
    let scene = scene();
    thread::scope(|scope| {
        for lane in 0..4 {
            let scene = &scene;
            scope.spawn(move || {
                for at in 0..6 {
                    ok(scene, &[&format!("dokku apps:create a{lane}{at}")]);
                }
            });
        }
    });
    assert_eq!(scene.state().unwrap().apps.len(), 24);
    let seqs: Vec<u64> = scene.calls().unwrap().iter().map(|record| record.seq).collect();
    assert_eq!(seqs, (1..=24).collect::<Vec<_>>());
}

#[test]
fn a_silent_call_takes_effect() {
    let scene = scene();
    let silent = |call| Fault { call: Some(call), kind: Kind::Silent, ..Fault::default() };
    scene.set_fault(&silent(1)).unwrap();
    let output = run(&scene, "dokku apps:create a");
    assert_eq!((output.status.code(), output.stdout, output.stderr), (Some(0), vec![], vec![]));
    assert_eq!(scene.state().unwrap().apps.len(), 1);
    scene.set_fault(&silent(1)).unwrap();
    assert_eq!(stderr(&refused(&scene, "dokku apps:create a")), "");
}
