//! The real parts by themselves: the stand-in's engine does with containers what Docker does. The
//! containers run shell scripts, so that the tests take seconds. The tests need root, or
//! `dev/as-root`.

#![expect(clippy::unwrap_used, reason = "helpers of a test panic")]

mod cleanup;
mod container_options;
mod exec;
mod links;
mod restart_policies;
mod start_stop;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread::sleep;
use std::time::{Duration, Instant};

use stand_in::{Scene, World};

/// An image that runs the app's variable `SCRIPT`.
const IMAGE: &str = "stand-in/script:1";
/// Runs until it receives SIGTERM.
const RUNS: &str = "trap 'exit 0' TERM; while :; do sleep 0.05; done";
/// Exits with 7 as soon as a file exists, and again after every restart.
const CRASHES: &str = "trap 'exit 0' TERM; until [ -e /data/crash ]; do sleep 0.05; done; echo >>/data/crashes; exit 7";

/// A host in a network of its own.
struct Host {
    scene: Scene,
    world: World,
}

impl Host {
    fn new() -> Self {
        let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("tools");
        let world = World::new(&tools).unwrap();
        let scene = Scene::real(&world, "alpha.test").unwrap();
        scene.update(|state| state.pullable.insert(IMAGE.to_owned())).unwrap();
        Self { scene, world }
    }

    fn power_cut(&mut self) {
        self.scene.power_cut(&self.world, "alpha.test").unwrap();
    }

    /// Runs a command line, split at spaces, without quoting.
    fn run(&self, line: &str) -> Output {
        self.scene.run(&line.split(' ').collect::<Vec<_>>(), None).unwrap()
    }

    /// Runs a command line that must exit with this code, and returns both output streams.
    fn exits_with(&self, line: &str, code: i32) -> String {
        let output = self.run(line);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let printed = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {printed}");
        printed
    }

    fn ok(&self, line: &str) -> String {
        self.exits_with(line, 0)
    }

    /// Creates an app, not deployed yet, with this script and a directory at `/data`.
    fn created(&self, app: &str, script: &str) {
        self.ok(&format!("dokku apps:create {app}"));
        self.ok(&format!("dokku checks:disable {app} web"));
        self.ok(&format!("dokku storage:mount {app} {}:/data", self.data(app).display()));
        let pair = format!("SCRIPT={script}");
        let set = ["dokku", "config:set", "--no-restart", app, &pair];
        assert!(self.scene.run(&set, None).unwrap().status.success());
    }

    fn deployed(&self, app: &str, script: &str) {
        self.created(app, script);
        self.ok(&format!("dokku git:from-image {app} {IMAGE}"));
    }

    fn data(&self, app: &str) -> PathBuf {
        self.scene.lib().join("data").join(app)
    }

    /// A field of `docker inspect` of the app's container.
    fn inspect(&self, app: &str, field: &str) -> String {
        let container = format!("{app}.web.1");
        let format = format!("{{{{{field}}}}}");
        let argv = ["docker", "inspect", "--format", &format, &container];
        let output = self.scene.run(&argv, None).unwrap();
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn restarts(&self, app: &str) -> u32 {
        self.inspect(app, ".RestartCount").parse().unwrap()
    }

    /// Whether Docker counts its container as running, which includes the back-off before a
    /// restart.
    fn is_up(&self, app: &str) -> bool {
        self.inspect(app, ".State.Running") == "true"
    }
}

/// Waits until a condition holds.
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let since = Instant::now();
    while !condition() {
        assert!(since.elapsed() < Duration::from_secs(20), "{what}");
        sleep(Duration::from_millis(20));
    }
}
