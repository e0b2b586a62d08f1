//! Converge: what must be true, and the engine that makes it so.
//!
//! The engine runs check, apply, check again; it knows no step. A dry run is one gate here,
//! and no step knows of it. Nothing here prints: a [`Watch`] is told.

use crate::{
    error::{Error, Result},
    host::{Host, run::Sink},
};
use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// The name of a step, by which others need it: whose it is (`matrix`, `element`, `host`), and
/// what it is.
pub type StepId = (&'static str, &'static str);

type Act = Box<dyn FnOnce(&Host) -> Result<()> + Send>;

/// One thing that is missing, and how to bring it about.
pub struct Change {
    says: String,
    act: Act,
}

impl Change {
    /// A change, said as one would type or tell it: `dokku apps:create matrix`.
    pub fn new(
        says: impl Into<String>,
        act: impl FnOnce(&Host) -> Result<()> + Send + 'static,
    ) -> Self {
        Self { says: says.into(), act: Box::new(act) }
    }
}

impl Change {
    /// Makes it, outside of a plan.
    pub fn make(self, host: &Host) -> Result<()> {
        (self.act)(host)
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Change({:?})", self.says)
    }
}

/// What a check found.
#[derive(Debug)]
pub enum State {
    /// It is as it must be.
    Holds,
    /// These changes are missing.
    Missing(Vec<Change>),
    /// Only for dry runs: it cannot be looked at before that step has been applied.
    NotYet(StepId),
    /// It is not as it should be, and it is the administrator's to mend: the rest goes on,
    /// and the command ends with exit code 3.
    Attention(String),
}

impl State {
    /// [`State::Missing`], or [`State::Holds`] if nothing is.
    pub fn of(changes: Vec<Change>) -> Self {
        if changes.is_empty() { Self::Holds } else { Self::Missing(changes) }
    }
}

/// Something that must be true, and stays true when it is.
pub trait Step: Send + Sync {
    /// Its name.
    fn id(&self) -> StepId;

    /// The steps that must hold before; names that are not in the plan do not count.
    fn needs(&self) -> Vec<StepId>;

    /// What is being done, as a line for the user: `Creating app matrix`.
    fn title(&self) -> String;

    /// The app that each line of its programs is to name, where it is at work beside another's.
    fn names(&self) -> Option<&str> {
        None
    }

    /// Whether it only asks how everything turned out: a dry run that has changes to tell leaves
    /// it out.
    fn asks_for_the_result(&self) -> bool {
        false
    }

    /// Looks, and answers what is missing. Changes nothing.
    ///
    /// # Errors
    /// It cannot be read, or it is wrong in a way that is not ours to change.
    fn check(&self, host: &Host) -> Result<State>;
}

/// What to do with what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Make it so, with that many steps side by side.
    Apply {
        /// How many steps may run at a time; at least one.
        lanes: usize,
    },
    /// Tell what would be done.
    Print,
}

/// Is told what happens; called from several threads.
pub trait Watch: Sync {
    /// Where programs print to while this step runs.
    fn sink(&self, step: &dyn Step) -> Arc<dyn Sink>;
    /// A step starts to change something.
    fn begins(&self, step: &dyn Step);
    /// In a dry run: what it would change.
    fn would(&self, step: &dyn Step, changes: &[String]);
    /// A step that began has ended.
    fn ends(&self, step: &dyn Step);
    /// Something needs attention, and there will be no outcome that tells of it.
    fn warns(&self, what: &str);
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many changes were made, or in a dry run would be.
    pub changes: usize,
    /// What the administrator should look at.
    pub attention: Vec<String>,
}

struct Progress {
    outcome: Outcome,
    waiting: Vec<usize>,
    done: BTreeSet<StepId>,
    running: usize,
    failed: Option<Error>,
}

/// Makes what the steps say true.
///
/// # Errors
/// The first step that failed; steps that ran beside it have ended by then.
pub fn converge(
    host: &Host,
    steps: &[Box<dyn Step>],
    mode: Mode,
    watch: &dyn Watch,
) -> Result<Outcome> {
    let lanes = if let Mode::Apply { lanes } = mode { lanes.max(1) } else { 1 };
    let progress = Mutex::new(Progress {
        outcome: Outcome::default(),
        waiting: (0..steps.len()).collect(),
        done: BTreeSet::new(),
        running: 0,
        failed: None,
    });
    let (progress, turn) = (&progress, &Condvar::new());
    std::thread::scope(|scope| {
        for _ in 1..lanes {
            scope.spawn(|| lane(host, steps, mode, watch, progress, turn));
        }
        lane(host, steps, mode, watch, progress, turn);
    });
    let mut progress = held(progress);
    match progress.failed.take() {
        Some(error) => {
            for what in &progress.outcome.attention {
                watch.warns(what);
            }
            Err(error)
        }
        None => Ok(std::mem::take(&mut progress.outcome)),
    }
}

fn held(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lane(
    host: &Host,
    steps: &[Box<dyn Step>],
    mode: Mode,
    watch: &dyn Watch,
    progress: &Mutex<Progress>,
    turn: &Condvar,
) {
    let mut state = held(progress);
    loop {
        if state.failed.is_some() || state.waiting.is_empty() {
            return;
        }
        let Some(place) =
            state.waiting.iter().position(|step| ready(steps[*step].as_ref(), steps, &state))
        else {
            if state.running == 0 {
                let left = state.waiting.iter().map(|step| steps[*step].id()).collect::<Vec<_>>();
                state.failed = Some(Error::new(format!("steps wait for each other: {left:?}")));
                turn.notify_all();
                return;
            }
            state = turn.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let step = steps[state.waiting.remove(place)].as_ref();
        if mode == Mode::Print && state.outcome.changes > 0 && step.asks_for_the_result() {
            state.done.insert(step.id());
            continue;
        }
        state.running += 1;
        drop(state);
        let result = perform(host, step, mode, watch);
        state = held(progress);
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
        turn.notify_all();
    }
}

fn ready(step: &dyn Step, steps: &[Box<dyn Step>], state: &Progress) -> bool {
    let planned = |need: &StepId| steps.iter().any(|other| other.id() == *need);
    step.needs().iter().all(|need| state.done.contains(need) || !planned(need))
}

fn perform(host: &Host, step: &dyn Step, mode: Mode, watch: &dyn Watch) -> Result<Outcome> {
    let host = &host.with_sink(watch.sink(step));
    let mut outcome = Outcome::default();
    let changes = match step.check(host)? {
        State::Holds => return Ok(outcome),
        State::NotYet(_) if mode == Mode::Print => {
            watch.would(step, &[]);
            return Ok(outcome);
        }
        State::NotYet(need) => {
            return Err(Error::new(format!("{:?} was looked at before {need:?}", step.id())));
        }
        State::Attention(what) => {
            outcome.attention.push(what);
            return Ok(outcome);
        }
        State::Missing(changes) => changes,
    };
    outcome.changes = changes.len();
    if mode == Mode::Print {
        let says: Vec<_> = changes.into_iter().map(|change| change.says).collect();
        watch.would(step, &says);
        return Ok(outcome);
    }
    watch.begins(step);
    let result = apply(host, step, changes);
    watch.ends(step);
    outcome.attention.extend(result?);
    Ok(outcome)
}

fn apply(host: &Host, step: &dyn Step, changes: Vec<Change>) -> Result<Option<String>> {
    for change in changes {
        (change.act)(host)?;
    }
    match step.check(host)? {
        State::Holds => Ok(None),
        State::Attention(what) => Ok(Some(what)),
        State::NotYet(need) => {
            Err(Error::new(format!("{:?} was looked at before {need:?}", step.id())))
        }
        State::Missing(left) => {
            let left: Vec<_> = left.into_iter().map(|change| change.says).collect();
            Err(Error::new(format!(
                "{}: this was done and is still missing: {}",
                step.title(),
                left.join("; ")
            ))
            .hint("Type the same command again; if it stays so, the host's own tools disagree."))
        }
    }
}

#[cfg(test)]
mod tests;
