//! Steps of Element Web, which run beside Synapse's: what their programs print names its app.

use super::{Steps, Who, Wish};
use crate::{
    error::Result,
    host::Host,
    names::AppName,
    plan::{State, Step, StepId},
};

/// The steps of an app, each with its name where it is Element Web's.
pub(super) fn all(wish: &Wish, who: Who, steps: Steps) -> Steps {
    if who == Who::Synapse {
        return steps;
    }
    let named = |step| Box::new(Named { app: who.app(wish).clone(), step }) as Box<dyn Step>;
    steps.into_iter().map(named).collect()
}

/// A step as it is, but for the app that its lines name.
struct Named {
    app: AppName,
    step: Box<dyn Step>,
}

impl Step for Named {
    fn id(&self) -> StepId {
        self.step.id()
    }

    fn needs(&self) -> Vec<StepId> {
        self.step.needs()
    }

    fn title(&self) -> String {
        self.step.title()
    }

    fn names(&self) -> Option<&str> {
        Some(self.app.as_str())
    }

    fn asks_for_the_result(&self) -> bool {
        self.step.asks_for_the_result()
    }

    fn check(&self, host: &Host) -> Result<State> {
        self.step.check(host)
    }
}
