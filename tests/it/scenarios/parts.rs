//! A stood-in host with real parts.

use super::{Outside, Place, fed};
use crate::contract::rig::install_plugin;
use crate::plugin_copy::Ran;
use crate::support::tools;
use stand_in::{Scene, World};
use std::process::Command;
use std::sync::Arc;

/// The network ends after its hosts.
pub(super) struct Parts {
    pub(super) scene: Scene,
    pub(super) world: Arc<World>,
    domain: &'static str,
}

impl Parts {
    /// A host in a network of its own.
    pub(super) fn alone() -> Self {
        Self::within(&Arc::new(World::new(&tools()).unwrap()), "alpha.test")
    }

    pub(super) fn within(world: &Arc<World>, domain: &'static str) -> Self {
        let scene = Scene::real(world, domain).unwrap();
        install_plugin(&scene);
        Self { scene, world: Arc::clone(world), domain }
    }
}

impl Parts {
    pub(super) fn power_cut(&mut self) {
        self.scene.power_cut(&self.world, self.domain).unwrap();
    }
}

impl Drop for Parts {
    /// What its containers have said last goes with the host, and is wanted when a test has failed.
    #[expect(clippy::print_stderr, reason = "the test has failed, and this is why")]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let runs = std::fs::read_dir(self.scene.stand_in().join("run"));
        for run in runs.into_iter().flatten().flatten() {
            let log = std::fs::read_to_string(run.path().join("log")).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(25)..].join("\n");
            eprintln!("--- {} on {}\n{last}", run.path().display(), self.domain);
        }
    }
}

impl Outside for Parts {
    fn curl(&self) -> Command {
        self.world.curl()
    }
}

/// From elsewhere in the network, by its names.
impl Outside for World {
    fn curl(&self) -> Command {
        self.command("curl")
    }
}

impl Place for Parts {
    /// All names are there, and nothing is left to do.
    const DONE: &'static [i32] = &[0];

    fn global_domain(&self) -> String {
        self.domain.to_owned()
    }

    fn dokku(&self, line: &str, stdin: &str) -> Ran {
        let mut command = self.scene.command("dokku");
        command.args(line.split_whitespace());
        fed(command, stdin.as_bytes())
    }

    fn docker(&self, line: &str) -> Ran {
        let mut command = self.scene.command("docker");
        command.args(line.split_whitespace());
        fed(command, b"")
    }

    fn root(&self, program: &str) -> Command {
        self.scene.root_command(program).unwrap()
    }

    fn lib(&self) -> String {
        self.scene.lib().to_str().unwrap().to_owned()
    }
}
