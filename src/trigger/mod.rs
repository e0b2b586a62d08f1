//! What Dokku calls: one file for each trigger.
//!
//! They run for every app of the host, so the first thing is always the marker: an app that is
//! not ours costs one file that is not there. Only `scheduler-deploy` may fail, and only for an
//! app of ours.

mod app_rename;
mod clone_setup;
mod delete;
mod guard;
mod post_deploy;
mod report;
mod template_source;

use crate::{
    error::{Error, Exit, Result},
    host::{Host, env::Env, run::Nowhere},
    marker::{self, Marker},
    server::Server,
    steps::Wish,
    ui::Ui,
};
use std::sync::Arc;

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
        "scheduler-deploy" | "post-app-rename" => 1,
        _ => 0,
    }
}

/// Does what is ours to do, and gives the exit code.
pub fn run(env: Env, trigger: &str, args: &[String]) -> Exit {
    let Some(app) = args.get(place_of_app(trigger)) else { return Exit::Done };
    match marker::read(&env, app) {
        Ok(None) if trigger == "scheduler-deploy" && guard::holds_our_folders(&env, app) => {
            told(&Ui::new(false, false), trigger, Err(guard::clone(app)))
        }
        Ok(None) => Exit::Done,
        Ok(Some(marker)) => {
            let (ui, host) = (Ui::new(false, false), Host::new(env, Arc::new(Nowhere), false));
            let call = Call { host, ui, marker, app: app.clone(), args: args.to_vec() };
            told(&call.ui, trigger, ours(&call, trigger))
        }
        Err(error) => told(&Ui::new(false, false), trigger, Err(error)),
    }
}

fn ours(call: &Call, trigger: &str) -> Result<()> {
    match trigger {
        "nginx-app-template-source" => template_source::run(call),
        "scheduler-deploy" => guard::run(call),
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

fn told(ui: &Ui, trigger: &str, result: Result<()>) -> Exit {
    let Err(error) = result else { return Exit::Done };
    for line in error.lines() {
        ui.warn(&line);
    }
    if trigger == "scheduler-deploy" { Exit::Failed } else { Exit::Done }
}
