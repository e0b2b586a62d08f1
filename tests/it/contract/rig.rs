//! A host for one test: the stood-in Dokku, the plugin linked into it, and something that answers
//! where its nginx and its Synapse would.
//!
//! ```text
//! let rig = Rig::new();                                  // the global domain is site.test
//! let ran = rig.dokku("matrix:create matrix --email a@site.test");
//! assert_eq!(ran.code, Some(3));                         // 3: site.test is in no DNS
//! assert_eq!(ran.stdout, "...");                         // paths and times are made alike
//! assert_eq!(rig.changes(), ["dokku apps:create matrix", ...]);
//! rig.scene.state() ...                                  // what the host has become
//! ```
//!
//! The host's names are in no DNS, on no machine: so a command whose last step asks in public
//! ends with 3 and says so. A server with the domain `localhost` and without TLS is the one that
//! ends with 0.

use super::camera::Ready;
use super::homeserver::Homeserver;
use super::web::{Nginx, trusted};
use crate::plugin_copy::Ran;
use stand_in::{Record, Scene, State};
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) const SYNAPSE: &str = "matrixdotorg/synapse:v1.163.2";
pub(crate) const ELEMENT: &str = "vectorim/element-web:v1.12.32";

/// The plugin as it is built for the tests.
pub(crate) fn install_plugin(scene: &Scene) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary = Path::new(env!("CARGO_BIN_EXE_dokku-matrix"));
    scene.install_plugin(repository, binary).unwrap();
}

pub(crate) struct Rig {
    pub(crate) scene: Arc<Scene>,
    /// The Synapse of the app `matrix`.
    pub(crate) synapse: Homeserver,
    nginx: Nginx,
    lanes: String,
    secrets: Mutex<Vec<String>>,
    printed: Mutex<String>,
    /// What it is a copy of, kept for the next one who wants a copy.
    pub(crate) origin: Option<Arc<Ready>>,
}

impl Rig {
    /// A fresh host with the plugin, postgres and letsencrypt, and no app.
    pub(crate) fn new() -> Self {
        let scene = Arc::new(Scene::new().unwrap());
        scene.update(|state| state.global_domains = vec!["site.test".into()]).unwrap();
        install_plugin(&scene);
        let synapse = Homeserver::new(&scene, "matrix");
        let nginx = Nginx::new(&scene);
        Self {
            scene,
            synapse,
            nginx,
            lanes: "1".into(),
            secrets: Mutex::default(),
            printed: Mutex::default(),
            origin: None,
        }
    }

    /// The same with so many steps side by side.
    pub(crate) fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes.to_string();
        self
    }

    /// The Synapse of another app.
    pub(crate) fn homeserver(&self, app: &str) -> Homeserver {
        Homeserver::new(&self.scene, app)
    }

    /// `dokku <line>`, as a user types it; without quoting.
    pub(crate) fn dokku(&self, line: &str) -> Ran {
        self.run(self.command(line), b"")
    }

    /// The same with something on standard input.
    pub(crate) fn dokku_with(&self, line: &str, stdin: &[u8]) -> Ran {
        self.run(self.command(line), stdin)
    }

    /// `dokku <line>` that has to end with 0, or with 3 for the names that no DNS has.
    pub(crate) fn ok(&self, line: &str) -> Ran {
        let ran = self.dokku(line);
        assert!(matches!(ran.code, Some(0 | 3)), "{line}: {ran:#?}");
        ran
    }

    /// Does something for each case, as many at a time as there are cores; tells all that fail.
    pub(crate) fn each<T: Debug + Sync>(cases: &[T], act: impl Fn(&T) + Sync) {
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(vec![]));
        let lane = || {
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                if catch_unwind(AssertUnwindSafe(|| act(case))).is_err() {
                    failed.lock().unwrap().push(case);
                }
            }
        };
        let lanes = thread::available_parallelism().map_or(2, usize::from).min(cases.len());
        thread::scope(|scope| (0..lanes).for_each(|_| drop(scope.spawn(lane))));
        let failed = failed.into_inner().unwrap();
        assert!(failed.is_empty(), "{} of {} failed: {failed:#?}", failed.len(), cases.len());
    }

    /// Dokku commands of somebody else, which have to succeed and are not looked at.
    pub(crate) fn setup(&self, lines: &[&str]) {
        for line in lines {
            let output = self.command(line).output().unwrap();
            assert!(output.status.success(), "{line}: {output:#?}");
        }
        self.scene.forget_calls().unwrap();
    }

    /// Somebody else's app with a domain and a certificate.
    pub(crate) fn website(&self, app: &str, domain: &str) {
        self.scene.update(|state| state.pullable.insert("nginx:1".into())).unwrap();
        self.setup(&[
            &format!("apps:create {app}"),
            &format!("domains:set {app} {domain}"),
            &format!("git:from-image {app} nginx:1"),
        ]);
        self.scene.give_certificate(app, &[domain]).unwrap();
    }

    /// Everything that there is to see of `dokku <line>`: streams, exit code, and changing calls.
    pub(crate) fn whole(&self, line: &str) -> String {
        self.changes();
        let Ran { code, stdout, stderr } = self.dokku(line);
        let changes: String = self.changes().iter().map(|call| format!("{call}\n")).collect();
        format!(
            "$ dokku {line}\n{stdout}--- standard error\n{stderr}--- exit code\n{}\n--- changes\n{changes}",
            code.map_or_else(|| "none".to_owned(), |code| code.to_string())
        )
    }

    /// `dokku <line>`, to be run by the test itself.
    pub(crate) fn command(&self, line: &str) -> Command {
        let user = format!("{}:{}", nix::unistd::getuid(), nix::unistd::getgid());
        let mut command = self.program(Path::new("dokku"));
        command.args(line.split_whitespace().map(|word| {
            word.replace("<host>", self.scene.path().to_str().unwrap()).replace("<user>", &user)
        }));
        command
    }

    /// A trigger of the plugin, as Dokku calls it.
    pub(crate) fn trigger(&self, name: &str, args: &str) -> Ran {
        let mut command = self.program(&self.scene.enabled().join("matrix").join(name));
        // An argument that is written `-` is empty.
        command.args(args.split_whitespace().map(|word| word.trim_start_matches('-')));
        command.env("STAND_IN_TRIGGER", name).env("DOKKU_PID", "1");
        self.run(command, b"")
    }

    fn program(&self, program: &Path) -> Command {
        let mut command = self.scene.command(program);
        command
            .env("DOKKU_MATRIX_LANES", &self.lanes)
            .env("DOKKU_MATRIX_PATIENCE", "1")
            .env("SSL_CERT_FILE", trusted())
            // Where there is no DNS at all, nobody wants to wait for it.
            .env("RES_OPTIONS", "timeout:1 attempts:1");
        for (name, port) in self.nginx.ports() {
            command.env(name, port.to_string());
        }
        command
    }

    /// Runs a command to its end; what differs from run to run is made alike in what it prints.
    pub(crate) fn run(&self, mut command: Command, stdin: &[u8]) -> Ran {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Who does not read it has that right.
        child.stdin.take().unwrap().write_all(stdin).ok();
        self.ran(&child.wait_with_output().unwrap())
    }

    /// The same with standard input from a terminal, where each question is answered; the second
    /// half is what the terminal has shown by itself.
    pub(crate) fn on_terminal(&self, line: &str, answers: &[&str]) -> (Ran, String) {
        let pty = nix::pty::openpty(None, None).unwrap();
        let mut command = self.command(line);
        command.stdin(pty.slave).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(command);
        let (mut terminal, mut asked) = (File::from(pty.master), child.stderr.take().unwrap());
        let (mut stderr, mut byte) = (vec![], [0]);
        for answer in answers {
            while !stderr.ends_with(b": ") && asked.read(&mut byte).unwrap() > 0 {
                stderr.extend(byte);
            }
            writeln!(terminal, "{answer}").unwrap();
            while !stderr.ends_with(b"\n") && asked.read(&mut byte).unwrap() > 0 {
                stderr.extend(byte);
            }
        }
        asked.read_to_end(&mut stderr).unwrap();
        let mut output = child.wait_with_output().unwrap();
        output.stderr = stderr;
        let mut echo = vec![];
        // It ends with an error once nobody holds the other side.
        terminal.read_to_end(&mut echo).ok();
        let echo = String::from_utf8_lossy(&echo).into_owned();
        self.printed.lock().unwrap().push_str(&echo);
        (self.ran(&output), echo)
    }

    fn ran(&self, output: &Output) -> Ran {
        let mut printed = self.printed.lock().unwrap();
        for stream in [&output.stdout, &output.stderr] {
            printed.push_str(&String::from_utf8_lossy(stream));
        }
        let text = |bytes: &[u8]| self.normal(&String::from_utf8_lossy(bytes));
        Ran {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// The calls that change something since this was asked for the last time, those of triggers
    /// included.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.assert_discreet();
        let calls = self.scene.changes().unwrap();
        self.scene.forget_calls().unwrap();
        calls.iter().map(|call| self.normal(&call.line())).collect()
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> Vec<Record> {
        self.scene.calls().unwrap()
    }

    pub(crate) fn state(&self) -> State {
        self.scene.state().unwrap()
    }

    /// From now on this must not be seen anywhere; the secrets that are made need not be told.
    pub(crate) fn has_secret(&self, secret: &str) {
        self.secrets.lock().unwrap().push(secret.to_owned());
    }

    /// No secret was printed, or handed to a program as an argument or in its environment.
    fn assert_discreet(&self) {
        let mut secrets = self.secrets.lock().unwrap().clone();
        secrets.extend(self.state().services.into_values().map(|service| service.password));
        for server in fs::read_dir(self.lib("data/matrix")).into_iter().flatten().flatten() {
            let folder = server.path().join("config/secrets");
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                secrets.extend(text.split_whitespace().last().map(str::to_owned));
            }
        }
        let printed = self.printed.lock().unwrap();
        let calls = fs::read_to_string(self.scene.stand_in().join("calls.jsonl"));
        let calls = calls.unwrap_or_default();
        for secret in secrets.iter().filter(|secret| secret.len() > 5) {
            assert!(!printed.contains(secret.as_str()), "{secret} was printed:\n{printed}");
            let call = calls.lines().find(|call| call.contains(secret.as_str()));
            assert_eq!(call, None, "{secret}");
        }
    }

    /// A path below `$DOKKU_LIB_ROOT`.
    pub(crate) fn lib(&self, path: &str) -> PathBuf {
        self.scene.lib().join(path)
    }

    /// A file of the server `matrix.site.test`, by its path below the server's folder.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.lib("data/matrix/matrix.site.test").join(path)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        let path = self.file(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The text without what differs from run to run: the host's folder, the user, times, and the
    /// resolver's words for a name that it does not find.
    pub(crate) fn normal(&self, text: &str) -> String {
        let user = format!("{}:{}", nix::unistd::getuid(), nix::unistd::getgid());
        let mut text = text
            .replace(self.scene.path().to_str().unwrap(), "<host>")
            .replace(&format!("--user {user}"), "--user <user>")
            // On some machines localhost has both.
            .replace("(now: ::1, 127.0.0.1)", "(now: 127.0.0.1)");
        for words in ["Name or service not known", "Temporary failure in name resolution"] {
            let whole = format!("failed to lookup address information: {words}");
            text = text.replace(&whole, "<not in the DNS>");
        }
        // A folder of the plugin's own, and another host that this one was made from.
        let other = std::env::temp_dir().join("stand-in.");
        for start in ["<host>/tmp/.tmp", other.to_str().unwrap()] {
            text = without_random(&text, start);
        }
        // How often something that takes long says so is chance.
        let lines = text.split_inclusive('\n').filter(|line| !line.contains("still at it: "));
        lines.map(|line| without_ids(&without_time(line))).collect()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.assert_discreet();
        }
    }
}

/// `<host>/tmp/.tmpFHqmrT` as `<scratch>`.
fn without_random(text: &str, start: &str) -> String {
    let mut parts = text.split(start);
    let first = parts.next().unwrap_or_default().to_owned();
    let other = |part: &str| format!("<scratch>{}", part.trim_start_matches(char::is_alphanumeric));
    first + &parts.map(other).collect::<String>()
}

/// `is ready (1m 2s)` as `is ready (<time>)`, and `after 9s:` as `after <time>:`.
fn without_time(line: &str) -> String {
    let is_part = |word: &str| {
        let digits = word.trim_end_matches(['m', 's']);
        digits.len() + 1 == word.len() && digits.parse::<u32>().is_ok()
    };
    let is_time = |text: &str| text.split(' ').all(is_part);
    for (start, end) in [(" (", ")"), ("not ready after ", ":")] {
        if let Some((before, rest)) = line.split_once(start)
            && let Some((time, after)) = rest.split_once(end)
            && is_time(time)
        {
            return format!("{before}{start}<time>{end}{after}");
        }
    }
    line.to_owned()
}

/// Numbers of containers and commits as `<id>`.
fn without_ids(line: &str) -> String {
    let is_id = |word: &str| {
        [7, 12, 40, 64].contains(&word.len())
            && word.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
    };
    let mut out = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        out += if is_id(word) { "<id>" } else { word };
        let next = after.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(after.len());
        out += &after[..next];
        rest = &after[next..];
    }
    out
}
