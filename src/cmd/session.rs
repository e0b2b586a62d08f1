//! What the commands share: the machine, the output, the locks, and one converging run.

use crate::{
    component::{
        Catalog, Homeserver, Kind, Role,
        identity::{self, Identity},
    },
    dokku::{self, apps},
    error::{Error, Exit, Result},
    host::{
        Host, clock,
        env::Env,
        lock::Lock,
        run::{Nowhere, Sink},
    },
    names::{AppName, ServerName},
    plan::{self, Mode, Observer, Outcome, Step},
    state::{
        HostStatus, Spec, Status,
        locks::{self, Data},
        plugin_version,
    },
    steps::{
        Steps,
        preflight::{self, Preflight},
    },
    ui::Ui,
};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

/// So many steps side by side: one that waits for the network leaves a core to the others.
const LANES: usize = 3;

// The flags that most commands have. Not a doc comment: clap would show it as the help of each command.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Flags {
    /// Show what would be changed, and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Show what Dokku prints.
    #[arg(long)]
    pub(super) verbose: bool,
}

/// One command at work.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) host: Host,
    pub(super) ui: Ui,
    pub(super) catalog: Catalog,
    dry_run: bool,
    started: Instant,
    command: String,
}

impl Session {
    pub(super) fn new(env: Env, catalog: Catalog, command: impl Into<String>) -> Self {
        let ui = Ui::new(env.get("DOKKU_QUIET_OUTPUT").is_some(), false);
        let host = Host::new(env, Arc::new(Nowhere), false);
        let (command, started) = (command.into(), Instant::now());
        Self { host, ui, catalog, dry_run: false, started, command }
    }

    /// With the flags that most commands have.
    pub(super) fn with_flags(
        env: Env,
        catalog: Catalog,
        command: impl Into<String>,
        Flags { dry_run, verbose }: Flags,
    ) -> Self {
        let ui = Ui::new(env.get("DOKKU_QUIET_OUTPUT").is_some(), verbose);
        let host = Host::new(env.clone(), Arc::new(Nowhere), dry_run);
        Self { host, ui, dry_run, ..Self::new(env, catalog, command) }
    }

    pub(super) fn env(&self) -> &Env {
        self.host.env()
    }

    fn named(&self, app: &AppName) -> String {
        format!("dokku {} {app}", self.command)
    }

    /// Takes the lock of a homeserver for a command on an app, before anything of it is read. A dry
    /// run needs none.
    pub(super) fn lock(&self, name: &ServerName, app: &AppName) -> Result<Option<Lock>> {
        if self.dry_run {
            return Ok(None);
        }
        let lock = locks::server(&self.host, name, &self.named(app))?;
        HostStatus::migrate(&self.host)?;
        Ok(Some(lock))
    }

    /// Takes the lock of an app that becomes the app of a homeserver, before it is read whose it is.
    pub(super) fn lock_app(&self, app: &AppName, homeserver: &AppName) -> Result<Option<Lock>> {
        if self.dry_run {
            return Ok(None);
        }
        locks::app(&self.host, app, &self.named(homeserver)).map(Some)
    }

    /// Takes the locks of the optional components' apps. The preflight refuses one app for two.
    pub(super) fn lock_optional(&self, desired: &Homeserver) -> Result<Vec<Lock>> {
        let own = &desired.spec.app;
        let apps = desired.optional().iter().map(|component| &component.app);
        let apps: BTreeSet<_> = apps.filter(|app| *app != own).collect();
        let locks = apps.into_iter().map(|app| self.lock_app(app, own));
        Ok(locks.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Takes the lock of a homeserver's data, which this command replaces or changes in form.
    pub(super) fn lock_data(&self, spec: &Spec) -> Result<Option<Lock>> {
        if self.dry_run {
            return Ok(None);
        }
        let command = self.named(&spec.app);
        locks::data(&self.host, &spec.server_name, Data::Replace, &command).map(Some)
    }

    /// The homeserver of an app, read under its lock.
    ///
    /// # Errors
    /// As [`Session::spec`]; or another command holds the lock.
    pub(super) fn locked(&self, app: &AppName) -> Result<(Spec, Option<Lock>)> {
        let name = self.spec(app)?.server_name;
        let lock = self.lock(&name, app)?;
        self.recorded(&name)?;
        Ok((self.spec(app)?, lock))
    }

    /// What is recorded of a homeserver, read under its lock. Apps that were renamed while the plugin was
    /// not told are taken up first.
    pub(super) fn recorded(&self, name: &ServerName) -> Result<Option<Spec>> {
        let Some(spec) = Spec::read(self.env(), name)? else { return Ok(None) };
        if self.dry_run {
            return Ok(Some(spec));
        }
        identity::take_up(&self.host, self.catalog, &spec)?;
        Spec::read(self.env(), name)
    }

    /// The homeserver that a spec describes.
    pub(super) fn homeserver(&self, spec: Spec) -> Result<Homeserver> {
        Homeserver::new(self.catalog, self.env(), spec)
    }

    /// Checks what must hold before anything is touched, and tells what the user should know.
    pub(super) fn preflight(&self, desired: &Homeserver) -> Result<Preflight> {
        let preflight = preflight::run(&self.host, desired)?;
        for warning in &preflight.warnings {
            self.ui.warn(warning);
        }
        Ok(preflight)
    }

    /// Makes the steps true, or tells what is missing. They are `complete` if nothing of the homeserver
    /// is left out: then this version of the plugin is recorded.
    pub(super) fn converge(
        &self,
        desired: &Homeserver,
        steps: &Steps,
        complete: bool,
    ) -> Result<Outcome> {
        let lanes = self.env().get("DOKKU_MATRIX_LANES").and_then(|text| text.parse().ok());
        let lanes = lanes.unwrap_or(LANES);
        self.ui.start_heartbeat();
        let name = &desired.spec.server_name;
        if self.dry_run {
            return plan::converge(&self.host, steps, Mode::Print, &self.ui);
        }
        let version = Some(plugin_version());
        let by_another = Spec::read(self.env(), name)?.is_some()
            && Status::read(self.env(), name)?.plugin != version;
        if by_another {
            self.announce(name, steps)?;
        }
        let outcome = plan::converge(&self.host, steps, Mode::Apply { lanes }, &self.ui)?;
        if by_another && complete {
            Status::update(&self.host, name, |status| status.plugin = version)?;
        }
        Ok(outcome)
    }

    /// Another version of the plugin may want more than the one that deployed last: what changes is
    /// told before it is changed.
    fn announce(&self, name: &ServerName, steps: &Steps) -> Result<()> {
        let ui = &self.ui;
        let counted = plan::converge(&self.host, steps, Mode::Print, &Silent)?;
        if counted.changes > 0 {
            ui.heading(&format!(
                "Another version of this plugin deployed {name} last. This will change:"
            ));
            plan::converge(&self.host, steps, Mode::Print, ui)?;
            ui.heading(&format!("Updating {name}"));
        }
        Ok(())
    }

    /// Tells what needs attention, and picks the exit code.
    pub(super) fn finish(&self, outcome: &Outcome) -> Exit {
        for what in &outcome.attention {
            self.ui.warn(what);
        }
        if outcome.attention.is_empty() { Exit::Done } else { Exit::Attention }
    }

    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    pub(super) fn elapsed(&self) -> String {
        clock::human(Duration::from_secs(self.started.elapsed().as_secs()))
    }

    /// The homeserver of an app, as it is recorded.
    ///
    /// # Errors
    /// There is no such app, or none that the user may see (exit code 20), or it is not a homeserver's
    /// own.
    pub(super) fn spec(&self, app: &AppName) -> Result<Spec> {
        if apps::is_hidden(&self.host, app)? {
            return Err(dokku::no_such_app(app.as_str()));
        }
        let error = match identity::of(&self.host, self.catalog, app.as_str())? {
            Identity::Component { kind, server } | Identity::Renamed { kind, server, .. } => {
                let spec = Spec::load(self.env(), &server)?;
                let kind = self.kind(&kind)?;
                match kind.role {
                    Role::Homeserver => return self.spec_in(spec, app),
                    Role::Optional => Error::new(format!(
                        "{app} runs {} of the homeserver {}",
                        kind.title, spec.app
                    ))
                    .hint(format!("dokku matrix:report {}", spec.app)),
                }
            }
            Identity::Gone { kind, server } => {
                let spec = Spec::load(self.env(), &server)?;
                match identity::current_app(&self.host, self.catalog, &spec, &kind)? {
                    Some(other) => dokku::no_such_app(app.as_str())
                        .hint(format!("The homeserver {server} is in the app {other}.")),
                    None => return self.spec_in(spec, app),
                }
            }
            Identity::Replaced { server, .. } => identity::replaced(app.as_str(), &server),
            Identity::Clone => is_a_clone(app),
            Identity::Stranger if apps::exists(&self.host, app)? => {
                Error::new(format!("{app} is not a Matrix homeserver")).hint("dokku matrix:list")
            }
            Identity::Stranger => dokku::no_such_app(app.as_str()),
        };
        Err(error)
    }

    /// The homeserver in this app, which may have been renamed from the recorded one.
    fn spec_in(&self, spec: Spec, app: &AppName) -> Result<Spec> {
        if spec.app == *app {
            return Ok(spec);
        }
        let kind = self.catalog.homeserver().name;
        match identity::current_app(&self.host, self.catalog, &spec, kind)? {
            Some(now) if now == *app => Ok(Spec { app: now, ..spec }),
            _ => Err(spec.not_the_app(app.as_str())),
        }
    }

    /// The kind of a component, by its name in a marker.
    pub(super) fn kind(&self, name: &str) -> Result<&'static Kind> {
        self.catalog.find(name).ok_or_else(|| {
            Error::new(format!("this version of the plugin does not know the component {name}"))
                .hint("sudo dokku plugin:update matrix")
        })
    }
}

/// Tells nobody anything.
struct Silent;

impl Observer for Silent {
    fn sink(&self, _: &dyn Step) -> Arc<dyn Sink> {
        Arc::new(Nowhere)
    }
    fn started(&self, _: &dyn Step) {}
    fn planned(&self, _: &dyn Step, _: &[String]) {}
    fn ended(&self, _: &dyn Step) {}
    fn warned(&self, _: &str) {}
}

/// The error for an app that must never run.
pub(super) fn is_a_clone(app: &AppName) -> Error {
    Error::new(format!("{app} is a clone of a homeserver's app"))
        .hint(format!("dokku apps:destroy {app}"))
}
