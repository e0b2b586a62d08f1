//! The only door to the machine: programs, files, network, clock, randomness, secrets.
//!
//! Everything else in this crate is given a [`Host`] and touches nothing by itself.

mod answers;
pub mod clock;
pub mod cmd;
pub mod env;
pub mod files;
pub mod lock;
pub mod net;
pub mod owner;
pub mod random;
mod reading;
pub mod run;
pub mod scrub;
pub mod secret;
pub mod terminal;

use crate::error::{Error, Result};
use answers::Answers;
use cmd::{Cmd, Effect, Output};
use env::Env;
use lock::Children;
pub use reading::Reading;
use run::Sink;
use scrub::Scrubber;
use std::sync::Arc;

/// The machine as one lane of work sees it: cheap to clone, with that lane's own sink.
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
    answers: Answers,
    reads_only: bool,
    began: i64,
}

impl Host {
    /// The real machine. With `reads_only`, every call that would change something is refused:
    /// a dry run that slips is loud, not harmful.
    pub fn new(env: Env, sink: Arc<dyn Sink>, reads_only: bool) -> Self {
        let children = Children::default();
        let (scrubber, answers) = (Scrubber::default(), Answers::default());
        let began = clock::now();
        let shared = Shared { env, scrubber, children, answers, reads_only, began };
        Self { shared: Arc::new(shared), sink }
    }

    /// The same machine with another place for what programs print.
    #[must_use]
    pub fn with_sink(&self, sink: Arc<dyn Sink>) -> Self {
        Self { shared: Arc::clone(&self.shared), sink }
    }

    /// What was in the environment when the process started.
    pub fn env(&self) -> &Env {
        &self.shared.env
    }

    /// When this run began, in milliseconds since 1970.
    pub fn began(&self) -> i64 {
        self.shared.began
    }

    /// What takes secrets out of text that is shown.
    pub fn scrubber(&self) -> &Scrubber {
        &self.shared.scrubber
    }

    /// The children that change something, for the lock file.
    pub fn children(&self) -> &Children {
        &self.shared.children
    }

    /// Fails when this host was opened for reading only.
    pub fn may_change(&self, what: &str) -> Result<()> {
        if self.shared.reads_only {
            return Err(Error::new(format!("a dry run tried to change something: {what}")));
        }
        Ok(())
    }

    /// Runs a program to its end and gives back its exit code and what it printed.
    ///
    /// # Streams
    /// Standard input is empty unless the command has some; each line of output goes to the
    /// lane's sink, scrubbed, as it comes.
    ///
    /// # Errors
    /// The program is missing, cannot be started, or ran into its time limit. An exit code
    /// other than 0 is not an error here.
    pub fn run(&self, cmd: &Cmd) -> Result<Output> {
        let answers = &self.shared.answers;
        if cmd.effect == Effect::Reads {
            let question = match answers.known(cmd) {
                Ok(known) => return Ok(known),
                Err(question) => question,
            };
            let ran = run::run(cmd, self)?;
            question.remember(&ran);
            return Ok(ran);
        }
        self.may_change(&cmd.to_string())?;
        let ran = run::run(cmd, self);
        // Also what another lane was told meanwhile, when it was half done.
        answers.forget();
        ran
    }

    /// Runs a program that has to end with 0.
    ///
    /// # Errors
    /// As [`Host::run`], and every other exit code, with the last lines that it printed.
    pub fn must(&self, cmd: &Cmd) -> Result<Output> {
        let ran = self.run(cmd)?;
        if ran.code == 0 { Ok(ran) } else { Err(self.failure(cmd, &ran)) }
    }

    /// The error for a program that ended with an exit code that was not expected.
    pub fn failure(&self, cmd: &Cmd, ran: &Output) -> Error {
        let scrub = |line: &String| self.scrubber().scrub(line);
        let tail = ran.lines.len().saturating_sub(20);
        Error::new(format!("`{cmd}` ended with exit code {}", ran.code))
            .shown(ran.lines[tail..].iter().map(scrub).collect())
    }

    pub(crate) fn sink(&self) -> &dyn Sink {
        self.sink.as_ref()
    }
}
