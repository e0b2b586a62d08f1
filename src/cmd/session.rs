//! What the commands share: the machine, the screen, the lock, and one converging run.

use crate::{
    dokku::{self, apps},
    error::{Error, Exit, Result},
    host::{Host, clock, env::Env, files, lock, run::Nowhere},
    marker::{self, Marker},
    names::{AppName, ServerName},
    plan::{self, Mode, Outcome},
    server::{self, Places, Server},
    steps::{Steps, Wish},
    ui::Ui,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// So many steps side by side: what waits for the network leaves a core to the others.
const LANES: usize = 3;

/// One command at work.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) host: Host,
    pub(super) ui: Ui,
    dry_run: bool,
    started: Instant,
    command: &'static str,
}

impl Session {
    pub(super) fn new(env: Env, command: &'static str, dry_run: bool, verbose: bool) -> Self {
        let ui = Ui::new(env.get("DOKKU_QUIET_OUTPUT").is_some(), verbose);
        let host = Host::new(env, Arc::new(Nowhere), dry_run);
        Self { host, ui, dry_run, started: Instant::now(), command }
    }

    pub(super) fn env(&self) -> &Env {
        self.host.env()
    }

    /// Takes the lock of a server for a command on an app, before anything of the server is read;
    /// a dry run needs none.
    pub(super) fn lock(&self, name: &ServerName, app: &AppName) -> Result<Option<lock::Lock>> {
        if self.dry_run {
            return Ok(None);
        }
        let data = server::data_root(self.env());
        if files::stat(&data)?.is_none() {
            files::make_folder(&self.host, &data, 0o755)?;
        }
        let command = format!("dokku {} {app}", self.command);
        let path = Places::new(self.env(), name).lock();
        lock::server(&self.host, &path, &command).map(Some)
    }

    /// The homeserver of an app, read under its lock.
    ///
    /// # Errors
    /// As [`Session::server`]; or another run has the lock.
    pub(super) fn locked(&self, app: &AppName) -> Result<(Wish, Option<lock::Lock>)> {
        let lock = self.lock(&self.server(app)?.server_name, app)?;
        Ok((self.server(app)?, lock))
    }

    /// Makes the steps true, or tells what is missing.
    pub(super) fn converge(&self, steps: &Steps) -> Result<Outcome> {
        let lanes = self.env().get("DOKKU_MATRIX_LANES").and_then(|text| text.parse().ok());
        let mode =
            if self.dry_run { Mode::Print } else { Mode::Apply { lanes: lanes.unwrap_or(LANES) } };
        self.ui.start_heartbeat();
        plan::converge(&self.host, steps, mode, &self.ui)
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
        clock::words(Duration::from_secs(self.started.elapsed().as_secs()))
    }

    /// The homeserver of an app.
    ///
    /// # Errors
    /// There is no such app (exit code 20), or it runs no homeserver.
    pub(super) fn server(&self, app: &AppName) -> Result<Wish> {
        let error = match marker::read(self.env(), app.as_str())? {
            Some(Marker::Synapse(name)) => {
                let server = Server::load(self.env(), &name)?;
                if server.app == *app {
                    return Ok(Arc::new(server));
                }
                server.not_of(app.as_str())
            }
            Some(Marker::Element(name)) => {
                let server = Server::load(self.env(), &name)?;
                Error::new(format!("{app} runs Element Web, of the homeserver {}", server.app))
            }
            Some(Marker::Clone) => Error::new(format!("{app} is a clone of a homeserver's app"))
                .hint(format!("dokku apps:destroy {app}")),
            None if apps::exists(&self.host, app)? => {
                Error::new(format!("{app} is not a Matrix homeserver")).hint("dokku matrix:list")
            }
            None => dokku::no_such_app(app.as_str()),
        };
        Err(error)
    }
}
