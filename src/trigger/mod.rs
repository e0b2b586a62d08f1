//! What Dokku calls: one file for each trigger.
//!
//! They run for every app of the host, so the first thing is always the marker: an app that is
//! not ours costs one file that is not there, or two. Only `scheduler-deploy` may fail, and only
//! for an app of ours.

mod app_rename;
mod clone_setup;
mod delete;
mod guard;
mod post_deploy;
mod report;
mod template_source;

use crate::{
    dokku::storage,
    error::{Error, Exit, Result},
    host::{Host, env::Env, run::Nowhere},
    marker::{self, Marker},
    names::ServerName,
    server::{self, Server},
    steps::Wish,
    ui::Ui,
};
use std::sync::Arc;

/// The one trigger that may refuse something.
const GUARD: &str = "scheduler-deploy";

/// An app of ours that a trigger was called for.
struct Call {
    host: Host,
    ui: Ui,
    marker: Marker,
    app: String,
    args: Vec<String>,
}

impl Call {
    fn env(&self) -> &Env {
        self.host.env()
    }

    /// The homeserver that the app runs; `None` if it does not, or not any more.
    fn server(&self) -> Result<Option<Wish>> {
        let Marker::Synapse(name) = &self.marker else { return Ok(None) };
        let server = Server::load(self.env(), name)?;
        Ok((server.app.as_str() == self.app).then(|| Arc::new(server)))
    }
}

/// Where the app stands among the arguments: in a rename's end, it is the new name.
fn place_of_app(trigger: &str) -> usize {
    match trigger {
        GUARD | "post-app-rename" => 1,
        _ => 0,
    }
}

/// Does what is ours to do, and gives the exit code.
pub fn run(env: Env, trigger: &str, args: &[String]) -> Exit {
    let Some(app) = args.get(place_of_app(trigger)) else { return Exit::Done };
    let ui = || Ui::new(false, false);
    let read = marker::read(&env, app).unwrap_or_else(|error| {
        warn(&ui(), &error);
        None
    });
    let marker = match read {
        None if trigger == GUARD => holder(&env, app),
        read => read,
    };
    let Some(marker) = marker else { return Exit::Done };
    let host = Host::new(env, Arc::new(Nowhere), false);
    let call = Call { host, ui: ui(), marker, app: app.clone(), args: args.to_vec() };
    let Err(error) = ours(&call, trigger) else { return Exit::Done };
    warn(&call.ui, &error);
    if trigger == GUARD { Exit::Failed } else { Exit::Done }
}

/// What an app without a marker that can be read is, if it has a homeserver's configuration
/// mounted: with that it would be one more main process, whoever mounted it.
fn holder(env: &Env, app: &str) -> Option<Marker> {
    let root = env.for_daemon(&server::data_root(env));
    let mounts = storage::recorded(env, app).ok()?;
    let name: ServerName = mounts.iter().find_map(|mount| {
        let below = mount.host.strip_prefix(root.as_str())?.strip_prefix('/')?;
        let folder = below.strip_suffix("/config").filter(|_| mount.container == "/config")?;
        folder.replace('_', ":").parse().ok()
    })?;
    let own = Server::read(env, &name).ok().flatten().is_some_and(|own| own.app.as_str() == app);
    Some(if own { Marker::Synapse(name) } else { Marker::Clone })
}

fn ours(call: &Call, trigger: &str) -> Result<()> {
    match trigger {
        "nginx-app-template-source" => template_source::run(call),
        GUARD => guard::run(call),
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
