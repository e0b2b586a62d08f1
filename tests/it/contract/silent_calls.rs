//! Each call of a run ends as always, but prints nothing, as on a full file system. The run either
//! reports that, or does the same as if the call had printed everything: what was not read never
//! passes for a fact.

use super::harness::{TestHost, in_parallel};
use super::normalize::assert_same;
use super::sample::sample;
use super::small_disk::SmallDisk;
use super::snapshot::PreparedHost;
use crate::support::Output;
use stand_in::{Fault, Kind, Record, State};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

const CREATE: &str = "matrix:create matrix --email admin@site.test --element";

/// What is run on a host without any app: the same.
const FRESH: &str = "matrix:create matrix --element --email admin@site.test";

/// What is run, on a host with a homeserver; a line that begins with a trigger's name runs that.
const LINES: [&str; 20] = [
    FRESH,
    CREATE,
    "matrix:deploy matrix",
    "matrix:deploy matrix --dry-run",
    "matrix:deploy matrix --image matrixdotorg/synapse:v1.163.3",
    "matrix:list",
    "matrix:report",
    "matrix:report matrix --matrix-running",
    "matrix:register-user matrix bob",
    "matrix:report matrix --format json",
    "matrix:enable-element matrix",
    "matrix:disable-element matrix",
    "ps:restart matrix",
    "ps:restore matrix",
    "apps:rename matrix talk",
    "apps:rename chat talk",
    "apps:destroy matrix --force",
    "trigger scheduler-deploy docker-local matrix latest",
    "trigger report matrix",
    "trigger post-deploy matrix",
];

/// The commands that wait until Synapse is ready.
const WAITS: [&str; 2] = [FRESH, "matrix:deploy matrix --image matrixdotorg/synapse:v1.163.3"];

/// Whether the run needs nothing of what the call prints.
fn can_do_without(line: &str, call: &Record) -> bool {
    let is = |start: &str| call.line().starts_with(start);
    // Its exit code says everything: there is no such app.
    call.rc != 0
        // Only what it does counts.
        || call.changes
        // It illustrates an error.
        || is("dokku logs ")
        // The advice on the firewall is left out.
        || is("ufw status")
        // Dokku builds its own template; this run or the next deploy builds ours again.
        || call.nested && (is("nginx -v") || is("sigil -v"))
        // Where nothing runs yet, the guard warns.
        || call.nested && line == FRESH
        // What waits asks again.
        || WAITS.contains(&line)
            && ["docker ps ", "docker container inspect ", "dokku network:report "].map(is).contains(&true)
}

fn run(host: &TestHost, line: &str) -> Output {
    match line.strip_prefix("trigger ").and_then(|rest| rest.split_once(' ')) {
        Some((name, args)) => host.trigger(name, args),
        None => host.dokku_with(line, b"a password\n"),
    }
}

/// The plugin's calls of a run, with their numbers. The calls of a test that is not a command of the
/// plugin are Dokku's, except for those inside triggers.
fn calls(host: &TestHost, line: &str) -> Vec<(u64, Record)> {
    let mut all = host.calls();
    all.sort_by_key(|call| call.seq);
    let all = all.into_iter().filter(|call| !call.forwarded);
    let is_ours = line.starts_with("matrix:");
    (1..).zip(all).filter(|(_, call)| is_ours || call.nested).collect()
}

/// A host with a homeserver, and with what the administrator has added.
fn homeserver() -> PreparedHost {
    let host = TestHost::after(CREATE);
    host.setup(&["domains:add matrix www.site.test"]);
    let image = "matrixdotorg/synapse:v1.163.3".to_owned();
    host.scene.update(|state| assert!(state.pullable.insert(image))).unwrap();
    PreparedHost::from_host(host)
}

#[test]
fn what_was_not_read_is_no_fact() {
    let (homeserver, nothing) = (homeserver(), PreparedHost::from_host(TestHost::new()));
    let copy = |line: &str| {
        let host = if line == FRESH { nothing.copy() } else { homeserver.copy() };
        host.scene.forget_calls().unwrap();
        host
    };
    let mut cases = vec![];
    let mut expected = BTreeMap::new();
    for line in LINES {
        let host = copy(line);
        let output = run(&host, line);
        let calls = calls(&host, line).into_iter();
        cases.extend(calls.map(|(number, call)| (line, number, call)));
        expected.insert(line, (output, host.dump()));
    }
    assert!(cases.len() > 400, "{}", cases.len());
    let cases = sample(cases);
    in_parallel(&cases, |(line, number, call)| {
        let host = copy(line);
        let kind = Kind::Silent;
        let fault = Fault { call: Some(*number), nested: true, kind, ..Fault::default() };
        host.scene.set_fault(&fault).unwrap();
        let output = run(&host, line);
        host.scene.clear_fault().unwrap();
        let context = format!("{line}: {number}. {}", call.line());
        let printed = output.stdout.clone() + &output.stderr;
        // A call that fails and does not say why is a failure like any other.
        let is_told = printed.contains("ended with exit code 0 and printed nothing")
            || printed.contains("ended with exit code 1\n")
            // What a trigger of the command could not do.
            || printed.contains("this was done and is still missing: ");
        if is_told {
            return;
        }
        assert!(can_do_without(line, call), "{context}: {output:#?}");
        let (wanted, dump) = &expected[line];
        assert_eq!(output.code, wanted.code, "{context}: {output:#?}");
        if call.nested && line.starts_with("matrix:") && host.dump() != *dump {
            host.ok("matrix:deploy matrix");
        }
        assert_same(&host.dump(), dump, &context);
    });
}

/// Nothing that the plugin reads goes through a disk: with a full directory for temporary files the
/// guard still finds the other app that runs on the same data, and a command the running server.
#[test]
fn a_full_directory_for_temporary_files_hides_nothing() {
    let host = TestHost::after("matrix:create matrix --tls off");
    let temporary = host.scene.path().join("tmp");
    let Some(disk) = SmallDisk::at(&temporary, 1) else { return };
    disk.fill();
    let run = |mut command: Command| {
        command.env("TMPDIR", &temporary);
        host.run(command, b"")
    };
    let running = run(host.command("matrix:report matrix --matrix-running"));
    assert_eq!((running.code, running.stdout.as_str()), (Some(0), "true\n"), "{running:#?}");
    let guard = || {
        let guard = host.scene.enabled().join("matrix/scheduler-deploy");
        let mut command = host.scene.command(&guard);
        command.args(["docker-local", "matrix", "latest"]).env("STAND_IN_TRIGGER", "x");
        run(command)
    };
    assert_eq!(guard().code, Some(0));
    let other = |state: &mut State| {
        let mut other = state.running("matrix").next().unwrap().clone();
        (other.id, other.app) = ("f".repeat(64), "other".to_owned());
        state.containers.push(other);
    };
    host.scene.update(other).unwrap();
    let refused = guard();
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("other runs on the data of matrix"), "{refused:#?}");
}

/// nginx said nothing of a file: it does not stay, for nginx would read it at the next reload.
#[test]
fn an_untested_file_does_not_stay() {
    let host = TestHost::after("matrix:create matrix --tls off");
    let directory = host.scene.root().join("matrix/nginx.conf.d");
    let names = || {
        let entries = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name());
        entries.collect::<BTreeSet<_>>()
    };
    let before = names();
    let file = directory.join("matrix.conf");
    for old in [None, Some("# old\n")] {
        match old {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let left = names();
        let test = ["nginx", "-t"].map(str::to_owned).to_vec();
        let fault = Fault { argv_prefix: Some(test), kind: Kind::Silent, ..Fault::default() };
        host.scene.set_fault(&fault).unwrap();
        let output = host.dokku("matrix:deploy matrix");
        assert!(output.stderr.contains("printed nothing of a successful test"), "{output:#?}");
        assert_eq!(names(), left);
        assert_eq!(fs::read_to_string(&file).ok().as_deref(), old);
        host.ok("matrix:deploy matrix");
        assert_eq!(names(), before);
    }
}
