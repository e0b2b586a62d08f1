//! A stand-in host for one test: Dokku, the plugin linked into it, and servers in the place of its
//! nginx and its Synapse.
//!
//! ```text
//! let host = TestHost::new();                            // the global domain is site.test
//! let output = host.dokku("matrix:create matrix --email a@site.test");
//! assert_eq!(output.code, Some(3));                      // 3: site.test is not in the DNS
//! assert_eq!(output.stdout, "...");                      // paths and times are normalized
//! assert_eq!(host.changes(), ["dokku apps:create matrix", ...]);
//! host.scene.state() ...                                 // what the host has become
//! ```
//!
//! The DNS of the host does not answer for its names, so a command whose last step checks the server
//! from outside exits with 3 and says so. With the domain `localhost` and without TLS, or after
//! `host.dns.lead_here(&["matrix.site.test"])`, it exits with 0.

use super::homeserver::Homeserver;
use super::snapshot::PreparedHost;
use super::web::{Nginx, elsewhere, trusted};
use crate::support::{Output, dns::Dns};
use serde_json::Value;
use stand_in::{Record, Scene, State};
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) const SYNAPSE: &str = "matrixdotorg/synapse:v1.163.2";
pub(crate) const ELEMENT: &str = "vectorim/element-web:v1.12.32";

/// Installs the plugin as it was built for the tests.
pub(crate) fn install_plugin(scene: &Scene) {
    install_binary(scene, Path::new(env!("CARGO_BIN_EXE_dokku-matrix")));
}

fn install_binary(scene: &Scene, binary: &Path) {
    scene.install_plugin(Path::new(env!("CARGO_MANIFEST_DIR")), binary).unwrap();
}

/// The content of a file of the plugin; null if there is none.
fn json_file(path: &Path) -> Value {
    fs::read_to_string(path).map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
}

pub(crate) struct TestHost {
    pub(crate) scene: Arc<Scene>,
    /// The Synapse of the app `matrix`.
    pub(crate) synapse: Homeserver,
    nginx: Nginx,
    /// The DNS of the host.
    pub(crate) dns: Dns,
    parallel_steps: String,
    secrets: Mutex<Vec<String>>,
    printed: Mutex<String>,
    /// The host that this one was copied from, kept alive so that other tests can copy it, too.
    pub(crate) origin: Option<Arc<PreparedHost>>,
}

impl TestHost {
    /// A fresh host with the plugin, postgres and letsencrypt, and no app.
    pub(crate) fn new() -> Self {
        Self::with_plugin(Path::new(env!("CARGO_BIN_EXE_dokku-matrix")))
    }

    /// A fresh host with another binary of the plugin.
    pub(crate) fn with_plugin(binary: &Path) -> Self {
        let scene = Arc::new(Scene::new().unwrap());
        scene.update(|state| state.global_domains = vec!["site.test".into()]).unwrap();
        install_binary(&scene, binary);
        let synapse = Homeserver::new(&scene, "matrix");
        let nginx = Nginx::new(&scene);
        Self {
            scene,
            synapse,
            nginx,
            dns: Dns::start(),
            parallel_steps: "1".into(),
            secrets: Mutex::default(),
            printed: Mutex::default(),
            origin: None,
        }
    }

    /// What is recorded as done to the server `matrix.site.test`; null if nothing is.
    pub(crate) fn status(&self) -> Value {
        json_file(&self.file("status.json"))
    }

    /// The server that is recorded as nginx's default one on port 8448.
    pub(crate) fn default_8448(&self) -> Option<String> {
        let host = json_file(&self.lib("data/matrix/.host/host.json"));
        host["default_8448"].as_str().map(str::to_owned)
    }

    /// Lets the plugin run this many steps in parallel.
    pub(crate) fn parallel_steps(mut self, steps: usize) -> Self {
        self.parallel_steps = steps.to_string();
        self
    }

    /// Starts the Synapse of another app.
    pub(crate) fn homeserver(&self, app: &str) -> Homeserver {
        Homeserver::new(&self.scene, app)
    }

    /// Runs `dokku <line>`. The line is split at white space; quotes have no meaning.
    pub(crate) fn dokku(&self, line: &str) -> Output {
        self.run(self.command(line), b"")
    }

    /// Runs `dokku <line>` with this standard input.
    pub(crate) fn dokku_with(&self, line: &str, stdin: &[u8]) -> Output {
        self.run(self.command(line), stdin)
    }

    /// Runs `dokku <line>`, which must exit with 0, or with 3 because its names are not in the DNS.
    pub(crate) fn ok(&self, line: &str) -> Output {
        let output = self.dokku(line);
        assert!(matches!(output.code, Some(0 | 3)), "{line}: {output:#?}");
        output
    }

    /// Runs Dokku commands that prepare the host. They must succeed, and their calls are not recorded.
    pub(crate) fn setup(&self, lines: &[&str]) {
        for line in lines {
            let output = self.command(line).output().unwrap();
            assert!(output.status.success(), "{line}: {output:#?}");
        }
        self.scene.forget_calls().unwrap();
    }

    /// Deploys an app that has nothing to do with Matrix, with a domain and a certificate.
    pub(crate) fn website(&self, app: &str, domain: &str) {
        self.scene.update(|state| state.pullable.insert("nginx:1".into())).unwrap();
        self.setup(&[
            &format!("apps:create {app}"),
            &format!("domains:set {app} {domain}"),
            &format!("git:from-image {app} nginx:1"),
        ]);
        self.scene.give_certificate(app, &[domain]).unwrap();
    }

    /// A web server elsewhere answers for a name, in nginx's words.
    pub(crate) fn elsewhere(&self, name: &str, text: &str) {
        let directory = elsewhere(&self.scene, name);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("site.conf"), text).unwrap();
    }

    /// Runs `dokku <line>` and returns all that is visible of it: both streams, the exit code, and the
    /// calls that change something.
    pub(crate) fn transcript(&self, line: &str) -> String {
        self.changes();
        let Output { code, stdout, stderr } = self.dokku(line);
        let changes: String = self.changes().iter().map(|call| format!("{call}\n")).collect();
        format!(
            "$ dokku {line}\n{stdout}--- standard error\n{stderr}--- exit code\n{}\n--- changes\n{changes}",
            code.map_or_else(|| "none".to_owned(), |code| code.to_string())
        )
    }

    /// Builds the command `dokku <line>` without running it.
    pub(crate) fn command(&self, line: &str) -> Command {
        let user = format!("{}:{}", nix::unistd::getuid(), nix::unistd::getgid());
        let mut command = self.program(Path::new("dokku"));
        command.args(line.split_whitespace().map(|word| {
            word.replace("<host>", self.scene.path().to_str().unwrap()).replace("<user>", &user)
        }));
        command
    }

    /// Runs a line that somebody types into a shell on the host. Its calls are not recorded: it may
    /// hold a password.
    pub(crate) fn shell(&self, line: &str) -> process::Output {
        let output = self.program(Path::new("bash")).args(["-c", line]).output().unwrap();
        self.scene.forget_calls().unwrap();
        output
    }

    /// Runs a trigger of the plugin as Dokku does.
    pub(crate) fn trigger(&self, name: &str, args: &str) -> Output {
        self.run(self.trigger_command(name, args), b"")
    }

    /// Builds the command that runs a trigger, without running it.
    pub(crate) fn trigger_command(&self, name: &str, args: &str) -> Command {
        let mut command = self.program(&self.scene.enabled().join("matrix").join(name));
        // `-` stands for an empty argument.
        command.args(args.split_whitespace().map(|word| if word == "-" { "" } else { word }));
        command.env("STAND_IN_TRIGGER", name).env("DOKKU_PID", "1");
        command
    }

    /// Replaces a program of the host with a script that runs `action` where the bash `condition`
    /// holds, and the program otherwise.
    pub(crate) fn override_program(&self, program: &str, condition: &str, action: &str) {
        let link = self.scene.bin().join(program);
        let real = fs::read_link(&link).unwrap();
        let script = format!(
            "#!/bin/bash\nif {condition}; then {action}; fi\nexec -a {program} {} \"$@\"\n",
            real.display()
        );
        fs::remove_file(&link).unwrap();
        fs::write(&link, script).unwrap();
        fs::set_permissions(&link, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn program(&self, program: &Path) -> Command {
        let mut command = self.scene.command(program);
        command
            .env("DOKKU_MATRIX_LANES", &self.parallel_steps)
            .env("DOKKU_MATRIX_PATIENCE", "1")
            .env("SSL_CERT_FILE", trusted())
            .env("DOKKU_MATRIX_DNS", self.dns.address.to_string());
        for (name, port) in self.nginx.ports() {
            command.env(name, port.to_string());
        }
        command
    }

    /// Runs a command to its end and normalizes its output.
    pub(crate) fn run(&self, mut command: Command, stdin: &[u8]) -> Output {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // This fails if the command exits without reading its input, which is fine.
        child.stdin.take().unwrap().write_all(stdin).ok();
        self.normalized(&child.wait_with_output().unwrap())
    }

    /// Runs `dokku <line>` with a terminal as standard input and answers each prompt. The second
    /// value is what the terminal itself has echoed.
    pub(crate) fn on_terminal(&self, line: &str, answers: &[&str]) -> (Output, String) {
        let pty = nix::pty::openpty(None, None).unwrap();
        let mut command = self.command(line);
        command.stdin(pty.slave).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(command);
        let (mut terminal, mut prompts) = (File::from(pty.master), child.stderr.take().unwrap());
        let (mut stderr, mut byte) = (vec![], [0]);
        for answer in answers {
            while !stderr.ends_with(b": ") && prompts.read(&mut byte).unwrap() > 0 {
                stderr.extend(byte);
            }
            writeln!(terminal, "{answer}").unwrap();
            while !stderr.ends_with(b"\n") && prompts.read(&mut byte).unwrap() > 0 {
                stderr.extend(byte);
            }
        }
        prompts.read_to_end(&mut stderr).unwrap();
        let mut output = child.wait_with_output().unwrap();
        output.stderr = stderr;
        let mut echo = vec![];
        // Reading ends with an error once the other side is closed.
        terminal.read_to_end(&mut echo).ok();
        let echo = String::from_utf8_lossy(&echo).into_owned();
        self.printed.lock().unwrap().push_str(&echo);
        (self.normalized(&output), echo)
    }

    fn normalized(&self, output: &process::Output) -> Output {
        let mut printed = self.printed.lock().unwrap();
        for stream in [&output.stdout, &output.stderr] {
            printed.push_str(&String::from_utf8_lossy(stream));
        }
        let text = |bytes: &[u8]| self.normalize(&String::from_utf8_lossy(bytes));
        Output {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// The calls that changed something since the last time this was called, calls of triggers
    /// included.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.assert_no_leaks();
        let calls = self.scene.changes().unwrap();
        self.scene.forget_calls().unwrap();
        calls.iter().map(|call| self.normalize(&call.line())).collect()
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> Vec<Record> {
        self.scene.calls().unwrap()
    }

    pub(crate) fn state(&self) -> State {
        self.scene.state().unwrap()
    }

    /// From now on the test fails if this secret is visible anywhere. Secrets that the plugin or Dokku
    /// generates are found without this.
    pub(crate) fn must_not_leak(&self, secret: &str) {
        self.secrets.lock().unwrap().push(secret.to_owned());
    }

    /// Checks that no secret was printed, or passed to a program as an argument or in its environment.
    fn assert_no_leaks(&self) {
        let mut secrets = self.secrets.lock().unwrap().clone();
        secrets.extend(self.state().services.into_values().map(|service| service.password));
        for server in fs::read_dir(self.lib("data/matrix")).into_iter().flatten().flatten() {
            let directory = server.path().join("config/secrets");
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
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

    /// A path below the directory of the server `matrix.site.test`.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.lib("data/matrix/matrix.site.test").join(path)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        let path = self.file(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// Runs `check` for each case, on all cores, and reports every case that fails.
pub(crate) fn in_parallel<T: Debug + Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(vec![]));
    let worker = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
            if catch_unwind(AssertUnwindSafe(|| check(case))).is_err() {
                failed.lock().unwrap().push(case);
            }
        }
    };
    let workers = thread::available_parallelism().map_or(2, usize::from).min(cases.len());
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(worker))));
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {} failed: {failed:#?}", failed.len(), cases.len());
}

impl Drop for TestHost {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.assert_no_leaks();
        }
    }
}
