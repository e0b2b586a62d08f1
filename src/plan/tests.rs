//! The engine, with steps that only remember what was done to them.

use super::*;
use crate::{
    error::Exit,
    host::{env::Env, run::Nowhere},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// What happened, in order.
type Log = Arc<Mutex<Vec<String>>>;

#[derive(Clone)]
enum Kind {
    Converges,
    NeverConverges,
    Fails,
    Warns,
    Slow,
    Asks,
}

struct Fake {
    id: StepId,
    needs: Vec<StepId>,
    kind: Kind,
    done: Arc<AtomicBool>,
    log: Log,
}

impl Step for Fake {
    fn id(&self) -> StepId {
        self.id
    }

    fn needs(&self) -> Vec<StepId> {
        self.needs.clone()
    }

    fn title(&self) -> String {
        format!("Doing {}", self.id.1)
    }

    fn asks_for_the_result(&self) -> bool {
        matches!(self.kind, Kind::Asks)
    }

    fn check(&self, _host: &Host) -> Result<State> {
        self.log.lock().unwrap().push(format!("check {}", self.id.1));
        if matches!(self.kind, Kind::Warns) {
            return Ok(State::Attention(format!("look at {}", self.id.1)));
        }
        if self.done.load(Ordering::SeqCst) || matches!(self.kind, Kind::Asks) {
            return Ok(State::Holds);
        }
        let (kind, done, log, name) =
            (self.kind.clone(), self.done.clone(), self.log.clone(), self.id.1);
        Ok(State::Missing(vec![Change::new(format!("do {name}"), move |_| {
            match kind {
                Kind::Fails => return Err(Error::new(format!("{name} fails")).exit(Exit::Busy)),
                Kind::Slow => std::thread::sleep(Duration::from_millis(50)),
                _ => {}
            }
            done.store(!matches!(kind, Kind::NeverConverges), Ordering::SeqCst);
            log.lock().unwrap().push(format!("did {name}"));
            Ok(())
        })]))
    }
}

struct Watched(Log);

impl Watch for Watched {
    fn sink(&self, _step: &dyn Step) -> Arc<dyn Sink> {
        Arc::new(Nowhere)
    }
    fn begins(&self, step: &dyn Step) {
        self.0.lock().unwrap().push(format!("begins {}", step.id().1));
    }
    fn would(&self, step: &dyn Step, changes: &[String]) {
        self.0.lock().unwrap().push(format!("would {} {changes:?}", step.id().1));
    }
    fn ends(&self, step: &dyn Step) {
        self.0.lock().unwrap().push(format!("ends {}", step.id().1));
    }
}

/// Runs steps of these names, needs, and kinds; gives what came of it and what happened.
fn run(
    steps: &[(&'static str, &[&'static str], Kind)],
    mode: Mode,
) -> (Result<Outcome>, Vec<String>) {
    let log = Log::default();
    let boxed: Vec<Box<dyn Step>> = steps
        .iter()
        .map(|(name, needs, kind)| {
            let fake = Fake {
                id: ("x", name),
                needs: needs.iter().map(|need| ("x", *need)).collect(),
                kind: kind.clone(),
                done: Arc::default(),
                log: log.clone(),
            };
            Box::new(fake) as Box<dyn Step>
        })
        .collect();
    let host = Host::new(Env::read(), Arc::new(Nowhere), mode == Mode::Print);
    let outcome = converge(&host, &boxed, mode, &Watched(log.clone()));
    let log = log.lock().unwrap().clone();
    (outcome, log)
}

const ONE: Mode = Mode::Apply { lanes: 1 };

#[test]
fn a_step_is_checked_applied_and_checked_again() {
    let (outcome, log) = run(&[("a", &[], Kind::Converges)], ONE);
    assert_eq!(log, ["check a", "begins a", "did a", "check a", "ends a"]);
    assert_eq!(outcome.unwrap().changes, 1);
}

#[test]
fn needs_come_first_and_names_outside_of_the_plan_do_not_count() {
    let steps: &[(&str, &[&str], Kind)] =
        &[("b", &["a", "nowhere"], Kind::Converges), ("a", &[], Kind::Converges)];
    let (outcome, log) = run(steps, ONE);
    let did: Vec<_> = log.iter().filter(|line| line.starts_with("did")).cloned().collect();
    assert_eq!(did, ["did a", "did b"]);
    assert_eq!(outcome.unwrap().changes, 2);
}

#[test]
fn steps_that_wait_for_each_other_are_an_error_and_not_a_hang() {
    let steps: &[(&str, &[&str], Kind)] =
        &[("a", &["b"], Kind::Converges), ("b", &["a"], Kind::Converges)];
    for lanes in [1, 3] {
        let (outcome, _) = run(steps, Mode::Apply { lanes });
        assert!(outcome.unwrap_err().message().starts_with("steps wait for each other"));
    }
}

#[test]
fn a_failing_lane_lets_the_other_finish_its_step_and_then_all_stops() {
    let steps: &[(&str, &[&str], Kind)] = &[
        ("slow", &[], Kind::Slow),
        ("bad", &[], Kind::Fails),
        ("after", &["slow"], Kind::Converges),
    ];
    let (outcome, log) = run(steps, Mode::Apply { lanes: 2 });
    let error = outcome.unwrap_err();
    assert_eq!((error.message(), error.code()), ("bad fails", Exit::Busy));
    assert!(log.contains(&"did slow".to_owned()), "{log:?}");
    assert!(!log.contains(&"check after".to_owned()), "{log:?}");
}

#[test]
fn what_is_applied_and_still_missing_is_an_error() {
    let (outcome, _) = run(&[("a", &[], Kind::NeverConverges)], ONE);
    assert!(outcome.unwrap_err().message().contains("still missing: do a"));
}

#[test]
fn attention_stops_nothing() {
    let steps: &[(&str, &[&str], Kind)] =
        &[("odd", &[], Kind::Warns), ("after", &["odd"], Kind::Converges)];
    let outcome = run(steps, ONE).0.unwrap();
    assert_eq!((outcome.changes, outcome.attention), (1, vec!["look at odd".to_owned()]));
}

#[test]
fn a_dry_run_tells_and_does_nothing() {
    let steps: &[(&str, &[&str], Kind)] =
        &[("a", &[], Kind::Fails), ("b", &["a"], Kind::Converges), ("c", &["b"], Kind::Asks)];
    let (outcome, log) = run(steps, Mode::Print);
    let want = ["check a", "would a [\"do a\"]", "check b", "would b [\"do b\"]"];
    assert_eq!(log, want);
    assert_eq!(outcome.unwrap().changes, 2);
}
