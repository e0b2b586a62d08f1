//! The only access to the machine: programs, files, network, clock, randomness, secrets.
//!
//! All other modules take a [`Host`] and must not touch the machine themselves.

mod cache;
pub mod clock;
pub mod cmd;
pub mod digest;
pub mod env;
pub mod files;
pub mod lock;
pub mod net;
pub mod owner;
pub mod process;
pub mod random;
mod reading;
pub mod run;
pub mod scrub;
pub mod secret;
pub mod terminal;

use crate::error::{Error, Result};
use cache::ReadCache;
use cmd::{Cmd, Effect, Output};
use env::Env;
use lock::Children;
pub use reading::Reading;
use run::Sink;
use scrub::Scrubber;
use std::sync::Arc;

/// The machine, with the output sink of one lane of work. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Host {
    shared: Arc<Shared>,
    sink: Arc<dyn Sink>,
}

#[derive(Debug)]
struct Shared {
    env: Env,
    scrubber: Scrubber,
    children: Children,
    cache: ReadCache,
    reads_only: bool,
    started_at: i64,
}

impl Host {
    /// The real machine. With `reads_only`, every change is refused with an error: a bug in a dry
    /// run then does no harm.
    pub fn new(env: Env, sink: Arc<dyn Sink>, reads_only: bool) -> Self {
        let children = Children::default();
        let (scrubber, cache) = (Scrubber::default(), ReadCache::default());
        let started_at = clock::now();
        let shared = Shared { env, scrubber, children, cache, reads_only, started_at };
        Self { shared: Arc::new(shared), sink }
    }

    /// The same machine with another sink for the output of programs.
    #[must_use]
    pub fn with_sink(&self, sink: Arc<dyn Sink>) -> Self {
        Self { shared: Arc::clone(&self.shared), sink }
    }

    /// The environment of this process.
    pub fn env(&self) -> &Env {
        &self.shared.env
    }

    /// When this process started, in milliseconds since 1970.
    pub fn started_at(&self) -> i64 {
        self.shared.started_at
    }

    /// Removes secrets from text that is shown.
    pub fn scrubber(&self) -> &Scrubber {
        &self.shared.scrubber
    }

    /// The child processes that are changing something, for the lock file.
    pub fn children(&self) -> &Children {
        &self.shared.children
    }

    /// Checks that changes are allowed.
    ///
    /// # Errors
    /// This is a dry run.
    pub fn may_change(&self, what: &str) -> Result<()> {
        if self.shared.reads_only {
            return Err(Error::new(format!("a dry run tried to change something: {what}")));
        }
        Ok(())
    }

    /// Runs a program to its end and returns its exit code and output.
    ///
    /// # Streams
    /// Standard input is empty unless the command sets it. If the program changes something, each
    /// line of its output goes to the sink at once, scrubbed.
    ///
    /// # Errors
    /// The program is missing, cannot be started, or reached its timeout. An exit code other than
    /// 0 is not an error here.
    pub fn run(&self, cmd: &Cmd) -> Result<Output> {
        let cache = &self.shared.cache;
        if cmd.effect == Effect::Reads {
            let pending = match cache.get(cmd) {
                Ok(output) => return Ok(output),
                Err(pending) => pending,
            };
            let output = run::run(cmd, self)?;
            pending.store(&output);
            return Ok(output);
        }
        self.may_change(&cmd.to_string())?;
        let result = run::run(cmd, self);
        // Only now, because another lane may have read something in the middle of the change.
        cache.clear();
        result
    }

    /// Runs a program that must end with exit code 0.
    ///
    /// # Errors
    /// As [`Host::run`], and any other exit code, with the last lines of output.
    pub fn must(&self, cmd: &Cmd) -> Result<Output> {
        let output = self.run(cmd)?;
        if output.code == 0 { Ok(output) } else { Err(self.failure(cmd, &output)) }
    }

    /// The error for an unexpected exit code, with the last lines of output.
    pub fn failure(&self, cmd: &Cmd, output: &Output) -> Error {
        let scrub = |line: &String| self.scrubber().scrub(line);
        let tail = output.lines.len().saturating_sub(20);
        Error::new(format!("`{cmd}` ended with exit code {}", output.code))
            .shown(output.lines[tail..].iter().map(scrub).collect())
    }

    pub(crate) fn sink(&self) -> &dyn Sink {
        self.sink.as_ref()
    }
}
