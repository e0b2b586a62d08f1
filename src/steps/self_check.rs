//! The last step: asks the public addresses what a client would ask, and finds the homeserver as
//! another server would.

use crate::{
    component::{Component, Homeserver, QuestionPort},
    dokku::{letsencrypt, nginx},
    error::{Error, Result},
    host::{
        Host, Reading, clock, files,
        net::{self, Reply, Request, Via},
    },
    names::{AppName, Domain},
    nginx::others,
    plan::{State, Step, StepId},
    state::{Spec, Tls},
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
        let unreachable = self.unreachable(host, &requests);
        // Where its own address does not answer, others do not find it either.
        let federates = requests.iter().any(|request| request.is_for_servers);
        if unreachable.is_empty() && federates {
            lines.extend(self.federation(host)?);
        }
        lines.extend(unreachable);
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
                let is_for_servers = question.port != QuestionPort::Web;
                requests.push(PublicRequest { app, url, here, expect, is_for_servers });
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
            lines.extend(missing_records(host, &self.0.spec));
        }
        lines
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

fn has_certificate(host: &Host, component: &Component) -> Result<bool> {
    let app = &component.app;
    // A step has asked dokku-letsencrypt before, so this answer is known.
    Ok(component.spec.tls == Tls::Letsencrypt
        && letsencrypt::active(host, app).option()? == Some(true)
        || nginx::has_certificate(host, app).option()? == Some(true))
}

/// The DNS records that are needed, and where each leads now.
pub fn dns_records(host: &Host, spec: &Spec) -> Vec<String> {
    let line = |name: &Domain| {
        let now = match net::resolve(host, name.as_str()) {
            Reading::Value(now) => {
                now.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            }
            Reading::Absent => "missing".to_owned(),
            Reading::Unknown(_) => "unknown".to_owned(),
        };
        format!("{}  (now: {now})", record(name.as_str()))
    };
    std::iter::once(NEEDED.to_owned()).chain(domains(spec).map(line)).collect()
}

const NEEDED: &str = "These DNS records are needed:";

/// A record as one would type it into a zone.
fn record(name: &str) -> String {
    format!("{name}.  A  <address of this host>")
}

/// The records of names that lead nowhere yet.
fn missing_records(host: &Host, spec: &Spec) -> Vec<String> {
    let missing = |name: &&Domain| !matches!(net::resolve(host, name.as_str()), Reading::Value(_));
    needed_records(domains(spec).filter(missing).map(Domain::as_str))
}

/// The records of these names, below a line that says so; nothing for none.
pub(super) fn needed_records<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut lines: Vec<_> = names.map(record).collect();
    if !lines.is_empty() {
        lines.insert(0, NEEDED.to_owned());
    }
    lines
}

fn domains(spec: &Spec) -> impl Iterator<Item = &Domain> {
    std::iter::once(&spec.domain).chain(spec.components.values().map(|one| &one.domain))
}
