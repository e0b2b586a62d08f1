//! Replays recorded calls and compares the output.

mod normalize;
mod prepare;
mod recorder;
pub(crate) mod recordings;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use normalize::Side;
use recordings::print_line;
use serde::Deserialize;
use stand_in::Scene;

/// Recorded calls that the stand-in does not support, by their prefix, with the reason. It must
/// refuse them like every unsupported call.
const UNSUPPORTED: [(&str, &str); 9] = [
    ("dokku app-json:report", "images have no app.json; the plugin does not use it"),
    ("dokku builder:report", "the builder is never set; the plugin does not use it"),
    ("dokku cron:report", "letsencrypt:report reports the renewal; the plugin does not use it"),
    ("dokku logs:report", "log targets are set by the administrator; the plugin does not use it"),
    ("dokku ps:inspect", "it prints a Python traceback; the plugin does not use it"),
    (
        "dokku resource:report",
        "memory limits are set by the administrator; the plugin does not use it",
    ),
    ("dokku storage:ensure-directory", "deprecated; the plugin creates its own directories"),
    ("dokku storage:list-entries", "storage:info prints one of them; the plugin does not use it"),
    ("dokku storage:report", "storage:list prints the same; the plugin does not use it"),
];

/// The exit code of an unsupported call.
const REFUSED: i32 = 70;

/// The results for one file, or for all.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(crate) recorded: usize,
    pub(crate) compared: usize,
    /// The number of calls whose output was compared completely.
    pub(crate) complete: usize,
    /// The calls that are not supported, with the reason.
    pub(crate) unsupported: Vec<String>,
    pub(crate) differences: Vec<String>,
}

impl Replay {
    pub(crate) fn add(&mut self, other: Self) {
        self.recorded += other.recorded;
        self.compared += other.compared;
        self.complete += other.complete;
        self.unsupported.extend(other.unsupported);
        self.differences.extend(other.differences);
    }

    /// Prints the numbers and the calls that are not supported.
    pub(crate) fn print(&self) {
        let Self { recorded, compared, complete, unsupported, differences } = self;
        print_line(&format!(
            "{recorded} recorded calls, {compared} compared ({complete} completely), {} differ, {} not supported:",
            differences.len(),
            unsupported.len(),
        ));
        unsupported.iter().for_each(|call| print_line(&format!("  {call}")));
    }
}

#[derive(Deserialize)]
struct Recording {
    calls: Vec<Recorded>,
}

#[derive(Deserialize)]
pub(crate) struct Recorded {
    pub(crate) argv: Vec<String>,
    /// `dokku`, unless root made the call.
    pub(crate) user: Option<String>,
    pub(crate) stdin: Option<String>,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) rc: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Recorded {
    pub(crate) fn line(&self) -> String {
        self.argv.join(" ")
    }

    /// The reason why the call is not supported, if it is not.
    fn unsupported_reason(&self) -> Option<&'static str> {
        let begins = |prefix: &str| {
            prefix.split(' ').zip(&self.argv).filter(|(word, arg)| word == arg).count() == 2
        };
        UNSUPPORTED.iter().find(|(prefix, _)| begins(prefix)).map(|(_, reason)| *reason)
    }
}

/// The recordings in a directory, sorted by name.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = dir.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

/// Replays every call of a file.
pub(crate) fn replay(file: &Path, alter: impl Fn(&mut Recorded)) -> Replay {
    let text = fs::read_to_string(file).unwrap();
    let mut recording: Recording = serde_json::from_str(&text).unwrap();
    recording.calls.iter_mut().for_each(alter);
    let scene = Scene::with_binary(Path::new(env!("CARGO_BIN_EXE_stand-in"))).unwrap();
    prepare::host(&file.file_stem().unwrap().to_string_lossy(), &scene);
    let mut results = Replay { recorded: recording.calls.len(), ..Replay::default() };
    let mut sides = (Side::default(), Side::default());
    for (at, call) in recording.calls.iter().enumerate() {
        let name = file.file_name().unwrap().to_string_lossy();
        let name = format!("{name}, call {}: {}", at + 1, call.line());
        let output = run_again(&scene, call);
        let difference = if let Some(reason) = call.unsupported_reason() {
            let code = output.status.code();
            let answered = code != Some(REFUSED);
            results.unsupported.push(format!("{name} ({reason})"));
            answered.then(|| format!("  listed as unsupported, but exits with {code:?}\n"))
        } else {
            results.compared += 1;
            let changes = scene.calls().unwrap().last().unwrap().changes;
            let (difference, complete) = compare(&scene, call, &output, changes, &mut sides);
            results.complete += usize::from(complete);
            (!difference.is_empty()).then_some(difference)
        };
        results.differences.extend(difference.map(|text| format!("{name}\n{text}")));
    }
    // The refused calls would fail the scene.
    scene.forget_calls().unwrap();
    results
}

fn run_again(scene: &Scene, call: &Recorded) -> Output {
    prepare::call(scene, call);
    let (program, args) = call.argv.split_first().unwrap();
    let mut command = scene.command(program);
    command.args(args.iter().map(|arg| prepare::path(scene, &call.argv, arg))).envs(&call.env);
    if call.user.is_none() {
        command.env("STAND_IN_ROOT", "1");
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if call.stdin.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().unwrap();
    if let (Some(text), Some(mut pipe)) = (&call.stdin, child.stdin.take()) {
        pipe.write_all(text.as_bytes()).unwrap();
    }
    child.wait_with_output().unwrap()
}

/// The differences, and whether the output was compared completely.
fn compare(
    scene: &Scene,
    call: &Recorded,
    output: &Output,
    changes: bool,
    (then, now): &mut (Side, Side),
) -> (String, bool) {
    let mut difference = String::new();
    let mut complete = true;
    if output.status.code() != Some(call.rc) {
        let _ = writeln!(difference, "  rc: recorded {}, now {:?}", call.rc, output.status.code());
    }
    let streams =
        [("stdout", &call.stdout, &output.stdout), ("stderr", &call.stderr, &output.stderr)];
    for (name, recorded, actual) in streams {
        let (recorded, recorded_less) = then.text(scene, &call.line(), recorded, changes);
        let (actual, actual_less) =
            now.text(scene, &call.line(), &String::from_utf8_lossy(actual), changes);
        complete &= !(recorded_less || actual_less);
        if recorded != actual {
            let _ =
                writeln!(difference, "  {name}, recorded:\n{recorded}\n  {name}, now:\n{actual}");
        }
    }
    (difference, complete)
}
