//! Real parts by themselves: what Docker does with containers, done by the stand-in's own engine. Their
//! programs are scripts, so that it takes seconds. It has to be run by root, or by `dev/as-root`.

#![expect(clippy::unwrap_used, reason = "helpers of a test panic")]

mod containers;
mod exec;
mod left;
mod links;
mod made;
mod policies;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread::sleep;
use std::time::{Duration, Instant};

use stand_in::{Scene, World};

/// What the image runs stands in the app's `SCRIPT`.
const IMAGE: &str = "stand-in/script:1";
/// It runs until it is asked to end.
const STAYS: &str = "trap 'exit 0' TERM; while :; do sleep 0.05; done";
/// It ends with 7 as soon as a file says so, and ever again.
const DIES: &str =
    "trap 'exit 0' TERM; until [ -e /data/die ]; do sleep 0.05; done; echo >>/data/died; exit 7";

/// A host in a network of its own, which ends after it.
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

    /// Runs a line of words, without quoting.
    fn run(&self, line: &str) -> Output {
        self.scene.run(&line.split(' ').collect::<Vec<_>>(), None).unwrap()
    }

    /// Runs a line that ends with this code; what it prints on both streams.
    fn ends(&self, line: &str, code: i32) -> String {
        let output = self.run(line);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        said
    }

    fn ok(&self, line: &str) -> String {
        self.ends(line, 0)
    }

    /// An app that is not deployed yet, with this script and a folder at `/data`.
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

    /// What `docker inspect` says of an app's container.
    fn inspected(&self, app: &str, field: &str) -> String {
        let container = format!("{app}.web.1");
        let format = format!("{{{{{field}}}}}");
        let argv = ["docker", "inspect", "--format", &format, &container];
        let output = self.scene.run(&argv, None).unwrap();
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn restarts(&self, app: &str) -> u32 {
        self.inspected(app, ".RestartCount").parse().unwrap()
    }

    /// Whether Docker keeps its container running.
    fn runs(&self, app: &str) -> bool {
        self.inspected(app, ".State.Running") == "true"
    }
}

/// Waits until something holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(20), "{what}");
        sleep(Duration::from_millis(20));
    }
}
