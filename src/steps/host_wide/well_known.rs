//! Delegation: the well-known files of a server name whose domain another app of this host has.

use crate::{
    component::{CATALOG, identity},
    dokku::{domains, nginx},
    error::Result,
    host::{
        Host, files,
        net::{self, Via},
    },
    names::{AppName, ServerName},
    nginx::{
        install,
        locations::{self, WellKnown},
        served::{Extent, Served},
    },
    plan::{Change, Refusal, State, Step, StepId},
    state::{Settings, Spec, Tls},
    synapse::discovery,
};
use std::sync::Arc;

/// The file in the other app's `nginx.conf.d`.
const FILE: &str = "matrix-well-known.conf";

/// `https://<server name>/.well-known/matrix/` points to the homeserver.
#[derive(Debug)]
pub(super) struct WellKnownFiles {
    spec: Arc<Spec>,
    refusal: Refusal,
}

impl WellKnownFiles {
    pub(super) fn new(spec: &Arc<Spec>) -> Self {
        Self { spec: spec.clone(), refusal: Refusal::default() }
    }

    fn text(&self, settings: &Settings) -> String {
        let first = first_line(&self.spec.server_name);
        format!("{first}{}", locations::sibling(&WellKnown::of(&self.spec, settings)))
    }

    /// The app of this host that has the server name's domain, if it can serve https.
    fn owner(&self, host: &Host) -> Result<Option<AppName>> {
        for owner in domains::owners(host, self.spec.server_name.host())? {
            let Ok(app) = owner.parse::<AppName>() else { continue };
            if app != self.spec.app && nginx::has_certificate(host, &app).option()? == Some(true) {
                return Ok(Some(app));
            }
        }
        Ok(None)
    }

    /// Whether the server name's own host answers as it should, whoever serves it.
    fn is_served(&self, host: &Host, via: Via) -> bool {
        let ask = |file: &str| {
            let name = self.spec.server_name.host();
            let url = format!("https://{name}/.well-known/matrix/{file}");
            net::ask(host, &discovery::well_known_request(&url, via))
                .map(|reply| reply.json())
                .unwrap_or_default()
        };
        let (wanted, server) = (self.spec.base_url(), locations::server(&self.spec));
        // Clients accept the address with a slash at its end as well.
        let is_ours = |url: &str| url.trim_end_matches('/') == wanted;
        ask("server")["m.server"] == server
            && ask("client")["m.homeserver"]["base_url"].as_str().is_some_and(is_ours)
    }

    fn instructions(&self) -> String {
        let name = self.spec.server_name.host();
        let (base_url, server) = (self.spec.base_url(), locations::server(&self.spec));
        format!(
            "{name} must serve these two files over https, so that others find {}:\n\
             https://{name}/.well-known/matrix/server\n  {{\"m.server\": \"{server}\"}}\n\
             https://{name}/.well-known/matrix/client (with the header Access-Control-Allow-Origin: *)\n  \
             {{\"m.homeserver\": {{\"base_url\": \"{base_url}\"}}}}",
            self.spec.server_name
        )
    }
}

/// What nginx serves of these files.
fn served<'a>(spec: &'a Spec, app: &'a AppName) -> Served<'a> {
    Served { spec, what: "well-known", app, extent: Extent::File, file: FILE }
}

/// The line by which a file is known to be of this server.
fn first_line(name: &ServerName) -> String {
    format!("# For the Matrix server {name}.\n")
}

/// The other homeserver of this host whose well-known files an app serves. nginx has one location for
/// all domains of an app, so the app can serve those of one homeserver.
fn other_server(host: &Host, app: &AppName, name: &ServerName) -> Result<Option<ServerName>> {
    let text = install::installed_or_pending(host, app.as_str(), FILE)?.unwrap_or_default();
    for (other, spec) in Spec::all(host.env())? {
        if other != *name && text.starts_with(&first_line(&other)) {
            // What one needs that cannot be read is not known.
            let Ok(spec) = spec else { return Ok(Some(other)) };
            let kind = CATALOG.homeserver().name;
            let is_alive = identity::is(host, &spec.app, kind, &other)?;
            return Ok((is_alive && spec.is_delegated()).then_some(other));
        }
    }
    Ok(None)
}

/// The apps that serve well-known files for a server although they should not.
fn stale(host: &Host, name: &ServerName, wanted: Option<&AppName>) -> Result<Vec<String>> {
    let mut stale = vec![];
    let names = files::list(&host.env().dokku_root())?;
    // Other directories (`lost+found`, `.ssh`) need not be ours to read.
    for app in names.into_iter().filter(|name| name.parse::<AppName>().is_ok()) {
        let text = install::installed_or_pending(host, &app, FILE)?;
        let ours = text.is_some_and(|text| text.starts_with(&first_line(name)));
        if ours && wanted.is_none_or(|wanted| wanted.as_str() != app) {
            stale.push(app);
        }
    }
    Ok(stale)
}

/// Removes the well-known files of a server from every app, and tells of each app how that went:
/// one that fails does not keep the others.
pub fn withdraw(host: &Host, name: &ServerName) -> Result<Vec<(String, Result<()>)>> {
    let remove = |app: String| {
        let result = install::remove(host, &app, FILE);
        (app, result)
    };
    Ok(stale(host, name, None)?.into_iter().map(remove).collect())
}

impl Step for WellKnownFiles {
    fn id(&self) -> StepId {
        ("host", "well-known")
    }

    fn is_host_wide(&self) -> bool {
        true
    }

    fn title(&self) -> String {
        format!("Serving the well-known files of {}", self.spec.server_name)
    }

    fn check(&self, host: &Host) -> Result<State> {
        if let Some(why) = self.refusal.why() {
            return Ok(State::Attention(format!("{why}\n{}", self.instructions())));
        }
        let spec = &self.spec;
        let wanted = spec.is_delegated() && !spec.server_name.has_port() && spec.tls != Tls::Off;
        let owner = if wanted { self.owner(host)? } else { None };
        let mut changes = vec![];
        for stale in stale(host, &spec.server_name, owner.as_ref())? {
            let description = format!("remove {FILE} from {stale}");
            changes.push(Change::new(description, move |host| install::remove(host, &stale, FILE)));
        }
        let Some(app) = owner else {
            let missing = changes.is_empty() && wanted && !self.is_served(host, Via::Dns);
            return Ok(if missing {
                State::Attention(self.instructions())
            } else {
                State::of(changes)
            });
        };
        // An app that has such locations of its own, with the right answers, is left alone.
        let file = install::path(host, app.as_str(), FILE);
        if files::stat(&file)?.is_none() && self.is_served(host, nginx::via(host, &app)?) {
            return Ok(State::of(changes));
        }
        if let Some(other) = other_server(host, &app, &spec.server_name)? {
            return Ok(if changes.is_empty() {
                State::Attention(format!(
                    "{app} serves the well-known files of {other}, and can serve those of one homeserver only.\n{}",
                    self.instructions()
                ))
            } else {
                State::of(changes)
            });
        }
        let text = self.text(&Settings::recorded(host.env(), &spec.server_name)?);
        let is_built = served(spec, &app).is_built(host)? == Some(true);
        if install::change_to(host, app.as_str(), FILE, &text)?.is_some() || !is_built {
            let (spec, refusal) = (spec.clone(), self.refusal.clone());
            let description = format!("write {FILE} for {app}, and nginx -t");
            changes.push(Change::new(description, move |host| {
                let served = served(&spec, &app);
                // A file that is written, and not built yet, must not count as what was built.
                served.forget(host)?;
                match install::install(host, app.as_str(), FILE, &text) {
                    Ok(()) => served.build(host),
                    Err(error) => {
                        refusal.keep(error.lines().join("\n"));
                        Ok(())
                    }
                }
            }));
        }
        Ok(State::of(changes))
    }
}
