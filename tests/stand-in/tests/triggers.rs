//! Plugins see the triggers of a real Dokku: in the same order, with the same arguments and
//! environment, and as the same user, as recorded in `transcripts/triggers.md`.

#![expect(clippy::unwrap_used, reason = "helpers of a test panic")]

#[path = "replay/recordings.rs"]
mod recordings;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use recordings::{committed, external, print_line};
use stand_in::{Answer, Scene};

/// A trigger of a timer, which occurs at random.
const TIMER: &str = "scheduler-run-retire";

/// Commands of the recording that the stand-in does not support.
const UNSUPPORTED: [(&str, &str); 1] = [("dokku ps:inspect trq", "the plugin does not use it")];

/// The variables that depend on how Dokku was called, and those that do not.
const CALLED_WITH: [&str; 6] = [
    "DOKKU_APP_NAME",
    "DOKKU_APPS_FORCE_DELETE",
    "DOKKU_COMMAND",
    "DOKKU_GLOBAL_FLAGS",
    "DOKKU_QUIET_OUTPUT",
    "SKIP_REBUILD",
];
const ALWAYS: [&str; 18] = [
    "DOCKER_BIN",
    "DOKKU_API_VERSION",
    "DOKKU_LIB_ROOT",
    "DOKKU_NOT_IMPLEMENTED_EXIT",
    "DOKKU_ROOT",
    "DOKKU_SYSTEM_GROUP",
    "DOKKU_SYSTEM_USER",
    "DOKKU_VALID_EXIT",
    "HOME",
    "LANG",
    "PLUGIN_AVAILABLE_PATH",
    "PLUGIN_CORE_AVAILABLE_PATH",
    "PLUGIN_CORE_ENABLED_PATH",
    "PLUGIN_CORE_PATH",
    "PLUGIN_ENABLED_PATH",
    "PLUGIN_PATH",
    "SSH_NAME",
    "SSH_USER",
];

struct Recorded {
    commands: Vec<String>,
    triggers: Vec<String>,
}

fn recording(text: &str) -> Vec<Recorded> {
    let mut all: Vec<Recorded> = Vec::new();
    for line in text.lines() {
        if let Some(commands) = line.strip_prefix("$ ") {
            let commands = commands.split("; ").map(str::to_owned).collect();
            all.push(Recorded { commands, triggers: Vec::new() });
        } else if let (Some(trigger), Some(last)) = (line.strip_prefix("    "), all.last_mut()) {
            let (trigger, times) =
                trigger.strip_suffix("   (x2)").map_or((trigger, 1), |once| (once, 2));
            last.triggers.extend(std::iter::repeat_n(trigger.to_owned(), times));
        }
    }
    all
}

/// A plugin whose triggers log their name and arguments, and their user and environment, and print
/// nothing.
struct Probe<'a> {
    scene: &'a Scene,
    calls: PathBuf,
    environments: PathBuf,
}

impl<'a> Probe<'a> {
    fn new(scene: &'a Scene, triggers: &[&str]) -> Self {
        let calls = scene.path().join("triggers.log");
        let environments = scene.path().join("environments.log");
        let dir = scene.enabled().join("probe");
        fs::create_dir_all(&dir).unwrap();
        let script = format!(
            "#!/bin/sh\nline=${{0##*/}}\nfor arg in \"$@\"; do line=\"$line ${{arg:-\\\"\\\"}}\"; done\n\
             echo \"$line\" >>{}\n{{ echo \"USER=$(id -un)\"; env; echo; }} >>{}\n",
            calls.display(),
            environments.display(),
        );
        for name in triggers {
            let path = dir.join(name);
            fs::write(&path, &script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { scene, calls, environments }
    }

    /// Runs a command and returns the fired triggers with their environment.
    fn run(&self, command: &str) -> Vec<(String, BTreeMap<String, String>)> {
        fs::write(&self.calls, "").unwrap();
        fs::write(&self.environments, "").unwrap();
        let argv: Vec<&str> = command.split(' ').collect();
        self.scene.run(&argv, None).unwrap();
        let calls = fs::read_to_string(&self.calls).unwrap();
        let environments = fs::read_to_string(&self.environments).unwrap();
        let pairs = |block: &str| {
            let pairs = block.lines().filter_map(|line| line.split_once('='));
            pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
        };
        let environments = environments.split("\n\n").map(pairs);
        calls.lines().map(normalize).zip(environments).collect()
    }
}

/// Replaces what differs between runs with the placeholders of the recording.
fn normalize(line: &str) -> String {
    let word = |word: &str| match word {
        "/tmp/stand-in-workdir" => "<workdir>".to_owned(),
        id if id.len() == 64 && id.chars().all(|c| c.is_ascii_hexdigit()) => "<cid>".to_owned(),
        sha if sha.len() == 40 && sha.chars().all(|c| c.is_ascii_hexdigit()) => "<sha>".to_owned(),
        ip if ip.starts_with("172.17.") => "<ip>".to_owned(),
        other => other.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn scene() -> Scene {
    Scene::with_binary(Path::new(env!("CARGO_BIN_EXE_stand-in"))).unwrap()
}

/// The part of an environment that consists of these variables.
fn part(environment: &BTreeMap<String, String>, names: &[&str]) -> BTreeMap<String, String> {
    let mut part = environment.clone();
    part.retain(|name, _| names.contains(&name.as_str()));
    part
}

/// Replays the recorded commands; returns the number of commands and of compared triggers.
fn replay(text: &str) -> (usize, usize) {
    let recorded = recording(text);
    let scene = scene();
    let stdout = "bin\n".to_owned();
    let answer = Answer { contains: "trp ls /".to_owned(), stdout, ..Answer::default() };
    scene
        .update(|state| {
            for image in ["lab/smoke:1", "lab/smoke:2"] {
                state.images.entry(image.to_owned()).or_default().on_host = true;
            }
            state.exec.push(Answer { contains: "trp web ls /".to_owned(), ..answer.clone() });
            state.exec.push(answer);
        })
        .unwrap();
    assert!(scene.run(&["dokku", "apps:create", "trp"], None).unwrap().status.success());
    let names = recorded.iter().flat_map(|call| &call.triggers);
    let names: Vec<&str> = names.filter_map(|line| line.split(' ').next()).collect();
    let probe = Probe::new(&scene, &names);
    let host = part(&scene.env(), &ALWAYS);
    assert_eq!(host.len(), ALWAYS.len());
    let mut compared = 0;
    for call in &recorded {
        let commands = call.commands.join("; ");
        if let Some((_, reason)) = UNSUPPORTED.iter().find(|(command, _)| *command == commands) {
            print_line(&format!("triggers.md, not supported: {commands} ({reason})"));
            continue;
        }
        let fired: Vec<_> = call.commands.iter().flat_map(|command| probe.run(command)).collect();
        let now: Vec<&String> = fired.iter().map(|(line, _)| line).collect();
        let expected: Vec<&String> = call.triggers.iter().filter(|line| *line != TIMER).collect();
        assert_eq!(now, expected, "{commands}");
        for (line, environment) in &fired {
            assert_eq!(part(environment, &ALWAYS), host, "{commands}: {line}");
            assert_eq!(environment["USER"], host["DOKKU_SYSTEM_USER"], "{commands}: {line}");
            assert!(environment["DOKKU_PID"].parse::<u32>().is_ok(), "{commands}: {line}");
        }
        compared += expected.len();
    }
    (recorded.len(), compared)
}

#[test]
fn fires_triggers_as_recorded() {
    let here = fs::read_to_string(committed().join("triggers.md")).unwrap();
    assert_eq!(replay(&here), (20, 332));
    let Some(dir) = external() else { return };
    let there = fs::read_to_string(dir.join("triggers.md")).unwrap();
    if there != here {
        replay(&there);
    }
}

/// A rename destroys the old app with force, however it was called.
#[test]
fn triggers_see_how_dokku_was_called() {
    let scene = scene();
    let probe = Probe::new(
        &scene,
        &[
            "post-create",
            "post-config-update",
            "pre-delete",
            "post-delete",
            "post-app-rename-setup",
            "post-app-clone-setup",
        ],
    );
    for (command, triggers) in [
        (
            "dokku --quiet apps:create a",
            "post-create a: DOKKU_COMMAND=apps:create DOKKU_GLOBAL_FLAGS=--quiet DOKKU_QUIET_OUTPUT=1",
        ),
        (
            "dokku --app b apps:create",
            "post-create b: DOKKU_APP_NAME=b DOKKU_COMMAND=apps:create DOKKU_GLOBAL_FLAGS=--app",
        ),
        (
            "dokku config:set --no-restart a A=b",
            "post-config-update a set A: DOKKU_COMMAND=config:set DOKKU_GLOBAL_FLAGS=--no-restart",
        ),
        (
            "dokku apps:clone --skip-deploy a c",
            "post-create c: DOKKU_COMMAND=apps:clone DOKKU_GLOBAL_FLAGS=--skip-deploy SKIP_REBUILD=true\n\
             post-app-clone-setup a c: DOKKU_COMMAND=apps:clone DOKKU_GLOBAL_FLAGS=--skip-deploy SKIP_REBUILD=true",
        ),
        (
            "dokku apps:rename a d",
            "post-create d: DOKKU_COMMAND=apps:rename DOKKU_GLOBAL_FLAGS=\n\
             post-app-rename-setup a d: DOKKU_COMMAND=apps:rename DOKKU_GLOBAL_FLAGS=\n\
             pre-delete a \"\": DOKKU_APPS_FORCE_DELETE=1 DOKKU_COMMAND=apps:rename DOKKU_GLOBAL_FLAGS=\n\
             post-delete a \"\": DOKKU_APPS_FORCE_DELETE=1 DOKKU_COMMAND=apps:rename DOKKU_GLOBAL_FLAGS=",
        ),
        (
            "dokku apps:destroy b --force",
            "pre-delete b \"\": DOKKU_APPS_FORCE_DELETE=1 DOKKU_COMMAND=apps:destroy DOKKU_GLOBAL_FLAGS=--force\n\
             post-delete b \"\": DOKKU_APPS_FORCE_DELETE=1 DOKKU_COMMAND=apps:destroy DOKKU_GLOBAL_FLAGS=--force",
        ),
    ] {
        let now: Vec<String> = probe
            .run(command)
            .iter()
            .map(|(line, environment)| {
                let pairs = part(environment, &CALLED_WITH);
                let pairs: Vec<String> =
                    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("{line}: {}", pairs.join(" "))
            })
            .collect();
        assert_eq!(now.join("\n"), triggers, "{command}");
    }
}
