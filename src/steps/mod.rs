//! What must be true: one directory for each part of the job, and the lists that commands share.
//!
//! The lists below put the steps in order. A step reads what is current and tells what is
//! missing. It never destroys data to converge, and never asks the user.

pub mod app;
pub mod certificate;
pub mod config;
pub mod container;
pub mod database;
pub mod deploy;
mod here;
pub mod host_wide;
pub mod nginx;
pub mod preflight;
mod self_check;
pub mod server_directory;

pub use self_check::dns_records;

use crate::{
    component::{Component, Homeserver, Role},
    host::Host,
    plan::Step,
    state::{Spec, Tls},
};
use server_directory::RecordSpec;
use std::sync::Arc;

/// A list of steps.
pub type Steps = Vec<Box<dyn Step>>;

/// What a command wants, and what this host allows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether the apps are to be deployed.
    pub deploy: bool,
    /// Whether two certificates may be requested at a time.
    pub parallel_certificates: bool,
}

/// All of a homeserver, its components included. `first` records what is desired before anything is
/// touched, but for a new image: that is recorded when it has become ready.
pub fn everything(desired: &Homeserver, first: RecordSpec, options: Options) -> Steps {
    let main = desired.main();
    let last = first.at_the_end(main);
    let mut steps = vec![];
    steps.extend(server_directory::steps(desired, first));
    steps.extend(nginx::template(desired));
    steps.extend(app::steps(main));
    steps.extend(database::steps(desired));
    steps.extend(server_directory::secrets(desired));
    steps.extend(deploy::image(main));
    steps.extend(database::link(main));
    steps.extend(config::synapse(desired));
    steps.extend(nginx::steps(main));
    steps.extend(container::steps(main));
    for component in desired.optional() {
        steps.extend(prepare(component));
    }
    if options.deploy {
        steps.extend(run(main, options, &[]));
        steps.extend(last.map(|last| Box::new(last) as Box<dyn Step>));
        for (place, component) in desired.optional().iter().enumerate() {
            steps.extend(run(component, options, &desired.components[..=place]));
        }
        steps.extend(host_wide::steps(desired));
        steps.push(Box::new(self_check::SelfCheck(desired.clone())));
    }
    steps
}

/// One optional component of a homeserver that exists; `first` as for all of it.
pub fn component(
    desired: &Homeserver,
    component: &Arc<Component>,
    first: RecordSpec,
    options: Options,
) -> Steps {
    let last = first.at_the_end(component);
    // An image that cannot be had is not recorded.
    let mut steps = server_directory::steps(desired, first.after(component.step("image")));
    steps.extend(prepare(component));
    steps.extend(run(component, options, &[]));
    steps.extend(last.map(|last| Box::new(last) as Box<dyn Step>));
    steps.push(Box::new(self_check::SelfCheck(desired.clone())));
    steps
}

/// What a rename of an app loses.
pub fn renamed(component: &Arc<Component>, options: Options) -> Steps {
    let mut steps: Steps = vec![
        Box::new(app::Domains(component.clone())),
        Box::new(app::Ports(component.clone())),
        Box::new(nginx::Locations(component.clone())),
    ];
    if component.kind.single_process {
        steps.push(Box::new(container::SingleProcess(component.clone())));
    }
    steps.extend(certificate::steps(component, options, &[]));
    steps
}

/// What an optional component needs before it runs.
fn prepare(component: &Arc<Component>) -> Steps {
    let mut steps = vec![];
    steps.extend(deploy::image(component));
    steps.extend(config::files(component));
    steps.extend(app::steps(component));
    steps.extend(nginx::steps(component));
    steps.extend(container::steps(component));
    steps
}

/// Runs a component and serves it; `earlier` are those that get their certificates before it.
fn run(component: &Arc<Component>, options: Options, earlier: &[Arc<Component>]) -> Steps {
    let mut steps = deploy::steps(component);
    steps.push(Box::new(nginx::Built(component.clone())));
    steps.extend(certificate::steps(component, options, earlier));
    steps
}

/// The commands that go on with an image that did not become ready, or back to the one before.
fn next_commands(host: &Host, component: &Component) -> String {
    let (spec, image) = (&component.spec, &component.image);
    let app = &spec.app;
    let recorded = Spec::read(host.env(), &spec.server_name);
    let is_new = matches!(&recorded, Ok(Some(old)) if old.image_of(component.kind.name) != image);
    if !is_new {
        return format!("To go on: dokku matrix:deploy {app}");
    }
    let command = match component.kind.role {
        Role::Homeserver => "deploy".to_owned(),
        Role::Optional => format!("enable-{}", component.kind.name),
    };
    format!(
        "To go on: dokku matrix:{command} {app} --image {image}. To go back: dokku matrix:deploy {app}"
    )
}

/// Whether certificates come from dokku-letsencrypt.
fn uses_letsencrypt(spec: &Spec) -> bool {
    spec.tls == Tls::Letsencrypt
}
