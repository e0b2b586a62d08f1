//! The app has a valid certificate for its domain. A refusal stops nothing else: the server stays
//! reachable on port 80 meanwhile. A certificate that somebody has added is never replaced.

use crate::{
    component::Component,
    dokku::{domains, letsencrypt, nginx},
    error::Result,
    host::{Host, Reading, net},
    names::AppName,
    plan::{Refusal, State, Step, StepId},
    steps::self_check::needed_records,
};
use std::sync::Arc;

/// The certificate of an app.
#[derive(Debug)]
pub(super) struct Certificate {
    component: Arc<Component>,
    earlier: Vec<StepId>,
    refusal: Refusal,
}

impl Certificate {
    /// For a component, after those that are named.
    pub(super) fn new(component: &Arc<Component>, earlier: &[Arc<Component>]) -> Self {
        let earlier = earlier.iter().map(|other| other.step("certificate")).collect();
        Self { component: component.clone(), earlier, refusal: Refusal::default() }
    }
}

impl Step for Certificate {
    fn id(&self) -> StepId {
        self.component.step("certificate")
    }

    fn needs(&self) -> Vec<StepId> {
        let own = ["email", "deployed", "built", "ready"].map(|name| self.component.step(name));
        own.into_iter().chain(self.earlier.iter().copied()).collect()
    }

    fn title(&self) -> String {
        format!("Requesting a certificate for {}", self.component.domain)
    }

    fn app(&self) -> Option<&str> {
        Some(self.component.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let (app, domain) = (self.component.app.clone(), &self.component.domain);
        if let Some(why) = self.refusal.why() {
            return Ok(State::Attention(format!(
                "No certificate for {domain}: {why}\nIt must resolve to this host, and port 80 must be reachable. Then: dokku matrix:deploy {}",
                self.component.spec.app
            )));
        }
        if letsencrypt::is_of_others(host, &app)? {
            return self.keep_that_of_others(host).map(State::Attention);
        }
        if letsencrypt::active(host, &app).option()? == Some(true)
            && covers(host, &app, domain.as_str())?
            && !letsencrypt::expired(host, &app)?
        {
            return Ok(State::Satisfied);
        }
        let missing = missing_names(host, &app, domain.as_str())?;
        if !missing.is_empty() {
            let records = needed_records(missing.iter().map(String::as_str)).join("\n");
            return Ok(State::Attention(format!(
                "No certificate was requested for {domain}: the request would fail, and few failed ones are allowed in an hour.\n{records}\nThen: dokku matrix:deploy {}",
                self.component.spec.app
            )));
        }
        let refusal = self.refusal.clone();
        let description = format!("dokku letsencrypt:enable {app}");
        Ok(State::missing(description, move |host| {
            let ran = letsencrypt::enable(host, &app)?;
            if ran.code != 0 {
                let tail = ran.lines.len().saturating_sub(12);
                let shown = ran.lines[tail..].iter();
                let shown = shown.map(|line| format!("  | {}", host.scrubber().scrub(line)));
                let first = std::iter::once(format!("letsencrypt:enable {app} failed"));
                refusal.keep(first.chain(shown).collect::<Vec<_>>().join("\n"));
            }
            Ok(())
        }))
    }
}

impl Certificate {
    /// A request would replace a certificate that the administrator has added: what to type for
    /// either.
    fn keep_that_of_others(&self, host: &Host) -> Result<String> {
        let (app, homeserver) = (&self.component.app, &self.component.spec.app);
        let names = nginx::certificate_names(host, app)?.join(", ");
        let mut lines = vec![format!(
            "{app} has a certificate that dokku-letsencrypt has not made, for {names}: it was left as it is."
        )];
        if letsencrypt::active(host, app).option()? == Some(true) {
            lines.extend(renewal_to_come(app));
            lines.push(format!("Then: dokku matrix:create {homeserver} --tls provided"));
            // Alone, the second one finds its own certificate still valid.
            lines.push(format!(
                "To replace it: dokku letsencrypt:disable {app}; dokku letsencrypt:enable {app}"
            ));
        } else {
            lines.push(format!("To keep it: dokku matrix:create {homeserver} --tls provided"));
            lines.push(format!("To replace it: dokku letsencrypt:enable {app}"));
        }
        Ok(lines.join("\n"))
    }
}

/// What to do where the next renewal would replace a certificate of the administrator's.
pub fn renewal_to_come(app: &AppName) -> [String; 2] {
    [
        "The next renewal would replace it: dokku-letsencrypt takes it for its own.".to_owned(),
        format!(
            "To keep it: dokku letsencrypt:disable {app}, which removes it; dokku certs:add {app} < cert-key.tar"
        ),
    ]
}

/// The domains of an app that the DNS does not know. The authority visits each of them; one that
/// cannot be looked up from here may be known there.
fn missing_names(host: &Host, app: &AppName, domain: &str) -> Result<Vec<String>> {
    let mut names = domains::of(host, app).or_absent(vec![])?;
    if !names.iter().any(|name| name == domain) {
        names.push(domain.to_owned());
    }
    names.retain(|name| {
        !name.starts_with("*.") && matches!(net::resolve(host, name), Reading::Absent)
    });
    Ok(names)
}

/// Whether the app's certificate is for this domain too. dokku-letsencrypt calls a certificate
/// active only if it has it under the name of a domain of the app: a single domain is covered.
fn covers(host: &Host, app: &AppName, domain: &str) -> Result<bool> {
    if domains::of(host, app).option()?.is_some_and(|all| all == [domain]) {
        return Ok(true);
    }
    let names = nginx::certificate_names(host, app)?;
    Ok(names.iter().any(|name| name == domain))
}
