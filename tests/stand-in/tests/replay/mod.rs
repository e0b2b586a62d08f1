//! Making recorded calls again, and comparing the answers.

mod normal;
mod prepare;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use stand_in::Scene;

/// Calls that are not made again, by how they begin, each for a reason.
const LEFT_OUT: [(&str, &str); 13] = [
    ("dokku ps:inspect", "a traceback of Python; nothing asks for it"),
    ("dokku resource:report", "limits of memory are the administrator's; nothing asks for it"),
    ("dokku logs:report", "where logs go is the administrator's; nothing asks for it"),
    ("dokku app-json:report", "images carry no app.json; nothing asks for it"),
    ("dokku builder:report", "images are not built; nothing asks for it"),
    ("dokku cron:report", "the renewal is asked for with letsencrypt:report; nothing asks for it"),
    ("dokku storage:report", "storage:list says the same; nothing asks for it"),
    ("dokku storage:list-entries", "named entries are the administrator's; nothing asks for it"),
    ("dokku storage:info", "named entries are the administrator's; nothing asks for it"),
    ("dokku storage:ensure-directory", "deprecated; the plugin makes its own folders"),
    (
        "dokku plugin:installed postgres",
        "recorded as root, which a plugin never is; dokku is told so",
    ),
    ("dokku plugin:installed nothing", "recorded as root, which a plugin never is"),
    (
        "dokku plugin:list --format json",
        "the recording lost the plugin `logs` when paths were taken out of it",
    ),
];

/// Calls whose standard error is not compared.
const STDERR_DIFFERS: [(&str, &str); 1] = [(
    "dokku postgres:create Tr_OK-1x --help",
    "bash's words for an option that getopts does not know",
)];

/// The figures of one file, or of all.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(crate) recorded: usize,
    pub(crate) compared: usize,
    /// Of these, how many to the last character of both streams.
    pub(crate) whole: usize,
    pub(crate) left_out: usize,
    pub(crate) differences: Vec<String>,
}

impl Replay {
    pub(crate) fn add(&mut self, other: Self) {
        self.recorded += other.recorded;
        self.compared += other.compared;
        self.whole += other.whole;
        self.left_out += other.left_out;
        self.differences.extend(other.differences);
    }

    pub(crate) fn print(&self) {
        let Self { recorded, compared, whole, left_out, differences } = self;
        eprintln!(
            "{recorded} recorded, {compared} compared ({whole} with all chatter), {left_out} left out, {} differ",
            differences.len()
        );
    }
}

#[derive(Deserialize)]
struct Recording {
    calls: Vec<Recorded>,
}

#[derive(Deserialize)]
pub(crate) struct Recorded {
    pub(crate) argv: Vec<String>,
    user: Option<String>,
    stdin: Option<String>,
    #[serde(default)]
    env: std::collections::BTreeMap<String, String>,
    pub(crate) rc: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Recorded {
    pub(crate) fn line(&self) -> String {
        self.argv.join(" ")
    }

    fn is_left_out(&self) -> bool {
        let line = self.line();
        let by_root = line.starts_with("dokku plugin:installed") && self.user.is_some();
        LEFT_OUT.iter().any(|(prefix, _)| line.starts_with(prefix)) && !by_root
    }
}

fn folder() -> PathBuf {
    let own = || concat!(env!("CARGO_MANIFEST_DIR"), "/transcripts").into();
    std::env::var_os("DOKKU_TRANSCRIPTS").map_or_else(own, PathBuf::from)
}

/// The recordings: this repository's, or those of `$DOKKU_TRANSCRIPTS`.
pub(crate) fn files() -> Vec<String> {
    let paths = folder().read_dir().unwrap().map(|entry| entry.unwrap().path());
    let json = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let mut names: Vec<String> =
        json.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Makes every call of a file again.
pub(crate) fn replay(file: &str, alter: impl Fn(&mut Recorded)) -> Replay {
    let text = fs::read_to_string(folder().join(format!("{file}.json"))).unwrap();
    let mut recording: Recording = serde_json::from_str(&text).unwrap();
    recording.calls.iter_mut().for_each(alter);
    let scene = Scene::with_binary(Path::new(env!("CARGO_BIN_EXE_stand-in"))).unwrap();
    prepare::host(file, &scene);
    let mut figures = Replay { recorded: recording.calls.len(), ..Replay::default() };
    for (at, call) in recording.calls.iter().enumerate() {
        if call.is_left_out() {
            figures.left_out += 1;
            continue;
        }
        prepare::call(&scene, call);
        figures.compared += 1;
        figures.whole += usize::from(!normal::chatters(&call.line()));
        if let Some(difference) = compare(&scene, call) {
            figures.differences.push(format!(
                "{file}.json, call {}: {}\n{difference}",
                at + 1,
                call.line()
            ));
        }
    }
    figures
}

fn compare(scene: &Scene, call: &Recorded) -> Option<String> {
    let (program, args) = call.argv.split_first().unwrap();
    let mut command = scene.command(program);
    command.args(args.iter().map(|arg| prepare::path(scene, program, arg))).envs(&call.env);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    if call.stdin.is_some() {
        command.stdin(std::process::Stdio::piped());
    }
    let mut child = command.spawn().unwrap();
    if let (Some(text), Some(mut pipe)) = (&call.stdin, child.stdin.take()) {
        pipe.write_all(text.as_bytes()).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let mut difference = String::new();
    if output.status.code() != Some(call.rc) {
        let _ = writeln!(difference, "  rc: recorded {}, now {:?}", call.rc, output.status.code());
    }
    let line = call.line();
    let bash = STDERR_DIFFERS.iter().any(|(prefix, _)| line.starts_with(prefix));
    let streams =
        [("stdout", &call.stdout, &output.stdout), ("stderr", &call.stderr, &output.stderr)];
    for (name, recorded, now) in streams {
        let recorded = normal::text(scene, &line, recorded);
        let now = normal::text(scene, &line, &String::from_utf8_lossy(now));
        if recorded != now && !(bash && name == "stderr") {
            let _ = writeln!(difference, "  {name}, recorded:\n{recorded}\n  {name}, now:\n{now}");
        }
    }
    (!difference.is_empty()).then_some(difference)
}
