//! The last step: asks the public address what a client and another server would ask.

use super::{Who, Wish};
use crate::{
    dokku::{letsencrypt, nginx as words},
    error::{Error, Result},
    host::{
        Host, clock,
        net::{self, Reply, Request, Via},
    },
    names::{AppName, Domain},
    plan::{State, Step, StepId},
    server::{Server, Tls},
};
use std::time::Duration;

/// The homeserver answers in public: first this host's own nginx, then through the DNS.
#[derive(Debug)]
pub struct SelfCheck(pub Wish);

impl Step for SelfCheck {
    fn id(&self) -> StepId {
        ("matrix", "self-check")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![
            ("matrix", "certificate"),
            ("matrix", "ready"),
            ("matrix", "built"),
            ("element", "certificate"),
            ("element", "built"),
            ("host", "sibling"),
        ]
    }

    fn asks_for_the_result(&self) -> bool {
        true
    }

    fn title(&self) -> String {
        format!("Asking {}", self.0.base_url())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let mut questions = self.questions(host)?;
        let mut lines = self.uncertified(host)?;
        let mut untrusted: Vec<AppName> = vec![];
        for question in &questions {
            if untrusted.contains(&question.app) {
                continue;
            }
            // nginx takes a new configuration up a moment after it was told to.
            let mut why = String::new();
            let (limit, pause) = (Duration::from_secs(8), Duration::from_millis(200));
            let right = clock::poll(limit, pause, || {
                why = question.ask(host, question.here).err().unwrap_or_default();
                Ok::<_, Error>(why.is_empty().then_some(()))
            })?;
            if why.contains("invalid peer certificate") {
                // It is served, and nobody trusts it: that is the administrator's to mend.
                let app = question.app.clone();
                lines.push("Clients and other servers will not trust its certificate:".to_owned());
                lines.push(format!("{}: {why}", question.url));
                lines.push(format!("To look at it: dokku certs:report {app}"));
                untrusted.push(app);
            } else if right.is_none() {
                return Err(Error::new(format!("{} on this host: {why}", question.url)).hint(
                    format!("dokku logs {}; dokku nginx:error-logs {}", self.0.app, self.0.app),
                ));
            }
        }
        questions.retain(|question| !untrusted.contains(&question.app));
        let mut unreachable = vec![];
        for question in &questions {
            if let Err(why) = question.ask(host, Via::Dns) {
                unreachable.push(format!("{}: {why}", question.url));
            }
        }
        if !unreachable.is_empty() {
            lines.push("Through the DNS, as others see it, this does not answer yet:".to_owned());
            lines.extend(unreachable);
            lines.extend(missing_records(&self.0));
        }
        Ok(if lines.is_empty() { State::Holds } else { State::Attention(lines.join("\n")) })
    }
}

type Expect = fn(&Reply) -> bool;

struct Question {
    app: AppName,
    url: String,
    here: Via,
    expect: Expect,
}

impl Question {
    fn ask(&self, host: &Host, via: Via) -> Result<(), String> {
        let reply = net::ask(host, &Request::get(&self.url, via))?;
        if (self.expect)(&reply) { Ok(()) } else { Err(format!("status {}", reply.status)) }
    }
}

impl SelfCheck {
    /// What the administrator has still to add where the certificates are provided.
    fn uncertified(&self, host: &Host) -> Result<Vec<String>> {
        let mut lines = vec![];
        let element = self.0.element.as_ref().map(|_| Who::Element);
        for who in [Some(Who::Synapse), element].into_iter().flatten() {
            let app = who.app(&self.0);
            if self.0.tls == Tls::Provided && !self.certified(host, app)? {
                let domain = who.domain(&self.0);
                lines
                    .push(format!("{domain} has no certificate yet; until then it is http alone:"));
                lines.push(format!("dokku certs:add {app} < cert-key.tar"));
            }
        }
        Ok(lines)
    }

    fn certified(&self, host: &Host, app: &AppName) -> Result<bool> {
        // Asked already where it is dokku-letsencrypt's.
        Ok(self.0.tls == Tls::Letsencrypt && letsencrypt::active(host, app).option()? == Some(true)
            || words::has_certificate(host, app).option()? == Some(true))
    }

    fn questions(&self, host: &Host) -> Result<Vec<Question>> {
        let wish = &self.0;
        let tls = wish.tls != Tls::Off && self.certified(host, &wish.app)?;
        let base = format!("{}://{}", if tls { "https" } else { "http" }, wish.domain);
        let mut questions = vec![];
        let here = words::via(host, &wish.app)?;
        let mut ask = |url: String, expect: Expect| {
            questions.push(Question { app: wish.app.clone(), url, here, expect });
        };
        ask(format!("{base}/_matrix/client/versions"), |r| r.json()["versions"].is_array());
        ask(format!("{base}/.well-known/matrix/client"), |r| r.json()["m.homeserver"].is_object());
        let version: Expect = |r| r.json()["server"]["version"].is_string();
        if tls {
            ask(format!("{base}/_matrix/federation/v1/version"), version);
            if wish.port_8448 {
                ask(format!("{base}:8448/_matrix/federation/v1/version"), version);
            }
        }
        if let Some(element) = &wish.element {
            let tls = wish.tls != Tls::Off && self.certified(host, &element.app)?;
            let scheme = if tls { "https" } else { "http" };
            let config: Expect = |r| r.json()["default_server_config"].is_object();
            let url = format!("{scheme}://{}/config.json", element.domain);
            let here = words::via(host, &element.app)?;
            questions.push(Question { app: element.app.clone(), url, here, expect: config });
        }
        Ok(questions)
    }
}

/// The DNS records that are needed, and where each leads now.
pub fn records(wish: &Server) -> Vec<String> {
    let line = |name: &Domain| {
        let now: Vec<_> = net::resolve(name.as_str()).iter().map(ToString::to_string).collect();
        let now = if now.is_empty() { "missing".to_owned() } else { now.join(", ") };
        format!("{name}.  A  <address of this host>  (now: {now})")
    };
    let heading = "These DNS records are needed:".to_owned();
    std::iter::once(heading).chain(names(wish).into_iter().map(line)).collect()
}

/// The DNS records that are still missing, as one would type them into a zone.
fn missing_records(wish: &Server) -> Vec<String> {
    let mut lines = vec![];
    for name in names(wish) {
        if net::resolve(name.as_str()).is_empty() {
            lines.push(format!("{name}.  A  <address of this host>"));
        }
    }
    if !lines.is_empty() {
        lines.insert(0, "These DNS records are missing:".to_owned());
    }
    lines
}

fn names(wish: &Server) -> Vec<&Domain> {
    let element = wish.element.as_ref().map(|element| &element.domain);
    std::iter::once(&wish.domain).chain(element).collect()
}
