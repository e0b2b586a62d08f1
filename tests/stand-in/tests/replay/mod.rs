//! Making recorded calls again, and comparing the answers.

pub(crate) mod beside;
mod normal;
mod prepare;
mod recorder;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use beside::tell;
use normal::Side;
use serde::Deserialize;
use stand_in::Scene;

/// Calls that the stand-in does not cover, by how they begin, each for a reason. It refuses them, as
/// every call that it does not know.
const LEFT_OUT: [(&str, &str); 10] = [
    ("dokku app-json:report", "images carry no app.json; nothing asks for it"),
    ("dokku builder:report", "the kind of build is never chosen; nothing asks for it"),
    ("dokku cron:report", "letsencrypt:report tells of the renewal; nothing asks for it"),
    ("dokku logs:report", "where logs go is the administrator's; nothing asks for it"),
    ("dokku ps:inspect", "a traceback of Python; nothing asks for it"),
    ("dokku resource:report", "limits of memory are the administrator's; nothing asks for it"),
    ("dokku storage:ensure-directory", "deprecated; the plugin makes its own folders"),
    ("dokku storage:info", "named entries are the administrator's; nothing asks for them"),
    ("dokku storage:list-entries", "named entries are the administrator's; nothing asks for them"),
    ("dokku storage:report", "storage:list says the same; nothing asks for it"),
];

/// The exit code with which the stand-in refuses a call.
const REFUSED: i32 = 70;

/// The figures of one file, or of all.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(crate) recorded: usize,
    pub(crate) compared: usize,
    /// Of these, how many to the last character of both streams.
    pub(crate) whole: usize,
    /// The calls that are not covered, with the reason.
    pub(crate) left_out: Vec<String>,
    pub(crate) differences: Vec<String>,
}

impl Replay {
    pub(crate) fn add(&mut self, other: Self) {
        self.recorded += other.recorded;
        self.compared += other.compared;
        self.whole += other.whole;
        self.left_out.extend(other.left_out);
        self.differences.extend(other.differences);
    }

    /// Tells the figures, and the name of each call that is not covered.
    pub(crate) fn tell(&self) {
        let Self { recorded, compared, whole, left_out, differences } = self;
        tell(&format!(
            "{recorded} recorded calls, {compared} compared ({whole} to the last character), {} differ, {} not covered:",
            differences.len(),
            left_out.len(),
        ));
        left_out.iter().for_each(|call| tell(&format!("  {call}")));
    }
}

#[derive(Deserialize)]
struct Recording {
    calls: Vec<Recorded>,
}

#[derive(Deserialize)]
pub(crate) struct Recorded {
    pub(crate) argv: Vec<String>,
    /// `dokku`, where it was not root who called.
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

    /// Why the call is not covered.
    fn left_out(&self) -> Option<&'static str> {
        let begins = |prefix: &str| {
            prefix.split(' ').zip(&self.argv).filter(|(word, arg)| word == arg).count() == 2
        };
        LEFT_OUT.iter().find(|(prefix, _)| begins(prefix)).map(|(_, reason)| *reason)
    }
}

/// The recordings of a folder, by name.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

/// Makes every call of a file again.
pub(crate) fn replay(file: &Path, alter: impl Fn(&mut Recorded)) -> Replay {
    let text = fs::read_to_string(file).unwrap();
    let mut recording: Recording = serde_json::from_str(&text).unwrap();
    recording.calls.iter_mut().for_each(alter);
    let scene = Scene::with_binary(Path::new(env!("CARGO_BIN_EXE_stand-in"))).unwrap();
    prepare::host(&file.file_stem().unwrap().to_string_lossy(), &scene);
    let mut figures = Replay { recorded: recording.calls.len(), ..Replay::default() };
    let mut sides = (Side::default(), Side::default());
    for (at, call) in recording.calls.iter().enumerate() {
        let name = file.file_name().unwrap().to_string_lossy();
        let name = format!("{name}, call {}: {}", at + 1, call.line());
        let output = again(&scene, call);
        let difference = if let Some(reason) = call.left_out() {
            let code = output.status.code();
            let answered = code != Some(REFUSED);
            figures.left_out.push(format!("{name} ({reason})"));
            answered.then(|| format!("  it is said not to be covered, and ends with {code:?}\n"))
        } else {
            figures.compared += 1;
            let changes = scene.calls().unwrap().last().unwrap().changes;
            let (difference, whole) = compare(&scene, call, &output, changes, &mut sides);
            figures.whole += usize::from(whole);
            (!difference.is_empty()).then_some(difference)
        };
        figures.differences.extend(difference.map(|text| format!("{name}\n{text}")));
    }
    // Calls that are refused would fail the scene.
    scene.forget_calls().unwrap();
    figures
}

fn again(scene: &Scene, call: &Recorded) -> Output {
    prepare::call(scene, call);
    let (program, args) = call.argv.split_first().unwrap();
    let mut command = scene.command(program);
    command.args(args.iter().map(|arg| prepare::path(scene, program, arg))).envs(&call.env);
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

/// What differs, and whether nothing was left out of the comparison.
fn compare(
    scene: &Scene,
    call: &Recorded,
    output: &Output,
    changes: bool,
    (then, now): &mut (Side, Side),
) -> (String, bool) {
    let mut difference = String::new();
    let mut whole = true;
    if output.status.code() != Some(call.rc) {
        let _ = writeln!(difference, "  rc: recorded {}, now {:?}", call.rc, output.status.code());
    }
    let streams =
        [("stdout", &call.stdout, &output.stdout), ("stderr", &call.stderr, &output.stderr)];
    for (name, recorded, given) in streams {
        let (recorded, less) = then.text(scene, &call.line(), recorded, changes);
        let (given, lesser) =
            now.text(scene, &call.line(), &String::from_utf8_lossy(given), changes);
        whole &= !(less || lesser);
        if recorded != given {
            let _ =
                writeln!(difference, "  {name}, recorded:\n{recorded}\n  {name}, now:\n{given}");
        }
    }
    (difference, whole)
}
