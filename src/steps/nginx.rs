//! nginx: the template and its proof, the properties, the locations that hold under any template.

use super::{Who, Wish, config::exactly, firewall};
use crate::{
    dokku::{nginx as words, ps},
    error::Result,
    host::{Host, files, secret::Secret},
    nginx::{self, install, locations::WellKnown, proof},
    plan::{Change, State, Step, StepId},
};
use std::sync::{Arc, Mutex, PoisonError};

/// The largest upload and the longest wait that clients of Matrix need.
const BODY_SIZE: (&str, u64) = ("50m", 50 << 20);
const READ_TIMEOUT: (&str, u64) = ("180s", 180);

/// The template is there and this host's sigil and nginx accept it; else Dokku's own serves.
#[derive(Debug)]
pub struct Template {
    wish: Wish,
    refused: Arc<Mutex<Option<String>>>,
}

impl Template {
    /// For this homeserver.
    pub fn new(wish: Wish) -> Self {
        Self { wish, refused: Arc::default() }
    }

    fn attention(&self, why: &str) -> State {
        State::Attention(format!(
            "This host refuses the nginx template, so Dokku's built-in one serves {}: {why}",
            self.wish.app
        ))
    }
}

impl Step for Template {
    fn id(&self) -> StepId {
        ("matrix", "template")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("matrix", "folders"), ("host", "default-8448")]
    }

    fn title(&self) -> String {
        format!("Proving the nginx template of {}", self.wish.app)
    }

    fn check(&self, host: &Host) -> Result<State> {
        if let Some(why) = &*self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(self.attention(why));
        }
        let places = self.wish.places(host.env());
        let ours = firewall::default_8448(host.env())?;
        let text = nginx::template(ours.as_ref() == Some(&self.wish.server_name));
        let write = exactly(places.template(), Secret::new(text.as_str()), files::PUBLIC)?;
        if write.is_none() {
            if proof::holds(host, &places)? {
                return Ok(State::Holds);
            }
            if let Some(why) = proof::refused(host, &self.wish)? {
                return Ok(self.attention(&why));
            }
        }
        let mut changes: Vec<_> = write.into_iter().collect();
        let wish = self.wish.clone();
        let refused = self.refused.clone();
        changes.push(Change::new("sigil and nginx -t, with every form of it", move |host| {
            if let Some(why) = proof::prove(host, &wish)? {
                *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
            }
            Ok(())
        }));
        Ok(State::Missing(changes))
    }
}

/// Large uploads and long polls pass; what the administrator raised stays.
#[derive(Debug)]
pub struct Properties(pub Wish);

impl Step for Properties {
    fn id(&self) -> StepId {
        ("matrix", "properties")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("matrix", "ports")]
    }

    fn title(&self) -> String {
        format!("Setting nginx properties of {}", self.0.app)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let now = words::properties(host, &self.0.app).or_absent(words::Properties::default())?;
        let mut changes = vec![];
        let mut at_least =
            |name: &'static str, now: Option<u64>, (text, least): (&'static str, u64)| {
                if now.is_none_or(|now| now != 0 && now < least) {
                    let app = self.0.app.clone();
                    let says = format!("dokku nginx:set {app} {name} {text}");
                    changes.push(Change::new(says, move |host| words::set(host, &app, name, text)));
                }
            };
        at_least("client-max-body-size", bytes(&now.body_size), BODY_SIZE);
        at_least("proxy-read-timeout", seconds(&now.read_timeout), READ_TIMEOUT);
        Ok(State::of(changes))
    }
}

/// nginx's words for a size; 0 means "without a limit".
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.trim_end_matches(['k', 'm', 'g']);
    let number: u64 = digits.parse().ok()?;
    let shift = match text.strip_prefix(digits)? {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// nginx's words for a time.
fn seconds(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match text.strip_prefix(digits)? {
        "" | "s" => Some(number),
        "ms" => Some(number / 1000),
        "m" => Some(number * 60),
        "h" => Some(number * 3600),
        _ => None,
    }
}

/// What must hold under any template: hidden paths, well-known answers, security headers.
#[derive(Debug)]
pub struct Locations(pub Wish, pub Who);

impl Locations {
    /// What the homeserver publishes about itself.
    pub fn well_known(wish: &Wish) -> (String, String) {
        (wish.base_url(), format!("{}:443", wish.domain))
    }
}

impl Step for Locations {
    fn id(&self) -> StepId {
        (self.1.name(), "locations")
    }

    fn needs(&self) -> Vec<StepId> {
        // The second is Synapse's alone: each app has one chain, for two calls of Dokku on one
        // app get into each other's way.
        vec![(self.1.name(), "ports"), (self.1.name(), "properties")]
    }

    fn title(&self) -> String {
        format!("Adding nginx locations to {}", self.1.app(&self.0))
    }

    fn check(&self, host: &Host) -> Result<State> {
        let text = match self.1 {
            Who::Element => nginx::locations::element(),
            Who::Synapse => {
                let (base_url, server) = Self::well_known(&self.0);
                let support = self.0.support.as_ref();
                nginx::locations::homeserver(&WellKnown {
                    base_url: &base_url,
                    server: &server,
                    support,
                })
            }
        };
        let app = self.1.app(&self.0).clone();
        install::missing(host, app.as_str(), "matrix.conf", &text)
            .map(|change| State::of(change.into_iter().collect()))
    }
}

/// Dokku has built the app's configuration since anything that goes into it changed.
#[derive(Debug)]
pub struct Built(pub Wish, pub Who);

impl Step for Built {
    fn id(&self) -> StepId {
        (self.1.name(), "built")
    }

    fn needs(&self) -> Vec<StepId> {
        // After the deploy, which builds it as well: then there is nothing left to do.
        vec![(self.1.name(), "deployed"), (self.1.name(), "ready")]
    }

    fn title(&self) -> String {
        format!("Building the nginx configuration of {}", self.1.app(&self.0))
    }

    fn check(&self, host: &Host) -> Result<State> {
        let env = host.env();
        let app = self.1.app(&self.0).to_string();
        let folder = env.dokku_root().join(&app);
        let places = self.0.places(env);
        let mut parts = vec![folder.join("nginx.conf.d/matrix.conf")];
        // The files themselves: Dokku writes a property in place.
        let properties = env.lib_root().join("config/nginx").join(&app);
        parts.extend(files::list(&properties)?.into_iter().map(|name| properties.join(name)));
        if self.1 == Who::Synapse {
            parts.extend([places.template(), places.proof()]);
        }
        let mut newest = 0;
        for part in parts {
            newest = newest.max(files::stat(&part)?.map_or(0, |stat| stat.changed));
        }
        let built = files::stat(&folder.join("nginx.conf"))?;
        if built.is_some_and(|stat| stat.changed >= newest) {
            return Ok(State::Holds);
        }
        // The deploy builds it.
        if ps::deployed(host, self.1.app(&self.0)).option()? != Some(true) {
            return Ok(State::NotYet((self.1.name(), "deployed")));
        }
        let says = format!("dokku proxy:build-config {app}");
        Ok(State::Missing(vec![Change::new(says, move |host| words::build(host, &app))]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        for (text, want) in [
            ("50m", Some(50 << 20)),
            ("1G", Some(1 << 30)),
            ("0", Some(0)),
            ("1024", Some(1024)),
            ("", None),
            ("m", None),
            ("x", None),
        ] {
            assert_eq!(bytes(text), want, "{text}");
        }
        for (text, want) in
            [("180s", Some(180)), ("3m", Some(180)), ("60", Some(60)), ("", None), ("5d", None)]
        {
            assert_eq!(seconds(text), want, "{text}");
        }
    }
}
