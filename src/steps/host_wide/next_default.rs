//! A homeserver that gave up port 8448 hands being the default server there over to another one.

use super::default_server::{hand_over, next};
use crate::{
    error::Result,
    host::Host,
    plan::{Refusal, State, Step, StepId},
    state::Spec,
};
use std::sync::Arc;

/// Some homeserver that wants 8448 is the default server there.
#[derive(Debug)]
pub(super) struct NextDefault {
    spec: Arc<Spec>,
    refusal: Refusal,
}

impl NextDefault {
    pub(super) fn new(spec: &Arc<Spec>) -> Self {
        Self { spec: spec.clone(), refusal: Refusal::default() }
    }
}

impl Step for NextDefault {
    fn id(&self) -> StepId {
        ("host", "next-default")
    }

    fn is_host_wide(&self) -> bool {
        true
    }

    fn title(&self) -> String {
        "Handing over the default on port 8448".to_owned()
    }

    fn check(&self, host: &Host) -> Result<State> {
        if let Some(why) = self.refusal.why() {
            return Ok(State::Attention(why));
        }
        // This homeserver has other steps for itself.
        let is_other = |next: &Spec| next.server_name != self.spec.server_name;
        let Some(next) = next(host)?.filter(is_other) else { return Ok(State::Satisfied) };
        let refusal = self.refusal.clone();
        Ok(State::missing(format!("choose {}", next.server_name), move |host| {
            if let Some(why) = hand_over(host)?.and_then(|new| new.refused) {
                refusal.keep(why);
            }
            Ok(())
        }))
    }
}
