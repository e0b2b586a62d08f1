//! Converge: what must be true, and the engine that makes it so.
//!
//! The engine runs check, apply, check again. It knows no step. A dry run is one gate here, and no
//! step knows of it. Nothing here prints: an [`Observer`] is told.

use crate::{
    error::{Error, Result},
    host::{Host, run::Sink},
};
use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// The name of a step: what it is about (a component, `server`, `host`), and what it does.
pub type StepId = (&'static str, &'static str);

type Apply = Box<dyn FnOnce(&Host) -> Result<()> + Send>;

/// One thing that is missing, and how to bring it about.
pub struct Change {
    description: String,
    apply: Apply,
}

impl Change {
    /// A change, described as one would type or tell it: `dokku apps:create matrix`.
    pub fn new(
        description: impl Into<String>,
        apply: impl FnOnce(&Host) -> Result<()> + Send + 'static,
    ) -> Self {
        Self { description: description.into(), apply: Box::new(apply) }
    }

    /// The same change with something else right before it.
    #[must_use]
    pub fn after(self, first: impl FnOnce(&Host) -> Result<()> + Send + 'static) -> Self {
        let then = self.apply;
        Self::new(self.description, move |host| {
            first(host)?;
            then(host)
        })
    }

    /// The same change with something else right after it.
    #[must_use]
    pub fn before(self, then: impl FnOnce(&Host) -> Result<()> + Send + 'static) -> Self {
        let first = self.apply;
        Self::new(self.description, move |host| {
            first(host)?;
            then(host)
        })
    }

    /// What it does, as one would type or tell it.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Applies the change outside of a plan.
    pub fn apply(self, host: &Host) -> Result<()> {
        (self.apply)(host)
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Change({:?})", self.description)
    }
}

/// What a check found.
#[derive(Debug)]
pub enum State {
    /// It is as it must be.
    Satisfied,
    /// These changes are missing.
    Missing(Vec<Change>),
    /// Only for dry runs: it cannot be checked before that step has been applied.
    NotYet(StepId),
    /// It is not as it should be, and only the administrator can fix it: the rest goes on, and the
    /// command ends with exit code 3.
    Attention(String),
}

impl State {
    /// [`State::Missing`], or [`State::Satisfied`] without changes.
    pub fn of(changes: impl IntoIterator<Item = Change>) -> Self {
        let changes: Vec<_> = changes.into_iter().collect();
        if changes.is_empty() { Self::Satisfied } else { Self::Missing(changes) }
    }

    /// One change is missing.
    pub fn missing(
        description: impl Into<String>,
        apply: impl FnOnce(&Host) -> Result<()> + Send + 'static,
    ) -> Self {
        Self::Missing(vec![Change::new(description, apply)])
    }
}

/// What the host refused while a step applied its change. A step that keeps one does not fail the
/// command: from then on its check answers with [`State::Attention`].
#[derive(Clone, Debug, Default)]
pub struct Refusal(Arc<Mutex<Option<String>>>);

impl Refusal {
    /// Keeps why the change was refused.
    pub fn keep(&self, why: impl Into<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.into());
    }

    /// Why the change was refused; `None` as long as it was not.
    pub fn why(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Something that must be true, and stays true once it is.
pub trait Step: Send + Sync {
    /// Its name.
    fn id(&self) -> StepId;

    /// The steps that must be satisfied before. Names that are not in the plan do not count.
    fn needs(&self) -> Vec<StepId> {
        vec![]
    }

    /// What is being done, as a line for the user: `Creating app matrix`.
    fn title(&self) -> String;

    /// The app that it works on: each line that its programs print names it.
    fn app(&self) -> Option<&str> {
        None
    }

    /// Whether it touches what all apps of the host share: it runs alone, after every step that is
    /// listed before it, and before every step that is listed after it.
    fn is_host_wide(&self) -> bool {
        false
    }

    /// Whether it only verifies the result: a dry run that has changes to tell leaves it out.
    fn verifies_result(&self) -> bool {
        false
    }

    /// Reads, and answers what is missing. Changes nothing.
    ///
    /// # Errors
    /// It cannot be read, or it is wrong in a way that the plugin must not change.
    fn check(&self, host: &Host) -> Result<State>;
}

/// What to do with what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Apply it, with that many steps side by side.
    Apply {
        /// How many steps may run at a time; at least one.
        lanes: usize,
    },
    /// Tell what would be changed.
    Print,
}

/// Is told what happens; called from several threads.
pub trait Observer: Sync {
    /// Where programs print to while this step runs.
    fn sink(&self, step: &dyn Step) -> Arc<dyn Sink>;
    /// A step starts to change something.
    fn started(&self, step: &dyn Step);
    /// In a dry run: what the step would change.
    fn planned(&self, step: &dyn Step, changes: &[String]);
    /// A step that was started has ended.
    fn ended(&self, step: &dyn Step);
    /// Something needs attention, and no outcome will tell of it.
    fn warned(&self, what: &str);
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many changes were made, or in a dry run would be.
    pub changes: usize,
    /// What the administrator should look at.
    pub attention: Vec<String>,
}

/// A plan while it runs, shared by its lanes.
struct Run<'a> {
    host: &'a Host,
    steps: &'a [Box<dyn Step>],
    mode: Mode,
    observer: &'a dyn Observer,
    progress: Mutex<Progress>,
    changed: Condvar,
}

struct Progress {
    outcome: Outcome,
    /// The places of the steps that have not started.
    waiting: Vec<usize>,
    done: BTreeSet<StepId>,
    running: usize,
    failed: Option<Error>,
}

/// Makes true what the steps say.
///
/// # Errors
/// The first step that failed; steps that ran beside it have ended by then.
pub fn converge(
    host: &Host,
    steps: &[Box<dyn Step>],
    mode: Mode,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let lanes = if let Mode::Apply { lanes } = mode { lanes.max(1) } else { 1 };
    let progress = Mutex::new(Progress {
        outcome: Outcome::default(),
        waiting: (0..steps.len()).collect(),
        done: BTreeSet::new(),
        running: 0,
        failed: None,
    });
    let run = Run { host, steps, mode, observer, progress, changed: Condvar::new() };
    std::thread::scope(|scope| {
        for _ in 1..lanes {
            scope.spawn(|| run.lane());
        }
        run.lane();
    });
    let mut progress = run.progress();
    match progress.failed.take() {
        Some(error) => {
            for what in &progress.outcome.attention {
                observer.warned(what);
            }
            Err(error)
        }
        None => Ok(std::mem::take(&mut progress.outcome)),
    }
}

impl Run<'_> {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lane(&self) {
        let mut state = self.progress();
        loop {
            if state.failed.is_some() || state.waiting.is_empty() {
                return;
            }
            let Some(next) = state.waiting.iter().position(|step| self.is_ready(*step, &state))
            else {
                if state.running == 0 {
                    let id = |step: &usize| self.steps[*step].id();
                    let left = state.waiting.iter().map(id).collect::<Vec<_>>();
                    state.failed = Some(Error::new(format!("steps wait for each other: {left:?}")));
                    self.changed.notify_all();
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let step = self.steps[state.waiting.remove(next)].as_ref();
            let skipped =
                self.mode == Mode::Print && state.outcome.changes > 0 && step.verifies_result();
            if skipped {
                state.done.insert(step.id());
                continue;
            }
            state.running += 1;
            drop(state);
            let result = self.perform(step);
            state = self.progress();
            state.running -= 1;
            match result {
                Ok(one) => {
                    state.done.insert(step.id());
                    state.outcome.changes += one.changes;
                    state.outcome.attention.extend(one.attention);
                }
                Err(error) => {
                    state.failed.get_or_insert(error);
                }
            }
            self.changed.notify_all();
        }
    }

    fn is_ready(&self, place: usize, state: &Progress) -> bool {
        let step = self.steps[place].as_ref();
        let planned = |need: &StepId| self.steps.iter().any(|other| other.id() == *need);
        let satisfied = |need: &StepId| state.done.contains(need) || !planned(need);
        let before = &self.steps[..place];
        let unfinished = |other: &dyn Step| !state.done.contains(&other.id());
        if step.is_host_wide() {
            return !before.iter().any(|other| unfinished(other.as_ref()));
        }
        let barrier = |other: &dyn Step| other.is_host_wide() && unfinished(other);
        !before.iter().any(|other| barrier(other.as_ref())) && step.needs().iter().all(satisfied)
    }

    fn perform(&self, step: &dyn Step) -> Result<Outcome> {
        let host = &self.host.with_sink(self.observer.sink(step));
        let mut outcome = Outcome::default();
        let changes = match step.check(host)? {
            State::Satisfied => return Ok(outcome),
            State::NotYet(_) if self.mode == Mode::Print => {
                self.observer.planned(step, &[]);
                return Ok(outcome);
            }
            State::NotYet(need) => return Err(too_early(step, need)),
            State::Attention(what) => {
                outcome.attention.push(what);
                return Ok(outcome);
            }
            State::Missing(changes) => changes,
        };
        outcome.changes = changes.len();
        if self.mode == Mode::Print {
            self.observer.planned(step, &descriptions(changes));
            return Ok(outcome);
        }
        self.observer.started(step);
        let result = apply(host, step, changes);
        self.observer.ended(step);
        outcome.attention.extend(result?);
        Ok(outcome)
    }
}

fn apply(host: &Host, step: &dyn Step, changes: Vec<Change>) -> Result<Option<String>> {
    for change in changes {
        change.apply(host)?;
    }
    match step.check(host)? {
        State::Satisfied => Ok(None),
        State::Attention(what) => Ok(Some(what)),
        State::NotYet(need) => Err(too_early(step, need)),
        State::Missing(left) => {
            let left = descriptions(left).join("; ");
            let title = step.title();
            Err(Error::new(format!("{title}: this was done and is still missing: {left}"))
                .hint("Run the same command again. If it stays so, Dokku and the host disagree."))
        }
    }
}

fn descriptions(changes: Vec<Change>) -> Vec<String> {
    changes.into_iter().map(|change| change.description).collect()
}

fn too_early(step: &dyn Step, need: StepId) -> Error {
    Error::new(format!("{:?} was checked before {need:?}", step.id()))
}

#[cfg(test)]
mod tests;
