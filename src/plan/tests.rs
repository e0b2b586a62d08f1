//! The engine, with steps that only record what is done to them.

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
    Verifies,
    HostWide,
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

    fn verifies_result(&self) -> bool {
        matches!(self.kind, Kind::Verifies)
    }

    fn is_host_wide(&self) -> bool {
        matches!(self.kind, Kind::HostWide)
    }

    fn check(&self, _host: &Host) -> Result<State> {
        self.log.lock().unwrap().push(format!("check {}", self.id.1));
        if matches!(self.kind, Kind::Warns) {
            return Ok(State::Attention(format!("look at {}", self.id.1)));
        }
        if self.done.load(Ordering::SeqCst) || matches!(self.kind, Kind::Verifies) {
            return Ok(State::Satisfied);
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

struct Recorder(Log);

impl Observer for Recorder {
    fn sink(&self, _step: &dyn Step) -> Arc<dyn Sink> {
        Arc::new(Nowhere)
    }
    fn started(&self, step: &dyn Step) {
        self.0.lock().unwrap().push(format!("started {}", step.id().1));
    }
    fn planned(&self, step: &dyn Step, changes: &[String]) {
        self.0.lock().unwrap().push(format!("planned {} {changes:?}", step.id().1));
    }
    fn warned(&self, what: &str) {
        self.0.lock().unwrap().push(format!("warned {what}"));
    }
    fn ended(&self, step: &dyn Step) {
        self.0.lock().unwrap().push(format!("ended {}", step.id().1));
    }
}

/// Runs steps with these names, needs, and kinds; gives the outcome and what happened.
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
    let outcome = converge(&host, &boxed, mode, &Recorder(log.clone()));
    let log = log.lock().unwrap().clone();
    (outcome, log)
}

const ONE: Mode = Mode::Apply { lanes: 1 };

#[test]
fn checks_applies_and_checks_again() {
    let (outcome, log) = run(&[("a", &[], Kind::Converges)], ONE);
    assert_eq!(log, ["check a", "started a", "did a", "check a", "ended a"]);
    assert_eq!(outcome.unwrap().changes, 1);
}

#[test]
fn runs_needs_first_and_ignores_unplanned_ones() {
    let steps: &[(&str, &[&str], Kind)] =
        &[("b", &["a", "nowhere"], Kind::Converges), ("a", &[], Kind::Converges)];
    let (outcome, log) = run(steps, ONE);
    let did: Vec<_> = log.iter().filter(|line| line.starts_with("did")).cloned().collect();
    assert_eq!(did, ["did a", "did b"]);
    assert_eq!(outcome.unwrap().changes, 2);
}

#[test]
fn refuses_steps_that_wait_for_each_other() {
    let steps: &[(&str, &[&str], Kind)] =
        &[("a", &["b"], Kind::Converges), ("b", &["a"], Kind::Converges)];
    for lanes in [1, 3] {
        let (outcome, _) = run(steps, Mode::Apply { lanes });
        assert!(outcome.unwrap_err().message().starts_with("steps wait for each other"));
    }
}

#[test]
fn failure_lets_running_steps_end_and_starts_no_other() {
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
fn fails_when_a_change_does_not_help() {
    let (outcome, _) = run(&[("a", &[], Kind::NeverConverges)], ONE);
    assert!(outcome.unwrap_err().message().contains("still missing: do a"));
}

#[test]
fn goes_on_after_attention() {
    let steps: &[(&str, &[&str], Kind)] =
        &[("odd", &[], Kind::Warns), ("after", &["odd"], Kind::Converges)];
    let outcome = run(steps, ONE).0.unwrap();
    assert_eq!((outcome.changes, outcome.attention), (1, vec!["look at odd".to_owned()]));
}

#[test]
fn dry_run_changes_nothing() {
    let steps: &[(&str, &[&str], Kind)] =
        &[("a", &[], Kind::Fails), ("b", &["a"], Kind::Converges), ("c", &["b"], Kind::Verifies)];
    let (outcome, log) = run(steps, Mode::Print);
    let want = ["check a", "planned a [\"do a\"]", "check b", "planned b [\"do b\"]"];
    assert_eq!(log, want);
    assert_eq!(outcome.unwrap().changes, 2);
}

#[test]
fn host_wide_steps_run_alone_in_their_place() {
    let steps: &[(&str, &[&str], Kind)] = &[
        ("slow", &[], Kind::Slow),
        ("quick", &[], Kind::Converges),
        ("shared", &[], Kind::HostWide),
        ("later", &[], Kind::Converges),
    ];
    let (outcome, log) = run(steps, Mode::Apply { lanes: 3 });
    let at = |line: &str| log.iter().position(|one| one == line).unwrap();
    for before in ["ended slow", "ended quick"] {
        assert!(at(before) < at("check shared"), "{log:?}");
    }
    assert!(at("ended shared") < at("check later"), "{log:?}");
    assert_eq!(outcome.unwrap().changes, 4);
}
