//! The component answers, and reaches its database.

use super::{
    kept, reach,
    restarts::{Restarts, Watch},
};
use crate::{
    component::Component,
    dokku::{docker, ps},
    error::{Error, Result},
    host::{Host, clock},
    plan::{State, Step, StepId},
    steps::next_commands,
    synapse::health::Readiness,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// A migration of a large database may take hours; past this somebody should look.
const LONGEST_MIGRATION: Duration = Duration::from_secs(6 * 3600);

/// Docker's longest restart back-off.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);

/// The component is ready.
#[derive(Debug)]
pub(super) struct Ready(pub(super) Arc<Component>);

impl Step for Ready {
    fn id(&self) -> StepId {
        self.0.step("ready")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![self.0.step("deployed")]
    }

    fn title(&self) -> String {
        format!("Waiting for {} to become ready", self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn verifies_result(&self) -> bool {
        true
    }

    fn check(&self, host: &Host) -> Result<State> {
        if readiness(host, &self.0)? == Readiness::Ready {
            return Ok(State::Satisfied);
        }
        let component = self.0.clone();
        let timeout = component.spec.timeout;
        let description = format!("wait up to {timeout} s for {}", component.kind.title);
        Ok(State::missing(description, move |host| {
            wait(host, &component, Duration::from_secs(timeout.into()))
        }))
    }
}

/// How far the app's container is.
pub fn readiness(host: &Host, component: &Component) -> Result<Readiness> {
    let Some(probe) = component.probe else { return Ok(Readiness::Ready) };
    let app = &component.app;
    let Some(address) = ps::listeners(host, app)?.into_iter().next() else {
        return Ok(Readiness::Starting("it has no address".to_owned()));
    };
    let answer = probe(host, &address)?;
    if answer != Readiness::Ready {
        return Ok(answer);
    }
    // Another homeserver may have that address, if ours has ended or was restarted since.
    let why = match docker::running(host, app).option()?.filter(|one| !one.restarting) {
        None => "it has ended",
        Some(container)
            if ps::address(host, app, &container).option()?.as_ref() == Some(&address) =>
        {
            return Ok(answer);
        }
        Some(_) => "Dokku has an old address of it",
    };
    Ok(Readiness::Starting(why.to_owned()))
}

/// Waits until the component is ready; past the limit as long as it migrates its database.
pub fn wait(host: &Host, component: &Component, limit: Duration) -> Result<()> {
    let start = Instant::now();
    let mut last = Readiness::Starting(String::new());
    let mut watch = Watch::new(host, &component.app)?;
    loop {
        let found = clock::poll(Duration::from_secs(10), Duration::from_millis(500), || {
            last = readiness(host, component)?;
            Ok::<_, Error>((last == Readiness::Ready).then_some(()))
        })?;
        if found.is_some() {
            return Ok(());
        }
        let waited = start.elapsed();
        let migrates = || waited < LONGEST_MIGRATION && migrates(host, component);
        let why = match watch.look(host, &component.app)? {
            Restarts::CrashLoop => "it ends again and again".to_owned(),
            Restarts::Gone => "it does not run".to_owned(),
            Restarts::Running if waited >= limit && !migrates() => describe(host, component, last),
            Restarts::Restarting if waited >= limit + LONGEST_BACK_OFF => {
                describe(host, component, last)
            }
            Restarts::Running | Restarts::Restarting => continue,
        };
        return Err(not_ready(host, component, &clock::human(waited), &why));
    }
}

fn migrates(host: &Host, component: &Component) -> bool {
    const LINES: [&str; 4] =
        ["Applying schema delta", "Upgrading schema", "Applying engine-specific", "Running script"];
    let tells = |line: &String| LINES.iter().any(|text| line.contains(text));
    ps::log_tail(host, &component.app, 5).iter().any(tells)
}

fn not_ready(host: &Host, component: &Component, waited: &str, why: &str) -> Error {
    let app = &component.app;
    let error = Error::new(format!("{app} is not ready after {waited}: {why}"))
        .shown(ps::log_tail(host, app, 20))
        .hint(format!("dokku logs {app}"))
        .hint(next_commands(host, component));
    kept::way_back(host, component).unwrap_or_default().into_iter().fold(error, Error::hint)
}

/// Why it is not ready. From outside, a database and an authentication service that do not answer look
/// the same, so the container itself is asked.
fn describe(host: &Host, component: &Component, readiness: Readiness) -> String {
    match readiness {
        Readiness::Ready => "it is".to_owned(),
        Readiness::Starting(why) => why,
        Readiness::NoDatabase => {
            let reach = reach::running(host, component).ok().flatten();
            reach
                .and_then(|reach| reach.why_not())
                .unwrap_or_else(|| "it does not reach its database".to_owned())
        }
    }
}
