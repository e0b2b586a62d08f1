//! A scratch host for one test: its directories, its programs, its environment.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::unistd::{Gid, Group, Uid, User};

use crate::app::Cert;
use crate::binary::binary;
use crate::fault::Fault;
use crate::real::machine::Machine;
use crate::restarts;
use crate::scratch::Scratch;
use crate::state::{Image, State, Status, starts_at_boot};
use crate::store::{Record, Store};

const PROGRAMS: [&str; 7] = ["dokku", "docker", "plugn", "sudo", "ufw", "nginx", "sigil"];
const SYSTEM: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A stand-in Dokku host in a temporary directory. A test creates one, prepares it with
/// [`Scene::update`], runs commands on it with [`Scene::run`] or [`Scene::command`], and checks
/// [`Scene::state`] and [`Scene::calls`]. Dropping it removes the directory, and fails the test if
/// it made an unsupported call.
#[derive(Debug)]
pub struct Scene {
    /// Declared first: it must end before its directory is removed.
    pub(crate) machine: Option<Machine>,
    dir: Scratch,
    store: Store,
}

impl Scene {
    /// Creates a fresh host without apps, with one global domain and the plugins postgres and
    /// letsencrypt. The stand-in binary is built once per test process.
    pub fn new() -> Result<Self> {
        Self::with_binary(binary()?)
    }

    /// The same with the given binary, for the stand-in's own tests.
    pub fn with_binary(binary: &Path) -> Result<Self> {
        Self::in_dir(Scratch::new()?, binary)
    }

    pub(crate) fn in_dir(dir: Scratch, binary: &Path) -> Result<Self> {
        let store = Store::new(dir.path().join("state"));
        let scene = Self { machine: None, store, dir };
        for path in [
            scene.bin(),
            scene.root(),
            scene.enabled(),
            scene.lib().join("core-plugins/available"),
            scene.stand_in(),
            scene.path().join("tmp"),
        ] {
            fs::create_dir_all(path)?;
        }
        for program in PROGRAMS {
            symlink(binary, scene.bin().join(program))?;
        }
        scene.enable_plugin("postgres", "1.48.0", "dokku postgres service plugin")?;
        scene.enable_plugin(
            "letsencrypt",
            "0.25.1",
            "Automated installation of let's encrypt TLS certificates",
        )?;
        scene.store.write(&initial())?;
        Ok(scene)
    }

    /// The temporary directory of the host.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The directory of the stand-in programs, first in `PATH`.
    pub fn bin(&self) -> PathBuf {
        self.path().join("bin")
    }

    /// `$DOKKU_ROOT`.
    pub fn root(&self) -> PathBuf {
        self.path().join("home")
    }

    /// `$DOKKU_LIB_ROOT`.
    pub fn lib(&self) -> PathBuf {
        self.path().join("lib")
    }

    /// `$STAND_IN`: the state, the call log, the fault, and `tls/` with the certificate files to
    /// use.
    pub fn stand_in(&self) -> PathBuf {
        self.path().join("state")
    }

    /// `$PLUGIN_ENABLED_PATH`.
    pub fn enabled(&self) -> PathBuf {
        self.lib().join("plugins/enabled")
    }

    /// The environment that a real host passes to a subcommand or a trigger.
    pub fn env(&self) -> BTreeMap<String, String> {
        let path = |path: PathBuf| path.display().to_string();
        let plugins = self.lib().join("plugins");
        let core = self.lib().join("core-plugins");
        let (user, group) = self.account();
        [
            ("PATH", format!("{}:{SYSTEM}", self.bin().display())),
            ("HOME", path(self.root())),
            ("LANG", "C.UTF-8".to_owned()),
            ("STAND_IN", path(self.stand_in())),
            ("DOKKU_ROOT", path(self.root())),
            ("DOKKU_LIB_ROOT", path(self.lib())),
            ("DOKKU_SYSTEM_USER", user),
            ("DOKKU_SYSTEM_GROUP", group),
            ("DOKKU_NOT_IMPLEMENTED_EXIT", "10".to_owned()),
            ("DOKKU_VALID_EXIT", "0".to_owned()),
            ("DOKKU_API_VERSION", "1".to_owned()),
            ("DOCKER_BIN", "docker".to_owned()),
            ("PLUGIN_PATH", path(plugins.clone())),
            ("PLUGIN_AVAILABLE_PATH", path(plugins.join("available"))),
            ("PLUGIN_ENABLED_PATH", path(plugins.join("enabled"))),
            ("PLUGIN_CORE_PATH", path(core.clone())),
            ("PLUGIN_CORE_AVAILABLE_PATH", path(core.join("available"))),
            ("PLUGIN_CORE_ENABLED_PATH", path(core.join("enabled"))),
            ("SSH_USER", "dokku".to_owned()),
            ("SSH_NAME", "default".to_owned()),
            // Temporary files of a killed program are removed with the host.
            ("TMPDIR", path(self.path().join("tmp"))),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// The names of the user and the group that run Dokku.
    fn account(&self) -> (String, String) {
        if self.machine.is_some() {
            return ("dokku".to_owned(), "dokku".to_owned());
        }
        let user = User::from_uid(Uid::current()).ok().flatten().map(|user| user.name);
        let group = Group::from_gid(Gid::current()).ok().flatten().map(|group| group.name);
        let root = || "root".to_owned();
        (user.unwrap_or_else(root), group.unwrap_or_else(root))
    }

    /// A command with exactly the host's environment. Programs of the host take precedence over the
    /// machine's.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let name = Path::new(program.as_ref());
        let program = self.bin().join(name);
        let program = if program.exists() { program.as_path() } else { name };
        let mut command = match &self.machine {
            Some(machine) => machine.command(program),
            None => Command::new(program),
        };
        command.env_clear().envs(self.env()).stdin(Stdio::null());
        command
    }

    /// Runs `argv` to its end and returns its output.
    pub fn run(&self, argv: &[&str], stdin: Option<&str>) -> Result<Output> {
        let Some((program, rest)) = argv.split_first() else { bail!("nothing to run") };
        let mut command = self.command(program);
        command.args(rest).stdout(Stdio::piped()).stderr(Stdio::piped());
        if stdin.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().with_context(|| (*program).to_owned())?;
        if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
            // A broken pipe is expected if the program does not read its input.
            let _ = pipe.write_all(text.as_bytes());
        }
        Ok(child.wait_with_output()?)
    }

    /// Enables the plugin: links `$PLUGIN_ENABLED_PATH/matrix` to a directory with its binary,
    /// `subcommands/` and triggers.
    pub fn link_plugin(&self, dir: &Path) -> Result<()> {
        let link = self.enabled().join("matrix");
        if link.is_symlink() {
            fs::remove_file(&link)?;
        }
        Ok(symlink(dir, link)?)
    }

    /// Enables another plugin; only its name and version exist.
    pub fn enable_plugin(&self, name: &str, version: &str, description: &str) -> Result<()> {
        let dir = self.enabled().join(name);
        fs::create_dir_all(&dir)?;
        let text = format!(
            "[plugin]\ndescription = \"{description}\"\nversion = \"{version}\"\n[plugin.config]\n"
        );
        Ok(fs::write(dir.join("plugin.toml"), text)?)
    }

    /// Disables a plugin: Dokku then has no commands of it.
    pub fn disable_plugin(&self, name: &str) -> Result<()> {
        crate::files::remove(&self.enabled().join(name))
    }

    /// The current state of the host.
    pub fn state(&self) -> Result<State> {
        self.store.read()
    }

    /// Changes the state of the host.
    pub fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T> {
        self.store.update(|state| Ok(change(state)))
    }

    /// Adds a certificate to an app, as `certs:add` does.
    pub fn give_certificate(&self, app: &str, hostnames: &[&str]) -> Result<()> {
        let dir = self.root().join(app).join("tls");
        fs::create_dir_all(&dir)?;
        for file in ["server.crt", "server.key"] {
            let provided = self.stand_in().join("tls").join(file);
            fs::write(
                dir.join(file),
                fs::read(provided).unwrap_or_else(|_| b"stand-in: given\n".to_vec()),
            )?;
        }
        let at = crate::apps::now();
        let hostnames = hostnames.iter().map(|&name| name.to_owned()).collect();
        let issuer = "CN = Some CA".to_owned();
        let cert = Cert {
            hostnames,
            issuer,
            starts_at: at,
            expires_at: at + 7_776_000,
            letsencrypt: None,
        };
        self.update(|state| state.apps.entry(app.to_owned()).or_default().cert = Some(cert))
    }

    /// All calls of stand-in programs so far, in the order in which they began.
    pub fn calls(&self) -> Result<Vec<Record>> {
        self.store.records()
    }

    /// The calls that change state, including those inside triggers, but without calls that only
    /// forward another one.
    pub fn changes(&self) -> Result<Vec<Record>> {
        let mut records = self.calls()?;
        records.retain(|record| record.changes && !record.forwarded);
        Ok(records)
    }

    /// Clears the call log, for example to look at a second run alone.
    pub fn forget_calls(&self) -> Result<()> {
        crate::files::remove(&self.stand_in().join("calls.jsonl"))
    }

    /// Sets the fault for the following calls, and resets its counter.
    pub fn set_fault(&self, fault: &Fault) -> Result<()> {
        self.clear_fault()?;
        Ok(fs::write(self.stand_in().join("fault.json"), serde_json::to_string(fault)?)?)
    }

    /// Removes the fault.
    pub fn clear_fault(&self) -> Result<()> {
        self.store.reset_hits()?;
        crate::files::remove(&self.stand_in().join("fault.json"))
    }

    /// Waits until no process of this host runs any more, including orphans of a killed plugin.
    pub fn settle(&self, limit: Duration) -> Result<()> {
        let variable = format!("STAND_IN={}", self.stand_in().display());
        let since = Instant::now();
        loop {
            let alive = processes().into_iter().any(|pid| {
                let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environ.split(|byte| *byte == 0).any(|pair| pair == variable.as_bytes())
            });
            if !alive {
                return Ok(());
            }
            if since.elapsed() > limit {
                bail!("stand-in: still running after {limit:?}");
            }
            sleep(Duration::from_millis(5));
        }
    }

    /// Simulates a reboot: Docker starts containers by their restart policy, unless a link is dead.
    /// The test has to run `dokku ps:restore` itself.
    pub fn reboot(&self) -> Result<()> {
        self.store.update(|state| {
            let copy = state.clone();
            for container in &mut state.containers {
                if !container.status.is_up() {
                    continue;
                }
                let starts = starts_at_boot(&container.restart_policy);
                if starts && copy.dead_links(container).is_empty() {
                    container.restarts = 0;
                    restarts::start(&copy, container);
                } else {
                    container.status = Status::Exited;
                }
            }
            Ok(())
        })
    }
}

/// Fails the test that made an unsupported call, even if it ignored the exit code.
impl Drop for Scene {
    fn drop(&mut self) {
        let calls = self.calls().unwrap_or_default();
        let unsupported: Vec<String> =
            calls.iter().filter(|call| call.is_unsupported()).map(Record::line).collect();
        let panicking = std::thread::panicking();
        assert!(
            unsupported.is_empty() || panicking,
            "stand-in: unsupported calls: {}",
            unsupported.join("; ")
        );
    }
}

fn processes() -> Vec<u32> {
    let Ok(dir) = Path::new("/proc").read_dir() else { return Vec::new() };
    dir.flatten().filter_map(|entry| entry.file_name().to_string_lossy().parse().ok()).collect()
}

fn initial() -> State {
    let pullable = ["matrixdotorg/synapse:v1.163.2", "vectorim/element-web:v1.12.32"];
    let mut state = State {
        version: "0.38.27".to_owned(),
        global_domains: vec!["example.test".to_owned()],
        pullable: pullable.map(str::to_owned).into(),
        sudo_ufw: true,
        nginx_version: "1.22.1".to_owned(),
        sigil_version: "0.11.6".to_owned(),
        ..State::default()
    };
    let synapse = Image { ports: vec![8008, 8009, 8448], ..Image::default() };
    let element = Image { ports: vec![8080], ..Image::default() };
    state.images = pullable.map(str::to_owned).into_iter().zip([synapse, element]).collect();
    state
}
