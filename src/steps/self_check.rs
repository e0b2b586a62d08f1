//! The last step: asks the public addresses what a client and another server would ask.

use crate::{
    component::{Component, Homeserver, QuestionPort},
    dokku::{letsencrypt, nginx},
    error::{Error, Result},
    host::{
        Host, clock,
        net::{self, Reply, Request, Via},
    },
    names::{AppName, Domain},
    plan::{State, Step, StepId},
    state::{Spec, Tls},
};
use std::time::Duration;

/// The components answer in public: first this host's own nginx, then through the DNS.
#[derive(Debug)]
pub(super) struct SelfCheck(pub(super) Homeserver);

impl Step for SelfCheck {
    fn id(&self) -> StepId {
        ("server", "self-check")
    }

    fn is_host_wide(&self) -> bool {
        true
    }

    fn verifies_result(&self) -> bool {
        true
    }

    fn title(&self) -> String {
        format!("Asking {}", self.0.spec.base_url())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let mut requests = self.requests(host)?;
        let mut lines = self.missing_certificates(host)?;
        let mut untrusted: Vec<AppName> = vec![];
        for request in &requests {
            if untrusted.contains(&request.app) {
                continue;
            }
            let Some(why) = request.ask_here(host)? else { continue };
            if why.contains("invalid peer certificate") {
                // It is served, and nobody trusts it: only the administrator can fix that.
                lines.push("Clients and other servers will not trust its certificate:".to_owned());
                lines.push(format!("{}: {why}", request.url));
                lines.push(format!("To look at it: dokku certs:report {}", request.app));
                untrusted.push(request.app.clone());
            } else {
                let app = &self.0.spec.app;
                return Err(Error::new(format!("{} on this host: {why}", request.url))
                    .hint(format!("dokku logs {app}; dokku nginx:error-logs {app}")));
            }
        }
        requests.retain(|request| !untrusted.contains(&request.app));
        lines.extend(self.unreachable(host, &requests));
        Ok(if lines.is_empty() { State::Satisfied } else { State::Attention(lines.join("\n")) })
    }
}

/// One question to one address.
struct PublicRequest {
    app: AppName,
    url: String,
    here: Via,
    expect: fn(&Reply) -> bool,
}

impl PublicRequest {
    fn ask(&self, host: &Host, via: Via) -> Result<(), String> {
        let reply = net::ask(host, &Request::get(&self.url, via))?;
        if (self.expect)(&reply) { Ok(()) } else { Err(format!("status {}", reply.status)) }
    }

    /// Asks this host's own nginx; what is wrong with the answer, `None` if it is right.
    fn ask_here(&self, host: &Host) -> Result<Option<String>> {
        let mut why = String::new();
        // nginx takes up a new configuration a moment after it was told to.
        let (timeout, pause) = (Duration::from_secs(8), Duration::from_millis(200));
        let right = clock::poll(timeout, pause, || {
            why = self.ask(host, self.here).err().unwrap_or_default();
            Ok::<_, Error>(why.is_empty().then_some(()))
        })?;
        Ok(if right.is_some() { None } else { Some(why) })
    }
}

impl SelfCheck {
    /// What the administrator has still to add where the certificates are provided.
    fn missing_certificates(&self, host: &Host) -> Result<Vec<String>> {
        let mut lines = vec![];
        for component in &self.0.components {
            let (app, domain) = (&component.app, &component.domain);
            if self.0.spec.tls == Tls::Provided && !has_certificate(host, component)? {
                lines.push(format!("{domain} has no certificate yet; until then it is http only:"));
                lines.push(format!("dokku certs:add {app} < cert-key.tar"));
            }
        }
        Ok(lines)
    }

    fn requests(&self, host: &Host) -> Result<Vec<PublicRequest>> {
        let mut requests = vec![];
        for component in &self.0.components {
            let tls = self.0.spec.tls != Tls::Off && has_certificate(host, component)?;
            let here = nginx::via(host, &component.app)?;
            let domain = &component.domain;
            for question in &component.questions {
                let base = match question.port {
                    QuestionPort::Web if !tls => format!("http://{domain}"),
                    QuestionPort::Web | QuestionPort::Https if tls => format!("https://{domain}"),
                    QuestionPort::Federation if tls && component.on_8448 => {
                        format!("https://{domain}:8448")
                    }
                    _ => continue,
                };
                let url = format!("{base}{}", question.path);
                let (app, expect) = (component.app.clone(), question.expect);
                requests.push(PublicRequest { app, url, here, expect });
            }
        }
        Ok(requests)
    }

    fn unreachable(&self, host: &Host, requests: &[PublicRequest]) -> Vec<String> {
        let failed = |request: &PublicRequest| {
            let why = request.ask(host, Via::Dns).err()?;
            Some(format!("{}: {why}", request.url))
        };
        let mut lines: Vec<_> = requests.iter().filter_map(failed).collect();
        if !lines.is_empty() {
            lines.insert(
                0,
                "Through the DNS, as others see it, this does not answer yet:".to_owned(),
            );
            lines.extend(missing_records(&self.0.spec));
        }
        lines
    }
}

fn has_certificate(host: &Host, component: &Component) -> Result<bool> {
    let app = &component.app;
    // A step has asked dokku-letsencrypt before, so this answer is known.
    Ok(component.spec.tls == Tls::Letsencrypt
        && letsencrypt::active(host, app).option()? == Some(true)
        || nginx::has_certificate(host, app).option()? == Some(true))
}

/// The DNS records that are needed, and where each leads now.
pub fn dns_records(spec: &Spec) -> Vec<String> {
    let line = |name: &Domain| {
        let now: Vec<_> = net::resolve(name.as_str()).iter().map(ToString::to_string).collect();
        let now = if now.is_empty() { "missing".to_owned() } else { now.join(", ") };
        format!("{name}.  A  <address of this host>  (now: {now})")
    };
    let heading = "These DNS records are needed:".to_owned();
    std::iter::once(heading).chain(domains(spec).map(line)).collect()
}

/// The DNS records that are still missing, as one would type them into a zone.
fn missing_records(spec: &Spec) -> Vec<String> {
    let missing = |name: &&Domain| net::resolve(name.as_str()).is_empty();
    let line = |name: &Domain| format!("{name}.  A  <address of this host>");
    let mut lines: Vec<_> = domains(spec).filter(missing).map(line).collect();
    if !lines.is_empty() {
        lines.insert(0, "These DNS records are missing:".to_owned());
    }
    lines
}

fn domains(spec: &Spec) -> impl Iterator<Item = &Domain> {
    std::iter::once(&spec.domain).chain(spec.components.values().map(|one| &one.domain))
}
