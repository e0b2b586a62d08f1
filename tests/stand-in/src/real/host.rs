//! A [`Scene`] in a world: a host with real parts, and what a test can do to it as root.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::container::ContainerDir;
use super::machine::{self, Machine};
use super::program::run;
use super::{World, apps, engine};
use crate::scene::Scene;
use crate::scratch::Scratch;
use crate::state::{Status, starts_at_boot};

impl Scene {
    /// Creates a host with real parts in a world. Its global domain is `domain`, one of the
    /// world's.
    pub fn real(world: &World, domain: &str) -> Result<Self> {
        let mut scene = Self::in_dir(Scratch::below(world.dir())?, &world.binary())?;
        scene.update(|state| state.global_domains = vec![domain.to_owned()])?;
        machine::prepare(scene.path())?;
        let machine = Machine::start(world, domain, scene.path())?;
        scene.update(|state| state.parts = Some(machine.parts.clone()))?;
        scene.machine = Some(machine);
        Ok(scene)
    }

    /// Simulates a power cut and the following boot of a host with real parts. Docker starts
    /// containers by their restart policy; the test has to run `dokku ps:restore` itself.
    pub fn power_cut(&mut self, world: &World, domain: &str) -> Result<()> {
        self.machine = None;
        apps::mark_all_killed(&self.stand_in())?;
        let machine = Machine::start(world, domain, self.path())?;
        let start = |id: &String| {
            run(machine.root(engine::PATH).args(["start", id]).env("STAND_IN", self.stand_in()))
        };
        for service in self.state()?.services.values() {
            service.container.as_ref().map_or(Ok(()), start)?;
        }
        let state = self.state()?;
        for container in &state.containers {
            // `unless-stopped`: a container that was stopped before stays stopped.
            let stays_stopped = container.restart_policy == "unless-stopped"
                && ContainerDir::of(&self.stand_in(), &container.id).is_stopping();
            if container.status == Status::Exited
                && starts_at_boot(&container.restart_policy)
                && !stays_stopped
                && state.dead_links(container).is_empty()
            {
                start(&container.id)?;
            }
        }
        self.machine = Some(machine);
        Ok(())
    }

    /// A command that runs as root on a host with real parts, with the environment of the world.
    pub fn root_command(&self, program: &str) -> Option<Command> {
        self.machine.as_ref().map(|machine| machine.root(program))
    }

    /// Makes dokku the owner of files that a test has put on the host.
    pub fn give_to_dokku(&self, path: &Path) -> Result<()> {
        if self.machine.is_some() { machine::give_to_dokku(path) } else { Ok(()) }
    }

    /// The public address of a host with real parts.
    pub fn address(&self) -> Option<&str> {
        self.machine.as_ref().map(|machine| machine.address.as_str())
    }
}
