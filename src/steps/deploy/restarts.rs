//! Whether a container is in a crash loop.
//!
//! Docker restarts a container that ended after a back-off that doubles from a tenth of a second up
//! to a minute, and is short again once the container ran for a while. So one long back-off tells
//! of a crash loop, but only after a start that came when all was done that could fix it.

use crate::{
    dokku::docker::{self, Container},
    error::Result,
    host::{Host, clock},
    names::AppName,
};

/// After so many restarts a container is in a crash loop.
const RESTARTS: u32 = 4;

/// A back-off, in milliseconds, that only several short runs in a row lead to, even where Docker
/// takes a while to start a container.
const LONG_BACK_OFF: i64 = 3000;

/// So often in a row there may be no container: somebody else may be making it anew.
const ABSENT: u32 = 2;

/// What a container does while it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restarts {
    /// It runs, or it may.
    Running,
    /// Docker will restart it within a minute; it was not started since it is watched.
    Restarting,
    /// It ends again and again: there is no use in waiting.
    CrashLoop,
    /// There is none.
    Gone,
}

/// Watches the container of an app.
#[derive(Debug)]
pub(super) struct Watch {
    since: i64,
    /// Docker counts over the container's whole life.
    restarts_before: u32,
    absent: u32,
}

impl Watch {
    /// Starts to watch.
    pub(super) fn new(host: &Host, app: &AppName) -> Result<Self> {
        let container = docker::running(host, app).option()?;
        let restarts_before = container.map_or(0, |container| container.restarts);
        Ok(Self { since: clock::now(), restarts_before, absent: 0 })
    }

    /// Looks once more.
    pub(super) fn look(&mut self, host: &Host, app: &AppName) -> Result<Restarts> {
        let container = docker::running(host, app).option()?;
        Ok(self.classify(container.as_ref(), host.started_at(), clock::now()))
    }

    /// What a container does, seen `now` by a command that started then.
    fn classify(
        &mut self,
        container: Option<&Container>,
        command_started: i64,
        now: i64,
    ) -> Restarts {
        let Some(container) = container else {
            self.absent += 1;
            return if self.absent < ABSENT { Restarts::Running } else { Restarts::Gone };
        };
        self.absent = 0;
        // Every start of a container that this command created counts.
        let counts = container.created >= command_started || container.started >= self.since;
        let long_back_off = container.restarting && now - container.ended >= LONG_BACK_OFF;
        let loops = counts && long_back_off && container.restarts >= RESTARTS;
        if loops || container.restarts >= self.restarts_before + RESTARTS {
            Restarts::CrashLoop
        } else if container.restarting && !counts {
            Restarts::Restarting
        } else {
            Restarts::Running
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command started at 100 000 and watches since 200 000; now it is 300 000.
    fn classified(container: &Container, restarts_before: u32) -> Restarts {
        let mut watch = Watch { since: 200_000, restarts_before, absent: 0 };
        watch.classify(Some(container), 100_000, 300_000)
    }

    #[test]
    fn tells_a_crash_loop_from_a_restart() {
        let with = |container: &Container, change: fn(&mut Container)| {
            let mut container = container.clone();
            change(&mut container);
            container
        };
        let runs = with(&Container::default(), |c| (c.created, c.started) = (1, 2));
        let waits = with(&runs, |c| (c.restarting, c.ended, c.restarts) = (true, 296_000, 7));
        let ours = with(&waits, |c| c.created = 110_000);
        let started = with(&waits, |c| c.started = 295_000);
        for (case, container, before, wanted) in [
            ("it runs", runs.clone(), 0, Restarts::Running),
            ("it crashed often, long ago", with(&runs, |c| c.restarts = 9), 9, Restarts::Running),
            ("its fault may be fixed by now", waits.clone(), 7, Restarts::Restarting),
            ("its fault was not fixed", started.clone(), 6, Restarts::CrashLoop),
            ("this command created it", ours.clone(), 7, Restarts::CrashLoop),
            ("a short back-off", with(&ours, |c| c.ended = 299_900), 7, Restarts::Running),
            ("the same, not ours", with(&started, |c| c.ended = 299_900), 6, Restarts::Running),
            ("few restarts", with(&ours, |c| c.restarts = 3), 0, Restarts::Running),
            ("long runs that crash", with(&runs, |c| c.restarts = 13), 9, Restarts::CrashLoop),
        ] {
            assert_eq!(classified(&container, before), wanted, "{case}");
        }
    }

    #[test]
    fn does_not_wait_for_a_container_that_is_gone() {
        let mut watch = Watch { since: 200_000, restarts_before: 0, absent: 0 };
        let mut look = |container: Option<&Container>| watch.classify(container, 100_000, 300_000);
        assert_eq!(look(None), Restarts::Running);
        // It was being made anew.
        assert_eq!(look(Some(&Container::default())), Restarts::Running);
        assert_eq!(look(None), Restarts::Running);
        assert_eq!(look(None), Restarts::Gone);
    }
}
