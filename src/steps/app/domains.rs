//! The app answers to its domain; others beside it are the administrator's.

use crate::{
    component::Component,
    dokku::domains,
    error::Result,
    host::Host,
    plan::{State, Step, StepId},
    state::Spec,
};
use std::sync::Arc;

/// The app has its domain.
#[derive(Debug)]
pub struct Domains(pub Arc<Component>);

impl Step for Domains {
    fn id(&self) -> StepId {
        self.0.step("domains")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![self.0.step("app"), self.0.step("label")]
    }

    fn title(&self) -> String {
        format!("Setting domain {} for {}", self.0.domain, self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let (app, domain) = (self.0.app.clone(), self.0.domain.clone());
        // In a dry run the app may not exist yet: Dokku would give it a domain that is replaced.
        let current = domains::of(host, &app).or_absent(vec![])?;
        if current.iter().any(|one| one == domain.as_str()) {
            return Ok(State::Satisfied);
        }
        // A single domain that Dokku gave by itself is replaced. One that was added by hand stays,
        // and so does the server name, where other servers look for this one.
        let replace = match current.as_slice() {
            [] => true,
            [one] if one == self.0.spec.server_name.host() => false,
            [one] => is_dokkus_own(host, app.as_str(), one)?,
            _ => false,
        };
        let verb = if replace { "set" } else { "add" };
        let description = format!("dokku domains:{verb} {app} {domain}");
        Ok(State::missing(description, move |host| {
            if replace {
                domains::set(host, &app, &domain)
            } else {
                domains::add(host, &app, &domain)
            }
        }))
    }
}

/// Whether a domain is the one that Dokku gives an app by itself.
fn is_dokkus_own(host: &Host, app: &str, domain: &str) -> Result<bool> {
    let globals = domains::global(host)?;
    Ok(domain == app || globals.iter().any(|global| domain == format!("{app}.{global}")))
}

/// Puts the server name back among the domains of a renamed app. A rename takes away the domain
/// that Dokku gave under the old name. Where that is the server name, and the homeserver has
/// another domain by now, other servers still look for it there.
pub fn keep_server_name(host: &Host, spec: &Spec, old_app: &str) -> Result<()> {
    let name = spec.server_name.host();
    if !spec.is_delegated()
        || spec.server_name.has_port()
        || !is_dokkus_own(host, old_app, name)?
        || !domains::owners(host, name)?.is_empty()
    {
        return Ok(());
    }
    domains::add(host, &spec.app, &name.parse()?)
}
