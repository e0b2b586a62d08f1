//! The lives of a container: whether it ends again and again.
//!
//! Docker starts it anew each time, after a pause that doubles from a tenth of a second up to a
//! minute, and is short again once a life was long. So that it dies can be told of one long pause;
//! but only of one after a life that began when all was done that could mend it.

use super::Wish;
use crate::{
    dokku::docker::{self, Container},
    error::Result,
    host::{Host, clock},
};

/// So often a container is started again before we stop waiting for it.
const RESTARTS: u32 = 4;

/// A pause, in milliseconds, that none but several short lives in a row lead to, even where Docker
/// takes a while to start a container.
const LONG_PAUSE: i64 = 3000;

/// So often in a row none may be found: somebody else may be making it anew.
const ABSENT: u32 = 2;

/// What the container of a homeserver does while it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lives {
    /// It runs, or it may.
    On,
    /// It has not been started yet since we look; it will be, within a minute.
    Soon,
    /// There is no use in waiting, and why.
    NoMore(&'static str),
}

const DIES: Lives = Lives::NoMore("it ends again and again");
const GONE: Lives = Lives::NoMore("it does not run");

/// Looks at a container from time to time.
#[derive(Debug)]
pub struct Watch {
    since: i64,
    /// Docker counts over the container's whole life.
    before: u32,
    absent: u32,
}

impl Watch {
    /// Begins to look.
    pub fn new(host: &Host, wish: &Wish) -> Result<Self> {
        let before =
            docker::running(host, &wish.app).option()?.map_or(0, |container| container.restarts);
        Ok(Self { since: clock::now(), before, absent: 0 })
    }

    /// Looks once more.
    pub fn look(&mut self, host: &Host, wish: &Wish) -> Result<Lives> {
        let now = docker::running(host, &wish.app).option()?;
        Ok(self.judge(now.as_ref(), host.began(), clock::now()))
    }

    /// Judges what was found in a run that began then.
    fn judge(&mut self, found: Option<&Container>, began: i64, now: i64) -> Lives {
        let Some(container) = found else {
            self.absent += 1;
            return if self.absent < ABSENT { Lives::On } else { GONE };
        };
        self.absent = 0;
        // Of one that this run has made every life counts.
        let counts = container.created >= began || container.started >= self.since;
        let long_pause = container.restarting && now - container.ended >= LONG_PAUSE;
        let dies = counts && long_pause && container.restarts >= RESTARTS;
        if dies || container.restarts >= self.before + RESTARTS {
            DIES
        } else if container.restarting && !counts {
            Lives::Soon
        } else {
            Lives::On
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The run began at 100 000, and has been looking since 200 000; now it is 300 000.
    fn judged(container: &Container, before: u32) -> Lives {
        let mut watch = Watch { since: 200_000, before, absent: 0 };
        watch.judge(Some(container), 100_000, 300_000)
    }

    #[test]
    fn one_that_ends_again_and_again_is_told_from_one_that_does_not() {
        let but = |container: &Container, change: fn(&mut Container)| {
            let mut container = container.clone();
            change(&mut container);
            container
        };
        let runs = but(&Container::default(), |c| (c.created, c.started) = (1, 2));
        let pauses = but(&runs, |c| (c.restarting, c.ended, c.restarts) = (true, 296_000, 7));
        let by_us = but(&pauses, |c| c.created = 110_000);
        let lived = but(&pauses, |c| c.started = 295_000);
        for (what, container, before, want) in [
            ("it runs", runs.clone(), 0, Lives::On),
            ("it has ended often, long ago", but(&runs, |c| c.restarts = 9), 9, Lives::On),
            ("what made it end may be mended", pauses.clone(), 7, Lives::Soon),
            ("it was not", lived.clone(), 6, DIES),
            ("we have made it", by_us.clone(), 7, DIES),
            ("a short pause", but(&by_us, |c| c.ended = 299_900), 7, Lives::On),
            ("a short pause of an old one", but(&lived, |c| c.ended = 299_900), 6, Lives::On),
            ("not often yet", but(&by_us, |c| c.restarts = 3), 0, Lives::On),
            ("each life is long", but(&runs, |c| c.restarts = 13), 9, DIES),
        ] {
            assert_eq!(judged(&container, before), want, "{what}");
        }
    }

    #[test]
    fn one_that_is_gone_is_not_waited_for() {
        let mut watch = Watch { since: 200_000, before: 0, absent: 0 };
        let mut look = |found: Option<&Container>| watch.judge(found, 100_000, 300_000);
        assert_eq!(look(None), Lives::On);
        // It was being made anew.
        assert_eq!(look(Some(&Container::default())), Lives::On);
        assert_eq!(look(None), Lives::On);
        assert_eq!(look(None), GONE);
    }
}
