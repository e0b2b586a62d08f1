//! Synapse answers, and reaches its database.

use super::{
    Wish,
    lives::{Lives, Watch},
};
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

/// Docker lets no container wait longer before it starts it again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

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
    let Some(address) = address else {
        return Ok(Readiness::Starting("it has no address".to_owned()));
    };
    let found = health::probe(host, &address)?;
    if found != Readiness::Ready {
        return Ok(found);
    }
    // Another homeserver may be there, if ours has ended, or was given another address since.
    let why = match docker::running(host, &wish.app)
        .option()?
        .filter(|container| !container.restarting)
    {
        None => "it has ended",
        Some(now) if ps::address(host, &wish.app, &now).option()?.as_ref() == Some(&address) => {
            return Ok(found);
        }
        Some(_) => "Dokku has an old address of it",
    };
    Ok(Readiness::Starting(why.to_owned()))
}

/// Waits until Synapse is ready; longer than the limit as long as it migrates its database.
pub fn wait(host: &Host, wish: &Wish, limit: Duration) -> Result<()> {
    let start = Instant::now();
    let mut last = Readiness::Starting(String::new());
    let mut watch = Watch::new(host, wish)?;
    loop {
        let found = clock::poll(Duration::from_secs(10), Duration::from_millis(500), || {
            last = look(host, wish)?;
            Ok::<_, Error>((last == Readiness::Ready).then_some(()))
        })?;
        if found.is_some() {
            return Ok(());
        }
        let waited = start.elapsed();
        let why = match watch.look(host, wish)? {
            Lives::NoMore(why) => why,
            Lives::On if waited >= limit && !(migrates(host, wish) && waited < LONGEST) => {
                words(&last)
            }
            Lives::Soon if waited >= limit + LONGEST_PAUSE => words(&last),
            Lives::Soon | Lives::On => continue,
        };
        return Err(not_ready(host, wish, &clock::words(waited), why));
    }
}

fn migrates(host: &Host, wish: &Wish) -> bool {
    let words =
        ["Applying schema delta", "Upgrading schema", "Applying engine-specific", "Running script"];
    let says = |line: &String| words.iter().any(|word| line.contains(word));
    ps::log_tail(host, &wish.app, 5).iter().any(says)
}

fn not_ready(host: &Host, wish: &Wish, waited: &str, why: &str) -> Error {
    let app = &wish.app;
    Error::new(format!("{app} is not ready after {waited}: {why}"))
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
