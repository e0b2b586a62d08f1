//! Plugins see the triggers that a real Dokku fires, in its order and with its arguments: as
//! `transcripts/triggers.md` has them.

#![expect(clippy::unwrap_used, reason = "helpers of a test panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use stand_in::Scene;

/// A timer's trigger, which comes between others by chance.
const TIMER: &str = "scheduler-run-retire";

/// Commands of the recording that the stand-in does not know.
const LEFT_OUT: [&str; 1] = ["dokku ps:inspect trq"];

struct Recorded {
    commands: Vec<String>,
    triggers: Vec<String>,
}

fn recording() -> Vec<Recorded> {
    let text = include_str!("../transcripts/triggers.md");
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

/// A plugin whose every trigger notes its name and arguments and prints nothing.
fn probe(scene: &Scene, recorded: &[Recorded]) -> std::path::PathBuf {
    let log = scene.path().join("triggers.log");
    let folder = scene.enabled().join("probe");
    fs::create_dir_all(&folder).unwrap();
    let script = format!(
        "#!/bin/sh\nline=${{0##*/}}\nfor arg in \"$@\"; do line=\"$line ${{arg:-\\\"\\\"}}\"; done\necho \"$line\" >>{}\n",
        log.display()
    );
    for name in
        recorded.iter().flat_map(|call| &call.triggers).filter_map(|line| line.split(' ').next())
    {
        let path = folder.join(name);
        fs::write(&path, &script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    log
}

/// The recording's words for what differs from run to run.
fn normal(line: &str) -> String {
    let word = |word: &str| match word {
        "/tmp/stand-in-workdir" => "<workdir>".to_owned(),
        id if id.len() == 64 && id.chars().all(|c| c.is_ascii_hexdigit()) => "<cid>".to_owned(),
        sha if sha.len() == 40 && sha.chars().all(|c| c.is_ascii_hexdigit()) => "<sha>".to_owned(),
        ip if ip.starts_with("172.17.") => "<ip>".to_owned(),
        other => other.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn triggers_are_fired_as_recorded() {
    let scene = Scene::with_binary(Path::new(env!("CARGO_BIN_EXE_stand-in"))).unwrap();
    scene
        .update(|state| {
            for image in ["lab/smoke:1", "lab/smoke:2"] {
                state.images.entry(image.to_owned()).or_default().on_host = true;
            }
        })
        .unwrap();
    let recorded = recording();
    assert_eq!(recorded.len(), 20);
    assert!(scene.run(&["dokku", "apps:create", "trp"], None).unwrap().status.success());
    let log = probe(&scene, &recorded);
    let mut compared = 0;
    for call in &recorded {
        if LEFT_OUT.contains(&call.commands[0].as_str()) {
            continue;
        }
        fs::write(&log, "").unwrap();
        for command in &call.commands {
            let argv: Vec<&str> = command.split(' ').collect();
            scene.run(&argv, None).unwrap();
        }
        let text = fs::read_to_string(&log).unwrap();
        let now: Vec<String> = text.lines().map(normal).collect();
        let wanted: Vec<&String> = call.triggers.iter().filter(|line| *line != TIMER).collect();
        assert_eq!(now.iter().collect::<Vec<_>>(), wanted, "{}", call.commands.join("; "));
        compared += wanted.len();
    }
    assert_eq!(compared, 332);
}
