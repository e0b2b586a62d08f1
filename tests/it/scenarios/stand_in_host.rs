//! A stand-in host with real parts.

use super::{Host, HttpClient, run_command};
use crate::contract::harness::install_plugin;
use crate::support::Output;
use crate::support::tools;
use stand_in::{Scene, World};
use std::process::Command;
use std::sync::Arc;

/// Fields are dropped in this order: the network ends after its host.
pub(super) struct StandInHost {
    pub(super) scene: Scene,
    pub(super) world: Arc<World>,
    domain: &'static str,
}

impl StandInHost {
    /// Creates a host in a network of its own.
    pub(super) fn new() -> Self {
        Self::in_world(&Arc::new(World::new(&tools()).unwrap()), "alpha.test")
    }

    pub(super) fn in_world(world: &Arc<World>, domain: &'static str) -> Self {
        let scene = Scene::real(world, domain).unwrap();
        install_plugin(&scene);
        Self { scene, world: Arc::clone(world), domain }
    }

    pub(super) fn power_cut(&mut self) {
        self.scene.power_cut(&self.world, self.domain).unwrap();
    }
}

impl Drop for StandInHost {
    /// The logs of the containers are removed with the host, so a failed test prints their last lines.
    #[expect(clippy::print_stderr, reason = "shows why the test has failed")]
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

impl HttpClient for StandInHost {
    fn curl(&self) -> Command {
        self.world.curl()
    }
}

/// Sends requests from outside of the hosts.
impl HttpClient for World {
    fn curl(&self) -> Command {
        self.command("curl")
    }
}

impl Host for StandInHost {
    /// All names are in the DNS of the network, so nothing is left to do.
    const SUCCESS: &'static [i32] = &[0];

    fn global_domain(&self) -> String {
        self.domain.to_owned()
    }

    fn dokku(&self, line: &str, stdin: &str) -> Output {
        let mut command = self.scene.command("dokku");
        command.args(line.split_whitespace());
        run_command(command, stdin.as_bytes())
    }

    fn docker(&self, line: &str) -> Output {
        let mut command = self.scene.command("docker");
        command.args(line.split_whitespace());
        run_command(command, b"")
    }

    fn root(&self, program: &str) -> Command {
        self.scene.root_command(program).unwrap()
    }

    fn lib(&self) -> String {
        self.scene.lib().to_str().unwrap().to_owned()
    }
}
