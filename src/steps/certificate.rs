//! Certificates from dokku-letsencrypt, and their renewal.

use super::{Who, Wish};
use crate::{
    dokku::{domains, letsencrypt, nginx},
    error::Result,
    host::Host,
    names::AppName,
    plan::{Change, State, Step, StepId},
};
use std::sync::{Arc, Mutex, PoisonError};

/// The app has the e-mail address that was given.
#[derive(Debug)]
pub struct Email(pub Wish, pub Who);

impl Step for Email {
    fn id(&self) -> StepId {
        (self.1.name(), "email")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![(self.1.name(), "domains"), (self.1.name(), "environment")]
    }

    fn title(&self) -> String {
        format!("Setting the letsencrypt e-mail of {}", self.1.app(&self.0))
    }

    fn check(&self, host: &Host) -> Result<State> {
        let Some(email) = self.0.email.clone() else { return Ok(State::Holds) };
        let app = self.1.app(&self.0).clone();
        if letsencrypt::has_email(host, &app, &email)? {
            return Ok(State::Holds);
        }
        let says = format!("dokku letsencrypt:set {app} email {email}");
        Ok(State::Missing(vec![Change::new(says, move |host| {
            letsencrypt::set_email(host, &app, &email)
        })]))
    }
}

/// The app has a certificate for its domain, and a fresh one. That it is refused stops nothing else:
/// the server stays reachable on port 80 meanwhile.
#[derive(Debug)]
pub struct Certificate {
    wish: Wish,
    who: Who,
    together: bool,
    refused: Arc<Mutex<Option<String>>>,
}

impl Certificate {
    /// For one of the homeserver's apps. Only newer versions of dokku-letsencrypt request two
    /// certificates at a time (`together`) without getting into each other's way.
    pub fn new(wish: Wish, who: Who, together: bool) -> Self {
        Self { wish, who, together, refused: Arc::default() }
    }
}

impl Step for Certificate {
    fn id(&self) -> StepId {
        (self.who.name(), "certificate")
    }

    fn needs(&self) -> Vec<StepId> {
        let name = self.who.name();
        let mut needs = vec![(name, "email"), (name, "deployed"), (name, "built"), (name, "ready")];
        if self.who == Who::Element && !self.together {
            needs.push(("matrix", "certificate"));
        }
        needs
    }

    fn title(&self) -> String {
        format!("Requesting a certificate for {}", self.who.domain(&self.wish))
    }

    fn check(&self, host: &Host) -> Result<State> {
        let app = self.who.app(&self.wish).clone();
        if let Some(why) = &*self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            let domain = self.who.domain(&self.wish);
            return Ok(State::Attention(format!(
                "No certificate for {domain}: {why}\nIt must resolve to this host, and port 80 must be reachable. Then: dokku matrix:deploy {}",
                self.wish.app
            )));
        }
        let domain = self.who.domain(&self.wish).clone();
        if letsencrypt::active(host, &app).option()? == Some(true)
            && covers(host, &app, domain.as_str())?
            && !letsencrypt::expired(host, &app)?
        {
            return Ok(State::Holds);
        }
        let refused = self.refused.clone();
        let says = format!("dokku letsencrypt:enable {app}");
        Ok(State::Missing(vec![Change::new(says, move |host| {
            let ran = letsencrypt::enable(host, &app)?;
            if ran.code != 0 {
                let tail = ran.lines.len().saturating_sub(12);
                let lines = ran.lines[tail..]
                    .iter()
                    .map(|line| format!("  | {}", host.scrubber().scrub(line)));
                let text = std::iter::once(format!("letsencrypt:enable {app} failed")).chain(lines);
                *refused.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(text.collect::<Vec<_>>().join("\n"));
            }
            Ok(())
        })]))
    }
}

/// Whether the certificate that dokku-letsencrypt has for an app is for this domain too. It takes
/// only one that it has under the name of a domain of the app: a single one it need not be asked
/// about.
fn covers(host: &Host, app: &AppName, domain: &str) -> Result<bool> {
    if domains::of(host, app).option()?.is_some_and(|all| all == [domain]) {
        return Ok(true);
    }
    Ok(nginx::certificate_names(host, app)?.iter().any(|name| name == domain))
}

/// Certificates are renewed by themselves, for the whole host.
#[derive(Debug)]
pub struct Renewal(pub Wish);

impl Step for Renewal {
    fn id(&self) -> StepId {
        ("host", "renewal")
    }

    fn needs(&self) -> Vec<StepId> {
        // The crontab is every app's: nothing of ours deploys meanwhile.
        vec![("matrix", "certificate"), ("element", "certificate")]
    }

    fn title(&self) -> String {
        "Adding the letsencrypt cron job".to_owned()
    }

    fn check(&self, host: &Host) -> Result<State> {
        if letsencrypt::autorenews(host, &self.0.app)? {
            return Ok(State::Holds);
        }
        Ok(State::Missing(vec![Change::new("dokku letsencrypt:cron-job --add", |host| {
            let _lock = crate::host::lock::shared(&crate::server::host_lock(host.env()))?;
            letsencrypt::add_cron_job(host)
        })]))
    }
}
