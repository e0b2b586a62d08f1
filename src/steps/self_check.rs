//! The last step: asks the public addresses what a client would ask, and finds the homeserver as
//! another server would.

mod delegation;
mod records;

pub use records::dns_records;
pub(super) use records::needed_records;

use crate::{
    component::{Component, Homeserver, Question, QuestionPort},
    dokku::{letsencrypt, nginx},
    error::{Error, Result},
    host::{
        Host, clock, files,
        net::{self, Reply, Request, Via},
    },
    names::AppName,
    nginx::others,
    plan::{State, Step, StepId},
    state::{Settings, Spec, Tls},
    steps::certificate::renewal_to_come,
    synapse::{discovery, signing_key},
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
                let error = Error::new(format!("{} on this host: {why}", request.url));
                let others = request.answered_by_others(host)?;
                return Err(if others.is_empty() {
                    error.hint(format!("dokku logs {app}; dokku nginx:error-logs {app}"))
                } else {
                    others.into_iter().fold(error, Error::hint)
                });
            }
        }
        requests.retain(|request| !untrusted.contains(&request.app));
        let spec = &self.0.spec;
        let well_known = if spec.needs_well_known() {
            delegation::ask(host, spec, federates(host, spec)?)?
        } else {
            delegation::Answers::default()
        };
        let mut needs_records = !well_known.wrong.is_empty();
        lines.extend(well_known.wrong);
        let failed = |request: &PublicRequest| {
            let why = request.ask(host, Via::Dns).err()?;
            Some(format!("{}: {why}", request.url))
        };
        let unreachable: Vec<_> = requests.iter().filter_map(failed).collect();
        // Where its own address does not answer, others do not find it either.
        if unreachable.is_empty() && requests.iter().any(|request| request.is_for_servers) {
            lines.extend(self.federation(host)?);
        }
        let unreachable: Vec<_> = unreachable.into_iter().chain(well_known.unreachable).collect();
        if !unreachable.is_empty() {
            needs_records = true;
            lines.push("Through the DNS, as others see it, this does not answer yet:".to_owned());
            lines.extend(unreachable);
        }
        if needs_records {
            lines.extend(records::missing(host, spec)?);
        }
        Ok(if lines.is_empty() { State::Satisfied } else { State::Attention(lines.join("\n")) })
    }
}

/// One question to one address.
struct PublicRequest {
    app: AppName,
    url: String,
    here: Via,
    expect: fn(&Reply) -> bool,
    /// Whether other servers ask this.
    is_for_servers: bool,
}

impl PublicRequest {
    fn ask(&self, host: &Host, via: Via) -> Result<(), String> {
        let reply = net::ask(host, &Request::get(&self.url, via))?;
        if (self.expect)(&reply) { Ok(()) } else { Err(format!("status {}", reply.status)) }
    }

    /// What of others in this host's nginx answers in the app's place; nothing if it is not that.
    fn answered_by_others(&self, host: &Host) -> Result<Vec<String>> {
        match net::ask(host, &Request::get(&self.url, self.here)) {
            Ok(reply) => others::that_answer(host, self.app.as_str(), reply.status),
            Err(_) => Ok(vec![]),
        }
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
            if self.0.spec.tls != Tls::Provided {
                continue;
            }
            if !has_certificate(host, component)? {
                lines.push(format!("{domain} has no certificate yet; until then it is http only:"));
                lines.push(format!("dokku certs:add {app} < cert-key.tar"));
            } else if letsencrypt::would_replace_that_of_others(host, app)? {
                lines.push(format!("{app} has a certificate of your own."));
                lines.extend(renewal_to_come(app));
            }
        }
        Ok(lines)
    }

    fn requests(&self, host: &Host) -> Result<Vec<PublicRequest>> {
        let federates = federates(host, &self.0.spec)?;
        let mut requests = vec![];
        for component in &self.0.components {
            let tls = self.0.spec.tls != Tls::Off && has_certificate(host, component)?;
            let here = nginx::via(host, &component.app)?;
            let domain = &component.domain;
            let is_asked = |question: &&Question| federates || question.port == QuestionPort::Web;
            for question in component.questions.iter().filter(is_asked) {
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
                let is_for_servers = question.port != QuestionPort::Web;
                requests.push(PublicRequest { app, url, here, expect, is_for_servers });
            }
        }
        Ok(requests)
    }

    /// What another server finds that looks for this one.
    fn federation(&self, host: &Host) -> Result<Vec<String>> {
        let name = &self.0.spec.server_name;
        let path = self.0.paths.signing_key();
        let key = files::read(&path)?.as_deref().and_then(signing_key::id);
        let key = key.ok_or_else(|| {
            let deploy = format!("dokku matrix:deploy {}", self.0.spec.app);
            Error::new(format!("{path} has no signing key")).hint(deploy)
        })?;
        let (place, why) = match discovery::find(host, name) {
            Ok(place) => match discovery::ask(host, &place, name, &key) {
                None => return Ok(vec![]),
                Some(why) => {
                    let (to, port) = &place.connect;
                    (format!("{to}:{port} (by {})", place.by), why)
                }
            },
            Err(why) => ("nothing".to_owned(), why),
        };
        Ok(vec![
            format!("Other servers do not find {name}. They are led to {place}, and there:"),
            why,
        ])
    }
}

/// Whether other servers are to find the homeserver: also the administrator's own settings decide.
fn federates(host: &Host, spec: &Spec) -> Result<bool> {
    Ok(spec.federates() && Settings::recorded(host.env(), &spec.server_name)?.federates)
}

fn has_certificate(host: &Host, component: &Component) -> Result<bool> {
    let app = &component.app;
    // A step has asked dokku-letsencrypt before, so this answer is known.
    Ok(component.spec.tls == Tls::Letsencrypt
        && letsencrypt::active(host, app).option()? == Some(true)
        || nginx::has_certificate(host, app).option()? == Some(true))
}
