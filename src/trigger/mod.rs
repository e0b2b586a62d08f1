//! What Dokku calls: one file for each trigger, or for two that belong together.
//!
//! They run for every app of the host, so the first thing is always the marker: an app that is not
//! ours costs one file that does not exist, or two. Then the app itself must confirm its marker.
//! Only the guards (`scheduler-*`) may fail, and only for an app of ours.

mod app_rename;
mod clone_setup;
mod delete;
mod deploy_guard;
mod post_deploy;
mod pre_reload;
mod report;
mod run_guard;
mod template_source;

use crate::{
    component::{
        Catalog, Component, Homeserver,
        identity::{self, Identity},
    },
    error::{Error, Exit, Result},
    host::{Host, env::Env, run::Nowhere},
    state::{Marker, Spec, marker},
    ui::Ui,
};
use std::sync::Arc;

/// The deploy guard.
const GUARD: &str = "scheduler-deploy";
/// The triggers that may refuse something: what starts a program in a container.
const GUARDS: [&str; 3] = [GUARD, "scheduler-enter", "scheduler-run"];

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

    /// Whether two processes of the app would corrupt its data. A kind that this program does not know
    /// may be one.
    fn is_single_process(&self) -> bool {
        match &self.marker {
            Marker::Clone => true,
            Marker::Component { kind, .. } => {
                self.catalog.find(kind).is_none_or(|kind| kind.single_process)
            }
        }
    }

    fn warn(&self, error: &Error) {
        warn(&self.ui, error);
    }
}

/// The argument that is the app; in a rename's end, the one that is its new name.
fn argument_of_app(trigger: &str) -> usize {
    match trigger {
        "post-app-rename" => 1,
        guard if GUARDS.contains(&guard) => 1,
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
    // Only the guards ask what an app has mounted that has no marker.
    let is_guard = GUARDS.contains(&trigger);
    if marker.is_none() && !is_guard {
        return Exit::Done;
    }
    let host = Host::new(env, Arc::new(Nowhere), false);
    let marker = confirmed(&host, catalog, (trigger, app), marker);
    let done = marker.and_then(|marker| match marker {
        None => Ok(()),
        Some(marker) => {
            let (app, args) = (app.clone(), args.to_vec());
            dispatch(&Call { host, catalog, ui: ui(), marker, app, args }, trigger)
        }
    });
    let Err(error) = done else { return Exit::Done };
    warn(&ui(), &error);
    if is_guard { Exit::Failed } else { Exit::Done }
}

/// The marker that an app has, or should have, if the app itself confirms it; `None` if it is not
/// ours.
fn confirmed(
    host: &Host,
    catalog: Catalog,
    (trigger, app): (&str, &str),
    marker: Option<Marker>,
) -> Result<Option<Marker>> {
    // Dokku has begun to remove the old app, and to make the new one. `pre-delete` and
    // `post-app-rename-setup` have looked before.
    if matches!(trigger, "post-delete" | "post-app-rename") {
        return Ok(marker);
    }
    Ok(match identity::with_marker(host, catalog, app, marker)? {
        Identity::Component { kind, server } => Some(Marker::Component { kind, server }),
        Identity::Renamed { kind, server, old } => {
            let new = app.parse()?;
            identity::record_rename(host, catalog, (&kind, &server), old.as_str(), &new)?;
            Some(Marker::Component { kind, server })
        }
        Identity::Clone => Some(Marker::Clone),
        // With this app its marker goes, and nothing else.
        Identity::Replaced { .. } if trigger == "pre-delete" => {
            marker::remove(host, app)?;
            None
        }
        Identity::Replaced { .. } | Identity::Gone { .. } | Identity::Stranger => None,
    })
}

fn dispatch(call: &Call, trigger: &str) -> Result<()> {
    match trigger {
        "nginx-app-template-source" => template_source::run(call),
        "nginx-pre-reload" => pre_reload::run(call),
        GUARD => deploy_guard::run(call),
        "scheduler-enter" => run_guard::enter(call),
        "scheduler-run" => run_guard::run(call),
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
