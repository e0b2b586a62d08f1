//! A scratch host for one test: its folders, its programs, its environment.

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
use crate::lives;
use crate::real::machine::Machine;
use crate::scratch::Scratch;
use crate::state::{Image, State, Status, starts_at_boot};
use crate::store::{Record, Store};

const PROGRAMS: [&str; 6] = ["dokku", "docker", "sudo", "ufw", "nginx", "sigil"];
const SYSTEM: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A stood-in Dokku host, in a folder that goes away with it.
#[derive(Debug)]
pub struct Scene {
    /// Ends before its folder goes.
    pub(crate) machine: Option<Machine>,
    folder: Scratch,
    store: Store,
}

impl Scene {
    /// A fresh host: no apps, one global domain, postgres and letsencrypt enabled. The binary is the
    /// one beside the running test, built anew once for each test program.
    pub fn new() -> Result<Self> {
        Self::with_binary(binary()?)
    }

    /// The same with a binary given, for the stand-in's own tests.
    pub fn with_binary(binary: &Path) -> Result<Self> {
        Self::in_folder(Scratch::new()?, binary)
    }

    pub(crate) fn in_folder(folder: Scratch, binary: &Path) -> Result<Self> {
        let store = Store::new(folder.path().join("state"));
        let scene = Self { machine: None, store, folder };
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

    /// The whole scratch folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the stood-in programs, first in `PATH`.
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

    /// `$STAND_IN`: the state, the log, the fault, and `tls/` for certificates to hand out.
    pub fn stand_in(&self) -> PathBuf {
        self.path().join("state")
    }

    /// `$PLUGIN_ENABLED_PATH`.
    pub fn enabled(&self) -> PathBuf {
        self.lib().join("plugins/enabled")
    }

    /// The environment that a real host gives a subcommand or a trigger.
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
            // What a killed program leaves goes with the host.
            ("TMPDIR", path(self.path().join("tmp"))),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// The names of the user and the group that Dokku runs as.
    fn account(&self) -> (String, String) {
        if self.machine.is_some() {
            return ("dokku".to_owned(), "dokku".to_owned());
        }
        let user = User::from_uid(Uid::current()).ok().flatten().map(|user| user.name);
        let group = Group::from_gid(Gid::current()).ok().flatten().map(|group| group.name);
        let root = || "root".to_owned();
        (user.unwrap_or_else(root), group.unwrap_or_else(root))
    }

    /// A program as dokku would call it, with nothing but the host's environment.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let given = Path::new(program.as_ref());
        let program = self.bin().join(given);
        let program = if program.exists() { program.as_path() } else { given };
        let mut command = match &self.machine {
            Some(machine) => machine.command(program),
            None => Command::new(program),
        };
        command.env_clear().envs(self.env()).stdin(Stdio::null());
        command
    }

    /// Runs `argv` to its end and gives what it printed.
    pub fn run(&self, argv: &[&str], stdin: Option<&str>) -> Result<Output> {
        let Some((program, rest)) = argv.split_first() else { bail!("nothing to run") };
        let mut command = self.command(program);
        command.args(rest).stdout(Stdio::piped()).stderr(Stdio::piped());
        if stdin.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().with_context(|| (*program).to_owned())?;
        if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
            // A program that does not read it ends with a broken pipe here, which is its right.
            let _ = pipe.write_all(text.as_bytes());
        }
        Ok(child.wait_with_output()?)
    }

    /// Enables the plugin: `$PLUGIN_ENABLED_PATH/matrix` becomes a link to a folder with its binary,
    /// `subcommands/` and triggers.
    pub fn link_plugin(&self, folder: &Path) -> Result<()> {
        let link = self.enabled().join("matrix");
        if link.is_symlink() {
            fs::remove_file(&link)?;
        }
        Ok(symlink(folder, link)?)
    }

    /// Enables another plugin, by name only.
    pub fn enable_plugin(&self, name: &str, version: &str, description: &str) -> Result<()> {
        let folder = self.enabled().join(name);
        fs::create_dir_all(&folder)?;
        let text = format!(
            "[plugin]\ndescription = \"{description}\"\nversion = \"{version}\"\n[plugin.config]\n"
        );
        Ok(fs::write(folder.join("plugin.toml"), text)?)
    }

    /// Disables a plugin: the host does not know its commands any more.
    pub fn disable_plugin(&self, name: &str) -> Result<()> {
        crate::files::remove(&self.enabled().join(name))
    }

    /// What the host remembers.
    pub fn state(&self) -> Result<State> {
        self.store.read()
    }

    /// Changes what the host remembers.
    pub fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T> {
        self.store.update(|state| Ok(change(state)))
    }

    /// Gives an app a certificate that was added by hand (`certs:add`).
    pub fn give_certificate(&self, app: &str, hostnames: &[&str]) -> Result<()> {
        let folder = self.root().join(app).join("tls");
        fs::create_dir_all(&folder)?;
        for file in ["server.crt", "server.key"] {
            let given = self.stand_in().join("tls").join(file);
            fs::write(
                folder.join(file),
                fs::read(given).unwrap_or_else(|_| b"stand-in: given\n".to_vec()),
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

    /// All calls of stood-in programs so far, in the order in which they began.
    pub fn calls(&self) -> Result<Vec<Record>> {
        self.store.records()
    }

    /// The calls of the changing kind, those made inside triggers included; not the ones that only
    /// pass another on.
    pub fn changes(&self) -> Result<Vec<Record>> {
        let mut records = self.calls()?;
        records.retain(|record| record.changes && !record.forwarded);
        Ok(records)
    }

    /// Forgets the calls so far, so that a second run can be looked at alone.
    pub fn forget_calls(&self) -> Result<()> {
        crate::files::remove(&self.stand_in().join("calls.jsonl"))
    }

    /// Sets the fault that strikes from now on; the count begins anew.
    pub fn set_fault(&self, fault: &Fault) -> Result<()> {
        self.clear_fault()?;
        Ok(fs::write(self.stand_in().join("fault.json"), serde_json::to_string(fault)?)?)
    }

    /// No fault any more.
    pub fn clear_fault(&self) -> Result<()> {
        self.store.forget_hits()?;
        crate::files::remove(&self.stand_in().join("fault.json"))
    }

    /// Waits until no process of this host runs any more: orphans of a killed plugin included.
    pub fn settle(&self, limit: Duration) -> Result<()> {
        let wanted = format!("STAND_IN={}", self.stand_in().display());
        let since = Instant::now();
        loop {
            let alive = processes().into_iter().any(|pid| {
                let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environ.split(|byte| *byte == 0).any(|pair| pair == wanted.as_bytes())
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

    /// The machine goes down and comes up: Docker starts what its restart policy says, with what
    /// links there are; `dokku ps:restore` is the test's to call.
    pub fn reboot(&self) -> Result<()> {
        self.store.update(|state| {
            let copy = state.clone();
            for container in &mut state.containers {
                if !container.status.is_kept() {
                    continue;
                }
                let again = starts_at_boot(&container.restart_policy);
                if again && copy.dead_links(container).is_empty() {
                    container.restarts = 0;
                    lives::begin(&copy, container);
                } else {
                    container.status = Status::Exited;
                }
            }
            Ok(())
        })
    }
}

/// A call that the stand-in does not know fails the test that made it, even if nobody looked at it.
impl Drop for Scene {
    fn drop(&mut self) {
        let calls = self.calls().unwrap_or_default();
        let unknown: Vec<String> =
            calls.iter().filter(|call| call.is_unknown()).map(Record::line).collect();
        let calm = !std::thread::panicking();
        assert!(unknown.is_empty() || !calm, "stand-in: not known: {}", unknown.join("; "));
    }
}

fn processes() -> Vec<u32> {
    let Ok(folder) = Path::new("/proc").read_dir() else { return Vec::new() };
    folder.flatten().filter_map(|entry| entry.file_name().to_string_lossy().parse().ok()).collect()
}

fn initial() -> State {
    let pullable = ["matrixdotorg/synapse:v1.163.2", "vectorim/element-web:v1.12.32"];
    let mut state = State {
        version: "0.38.27".to_owned(),
        global_domains: vec!["example.test".to_owned()],
        pullable: pullable.map(str::to_owned).into(),
        sudo_ufw: true,
        nginx_version: "1.22.1".to_owned(),
        ..State::default()
    };
    let synapse = Image { ports: vec![8008, 8009, 8448], ..Image::default() };
    let element = Image { ports: vec![8080], ..Image::default() };
    state.images = pullable.map(str::to_owned).into_iter().zip([synapse, element]).collect();
    state
}
