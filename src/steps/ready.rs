//! Synapse answers, and reaches its database.

use super::Wish;
use crate::{
    dokku::{docker, ps},
    error::{Error, Result},
    host::{Host, clock},
    plan::{Change, State, Step, StepId},
    synapse::health::{self, Readiness},
};
use std::time::{Duration, Instant};

/// A migration of a large database may take hours; past this somebody should look.
const LONGEST: Duration = Duration::from_secs(6 * 3600);

/// So often Docker starts a container that ends at once before we stop waiting for it.
const RESTARTS: u32 = 4;

/// The homeserver is ready.
#[derive(Debug)]
pub struct Ready(pub Wish);

impl Step for Ready {
    fn id(&self) -> StepId {
        ("matrix", "ready")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("matrix", "deployed")]
    }

    fn asks_for_the_result(&self) -> bool {
        true
    }

    fn title(&self) -> String {
        format!("Waiting for {} to become ready", self.0.app)
    }

    fn check(&self, host: &Host) -> Result<State> {
        if look(host, &self.0)? == Readiness::Ready {
            return Ok(State::Holds);
        }
        let wish = self.0.clone();
        let says = format!("wait up to {} s for Synapse", wish.timeout);
        Ok(State::Missing(vec![Change::new(says, move |host| {
            wait(host, &wish, Duration::from_secs(wish.timeout.into()))
        })]))
    }
}

/// Asks the app's container how it is.
pub fn look(host: &Host, wish: &Wish) -> Result<Readiness> {
    let address = ps::listeners(host, &wish.app)?.into_iter().next();
    Ok(match address {
        Some(address) => health::probe(host, &address)?,
        None => Readiness::Starting("it has no address".to_owned()),
    })
}

/// Waits until Synapse is ready; longer than the limit as long as it migrates its database.
pub fn wait(host: &Host, wish: &Wish, limit: Duration) -> Result<()> {
    let start = Instant::now();
    let mut last = Readiness::Starting(String::new());
    let restarts = |host: &Host| {
        docker::running(host, &wish.app).map(|now| now.map_or(0, |container| container.restarts))
    };
    // Docker counts over the container's whole life.
    let before = restarts(host)?;
    loop {
        let found = clock::poll(Duration::from_secs(10), Duration::from_millis(500), || {
            last = look(host, wish)?;
            Ok::<_, Error>((last == Readiness::Ready).then_some(()))
        })?;
        if found.is_some() {
            return Ok(());
        }
        let ends_again_and_again = restarts(host)? >= before + RESTARTS;
        let over = start.elapsed() >= limit && !(migrates(host, wish) && start.elapsed() < LONGEST);
        if ends_again_and_again || over {
            let waited = clock::words(start.elapsed());
            return Err(not_ready(host, wish, &waited, &last));
        }
    }
}

fn migrates(host: &Host, wish: &Wish) -> bool {
    let words =
        ["Applying schema delta", "Upgrading schema", "Applying engine-specific", "Running script"];
    let says = |line: &String| words.iter().any(|word| line.contains(word));
    ps::log_tail(host, &wish.app, 5).iter().any(says)
}

fn not_ready(host: &Host, wish: &Wish, waited: &str, last: &Readiness) -> Error {
    let app = &wish.app;
    Error::new(format!("{app} is not ready after {waited}: {}", words(last)))
        .shown(ps::log_tail(host, app, 20))
        .hint(format!("dokku logs {app}"))
        .hint(super::again(host, wish))
}

fn words(state: &Readiness) -> &str {
    match state {
        Readiness::Ready => "it is",
        Readiness::Starting(why) => why,
        Readiness::NoDatabase => "it does not reach its database",
    }
}
