//! A [`Scene`] in a world: a host with real parts, and what a test can do to it as root.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::container::Folder;
use super::machine::{self, Machine};
use super::program::run;
use super::{World, apps, engine};
use crate::scene::Scene;
use crate::scratch::Scratch;
use crate::state::{Status, starts_at_boot};

impl Scene {
    /// A host in a world, with real parts: its domain, one of the world's, is its global one.
    pub fn real(world: &World, domain: &str) -> Result<Self> {
        let mut scene = Self::in_folder(Scratch::below(world.folder())?, &world.binary())?;
        scene.update(|state| state.global_domains = vec![domain.to_owned()])?;
        machine::lay_out(scene.path())?;
        let machine = Machine::start(world, domain, scene.path())?;
        scene.update(|state| state.parts = Some(machine.parts.clone()))?;
        scene.machine = Some(machine);
        Ok(scene)
    }

    /// A host with real parts loses its power, and comes up again: Docker starts what its restart
    /// policy says; `dokku ps:restore` is the test's to call.
    pub fn power_cut(&mut self, world: &World, domain: &str) -> Result<()> {
        self.machine = None;
        apps::lights_out(&self.stand_in())?;
        let machine = Machine::start(world, domain, self.path())?;
        let start = |id: &String| {
            run(machine.root(engine::PATH).args(["start", id]).env("STAND_IN", self.stand_in()))
        };
        for service in self.state()?.services.values() {
            service.container.as_ref().map_or(Ok(()), start)?;
        }
        let state = self.state()?;
        for container in &state.containers {
            // Of a policy that says so, whoever was stopped before stays so.
            let asleep = container.restart_policy == "unless-stopped"
                && Folder::of(&self.stand_in(), &container.id).is_stopping();
            if container.status == Status::Exited
                && starts_at_boot(&container.restart_policy)
                && !asleep
                && state.dead_links(container).is_empty()
            {
                start(&container.id)?;
            }
        }
        self.machine = Some(machine);
        Ok(())
    }

    /// A program that root runs on a host with real parts, with the world's environment.
    pub fn root_command(&self, program: &str) -> Option<Command> {
        self.machine.as_ref().map(|machine| machine.root(program))
    }

    /// What a test has put there is dokku's, as what dokku puts there.
    pub fn give_to_dokku(&self, path: &Path) -> Result<()> {
        if self.machine.is_some() { machine::give(path) } else { Ok(()) }
    }

    /// The public address of a host with real parts.
    pub fn address(&self) -> Option<&str> {
        self.machine.as_ref().map(|machine| machine.address.as_str())
    }
}
