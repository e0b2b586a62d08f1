//! Delegation: the well-known files of a server name that another app of this host owns.

use super::{Wish, nginx::Locations};
use crate::{
    dokku::{domains, nginx as words},
    error::Result,
    host::{
        Host, files,
        net::{self, Request, Via},
    },
    names::{AppName, ServerName},
    nginx::{
        install,
        locations::{self, WellKnown},
    },
    plan::{Change, State, Step, StepId},
    server::Tls,
};
use std::sync::{Arc, Mutex, PoisonError};

/// The file in the sibling's `nginx.conf.d`.
const FILE: &str = "matrix-well-known.conf";

/// `https://<server name>/.well-known/matrix/` points to the homeserver.
#[derive(Debug)]
pub struct Sibling {
    wish: Wish,
    refused: Arc<Mutex<Option<String>>>,
}

impl Sibling {
    /// For this homeserver.
    pub fn new(wish: Wish) -> Self {
        Self { wish, refused: Arc::default() }
    }

    fn text(&self) -> String {
        let (base_url, server) = Locations::well_known(&self.wish);
        let support = self.wish.support.as_ref();
        let known = WellKnown { base_url: &base_url, server: &server, support };
        format!("{}{}", stamp(&self.wish.server_name), locations::sibling(&known))
    }

    /// The app of this host that owns the server name, if it can serve https.
    fn app(&self, host: &Host) -> Result<Option<AppName>> {
        for owner in domains::owners(host, self.wish.server_name.host())? {
            let Ok(app) = owner.parse::<AppName>() else { continue };
            if app != self.wish.app && words::has_certificate(host, &app).option()? == Some(true) {
                return Ok(Some(app));
            }
        }
        Ok(None)
    }

    /// Whether the server name's own host answers as it should, whoever serves it.
    fn is_served(&self, host: &Host, via: Via) -> bool {
        let ask = |file: &str| {
            let name = self.wish.server_name.host();
            let url = format!("https://{name}/.well-known/matrix/{file}");
            net::ask(host, &Request::get(&url, via)).map(|reply| reply.json()).unwrap_or_default()
        };
        let (base_url, server) = Locations::well_known(&self.wish);
        // Clients take the address with a slash at its end, too.
        let is_ours = |url: &str| url.trim_end_matches('/') == base_url;
        ask("server")["m.server"] == server.as_str()
            && ask("client")["m.homeserver"]["base_url"].as_str().is_some_and(is_ours)
    }

    fn what_to_serve(&self) -> String {
        let name = self.wish.server_name.host();
        let (base_url, server) = Locations::well_known(&self.wish);
        format!(
            "{name} must serve these two files over https, so that others find {}:\n\
             https://{name}/.well-known/matrix/server\n  {{\"m.server\": \"{server}\"}}\n\
             https://{name}/.well-known/matrix/client (with the header Access-Control-Allow-Origin: *)\n  \
             {{\"m.homeserver\": {{\"base_url\": \"{base_url}\"}}}}",
            self.wish.server_name
        )
    }
}

/// The line by which a file is known to be of this server.
fn stamp(name: &ServerName) -> String {
    format!("# For the Matrix server {name}.\n")
}

/// The apps that serve well-known files for a server although they should not.
fn stale(host: &Host, name: &ServerName, wanted: Option<&AppName>) -> Result<Vec<String>> {
    let mut stale = vec![];
    let names = files::list(&host.env().dokku_root())?;
    // What is no app's need not be ours to read: `lost+found`, `.ssh`.
    for app in names.into_iter().filter(|name| name.parse::<AppName>().is_ok()) {
        let text = install::served(host, &app, FILE)?;
        let ours = text.is_some_and(|text| text.starts_with(&stamp(name)));
        if ours && wanted.is_none_or(|wanted| wanted.as_str() != app) {
            stale.push(app);
        }
    }
    Ok(stale)
}

/// Takes the well-known files of a server out of every app; names each app with what came of it.
/// One that fails is no reason to leave the others undone.
pub fn withdraw(host: &Host, name: &ServerName) -> Result<Vec<(String, Result<()>)>> {
    let removed = |app: String| {
        let result = install::remove(host, &app, FILE);
        (app, result)
    };
    Ok(stale(host, name, None)?.into_iter().map(removed).collect())
}

impl Step for Sibling {
    fn id(&self) -> StepId {
        ("host", "sibling")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![
            ("matrix", "ready"),
            ("matrix", "certificate"),
            ("host", "renewal"),
            ("host", "firewall"),
        ]
    }

    fn title(&self) -> String {
        format!("Serving the well-known files of {}", self.wish.server_name)
    }

    fn check(&self, host: &Host) -> Result<State> {
        if let Some(why) = &*self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(State::Attention(format!("{why}\n{}", self.what_to_serve())));
        }
        let wanted =
            self.wish.delegated() && !self.wish.server_name.has_port() && self.wish.tls != Tls::Off;
        let app = if wanted { self.app(host)? } else { None };
        let mut changes = vec![];
        for stale in stale(host, &self.wish.server_name, app.as_ref())? {
            let says = format!("remove {FILE} from {stale}");
            changes.push(Change::new(says, move |host| install::remove(host, &stale, FILE)));
        }
        let Some(app) = app else {
            let missing = changes.is_empty() && wanted && !self.is_served(host, Via::Dns);
            return Ok(if missing {
                State::Attention(self.what_to_serve())
            } else {
                State::of(changes)
            });
        };
        // An app that has such locations of its own, with the right answers, is left as it is.
        let file = install::path(host, app.as_str(), FILE);
        if files::stat(&file)?.is_none() && self.is_served(host, words::via(host, &app)?) {
            return Ok(State::of(changes));
        }
        let text = self.text();
        if install::missing(host, app.as_str(), FILE, &text)?.is_some()
            || !install::is_built(host, app.as_str(), FILE)?
        {
            let refused = self.refused.clone();
            let says = format!("write {FILE} for {app}, and nginx -t");
            changes.push(Change::new(says, move |host| {
                match install::put(host, app.as_str(), FILE, &text) {
                    Ok(()) => words::build(host, app.as_str()),
                    Err(error) => {
                        *refused.lock().unwrap_or_else(PoisonError::into_inner) =
                            Some(error.lines().join("\n"));
                        Ok(())
                    }
                }
            }));
        }
        Ok(State::of(changes))
    }
}
