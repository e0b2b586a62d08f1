//! The firewall lets 8448 through exactly where a homeserver of this host wants it.

use super::{
    default_server::is_alive,
    ufw::{self, Ufw},
};
use crate::{
    error::Result,
    host::Host,
    names::ServerName,
    plan::{Refusal, State, Step, StepId},
    state::{Spec, locks},
};
use std::sync::Arc;

/// The firewall's rule for 8448.
#[derive(Debug)]
pub(super) struct Firewall {
    spec: Arc<Spec>,
    refusal: Refusal,
}

impl Firewall {
    pub(super) fn new(spec: &Arc<Spec>) -> Self {
        Self { spec: spec.clone(), refusal: Refusal::default() }
    }
}

/// Whether a homeserver wants 8448, this one left out; `None` where one that cannot be read may.
fn is_wanted(host: &Host, except: Option<&ServerName>) -> Result<Option<bool>> {
    let mut wanted = Some(false);
    for (name, spec) in Spec::all(host.env())? {
        if except == Some(&name) {
            continue;
        }
        if spec.is_err() {
            wanted = None;
        } else if is_alive(host, &name)? {
            return Ok(Some(true));
        }
    }
    Ok(wanted)
}

/// Closes 8448 where no homeserver of the host wants it any more. Says nothing where ufw is not
/// active, or may not be asked.
pub fn close_if_unused(host: &Host) -> Result<bool> {
    let _lock = locks::host(host)?;
    if is_wanted(host, None)? != Some(false) {
        return Ok(false);
    }
    if let Ufw::Active { open: true } = ufw::status(host)? {
        ufw::must_set(host, false)?;
        return Ok(true);
    }
    Ok(false)
}

impl Step for Firewall {
    fn id(&self) -> StepId {
        ("host", "firewall")
    }

    fn is_host_wide(&self) -> bool {
        true
    }

    fn title(&self) -> String {
        let verb = if self.spec.is_on_8448() { "Opening" } else { "Closing" };
        format!("{verb} port 8448 in the firewall")
    }

    fn check(&self, host: &Host) -> Result<State> {
        if let Some(why) = self.refusal.why() {
            return Ok(State::Attention(why));
        }
        let wanted = if self.spec.is_on_8448() {
            Some(true)
        } else {
            is_wanted(host, Some(&self.spec.server_name))?
        };
        let Some(wanted) = wanted else { return Ok(State::Satisfied) };
        match ufw::status(host)? {
            Ufw::Active { open } if open != wanted => {}
            Ufw::Forbidden if wanted => {
                return Ok(State::Attention(
                    "ufw is on this host, and dokku may not ask it. If it is active:\nsudo ufw allow 8448/tcp".to_owned(),
                ));
            }
            _ => return Ok(State::Satisfied),
        }
        let command = format!("ufw {}", ufw::rule(wanted).join(" "));
        let (refusal, description) = (self.refusal.clone(), command.clone());
        let name = self.spec.server_name.clone();
        Ok(State::missing(description, move |host| {
            let _lock = locks::host(host)?;
            // Another command may have recorded meanwhile that it wants the port.
            if !wanted && is_wanted(host, Some(&name))? != Some(false) {
                return Ok(());
            }
            if ufw::set(host, wanted)?.code != 0 {
                refusal.keep(format!("The firewall could not be set.\nsudo {command}"));
            }
            Ok(())
        }))
    }
}
