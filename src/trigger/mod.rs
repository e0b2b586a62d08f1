//! What Dokku calls: one file for each trigger, or for two that belong together.
//!
//! They run for every app of the host, so the first thing is always the marker: an app that is not
//! ours costs one file that does not exist, or two. Only `scheduler-deploy` may fail, and only for
//! an app of ours.

mod app_rename;
mod clone_setup;
mod delete;
mod deploy_guard;
mod post_deploy;
mod report;
mod template_source;

use crate::{
    component::{Catalog, Component, Homeserver},
    dokku::storage,
    error::{Error, Exit, Result},
    host::{Host, env::Env, run::Nowhere},
    names::ServerName,
    state::{Marker, Spec, data_root, marker},
    ui::Ui,
};
use std::sync::Arc;

/// The one trigger that may refuse something.
const GUARD: &str = "scheduler-deploy";

/// A trigger that was called for an app of ours.
struct Call {
    host: Host,
    catalog: Catalog,
    ui: Ui,
    marker: Marker,
    app: String,
    args: Vec<String>,
}

impl Call {
    fn env(&self) -> &Env {
        self.host.env()
    }

    /// The homeserver and the component that the app runs; `None` if it is not, or not any more, the
    /// app of that component.
    fn component(&self) -> Result<Option<(Homeserver, Arc<Component>)>> {
        let Marker::Component { kind, server } = &self.marker else { return Ok(None) };
        let spec = Spec::load(self.env(), server)?;
        let homeserver = Homeserver::new(self.catalog, self.env(), spec)?;
        let component = homeserver.component(kind).filter(|one| one.app.as_str() == self.app);
        let component = component.cloned();
        Ok(component.map(|component| (homeserver, component)))
    }

    /// The same where the app is the homeserver's own.
    fn homeserver(&self) -> Result<Option<Homeserver>> {
        let Marker::Component { kind, .. } = &self.marker else { return Ok(None) };
        if *kind != self.catalog.homeserver().name {
            return Ok(None);
        }
        Ok(self.component()?.map(|(homeserver, _)| homeserver))
    }

    fn warn(&self, error: &Error) {
        warn(&self.ui, error);
    }
}

/// The argument that is the app; in a rename's end, the one that is its new name.
fn argument_of_app(trigger: &str) -> usize {
    match trigger {
        GUARD | "post-app-rename" => 1,
        _ => 0,
    }
}

/// Does what is ours to do, and gives the exit code.
pub fn run(env: Env, catalog: Catalog, trigger: &str, args: &[String]) -> Exit {
    let Some(app) = args.get(argument_of_app(trigger)) else { return Exit::Done };
    let ui = || Ui::new(false, false);
    let marker = marker::read(&env, app).unwrap_or_else(|error| {
        warn(&ui(), &error);
        None
    });
    let marker = match marker {
        None if trigger == GUARD => by_mounts(&env, catalog, app),
        marker => marker,
    };
    let Some(marker) = marker else { return Exit::Done };
    let host = Host::new(env, Arc::new(Nowhere), false);
    let call = Call { host, catalog, ui: ui(), marker, app: app.clone(), args: args.to_vec() };
    let Err(error) = dispatch(&call, trigger) else { return Exit::Done };
    call.warn(&error);
    if trigger == GUARD { Exit::Failed } else { Exit::Done }
}

/// What an app without a readable marker is, if it has a homeserver's configuration mounted: it
/// would be a second process on the same data, whoever mounted it.
fn by_mounts(env: &Env, catalog: Catalog, app: &str) -> Option<Marker> {
    let root = env.for_daemon(&data_root(env));
    let mounts = storage::recorded(env, app).ok()?;
    let name: ServerName = mounts.iter().flatten().find_map(|mount| {
        let below = mount.host.strip_prefix(root.as_str())?.strip_prefix('/')?;
        let directory = below.strip_suffix("/config").filter(|_| mount.container == "/config")?;
        directory.replace('_', ":").parse().ok()
    })?;
    let is_own = Spec::read(env, &name).ok().flatten().is_some_and(|own| own.app.as_str() == app);
    let own = || Marker::component(catalog.homeserver().name, &name);
    Some(if is_own { own() } else { Marker::Clone })
}

fn dispatch(call: &Call, trigger: &str) -> Result<()> {
    match trigger {
        "nginx-app-template-source" => template_source::run(call),
        GUARD => deploy_guard::run(call),
        "post-deploy" => post_deploy::run(call),
        "post-app-rename-setup" => app_rename::setup(call),
        "post-app-rename" => app_rename::finish(call),
        "pre-delete" => delete::before(call),
        "post-delete" => delete::after(call),
        "post-app-clone-setup" => clone_setup::run(call),
        "report" => report::run(call),
        _ => Err(Error::new(format!("{trigger} is not a trigger of this plugin"))),
    }
}

fn warn(ui: &Ui, error: &Error) {
    for line in error.lines() {
        ui.warn(&line);
    }
}
