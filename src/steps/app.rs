//! The app itself: that it is there, its domain, its ports.

use super::{Who, Wish};
use crate::{
    dokku::{apps, domains},
    error::Result,
    host::Host,
    marker,
    plan::{Change, State, Step, StepId},
    server::{Server, Tls},
};

/// The app exists.
#[derive(Debug)]
pub struct App(pub Wish, pub Who);

impl Step for App {
    fn id(&self) -> StepId {
        (self.1.name(), "app")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("matrix", "intent"), (self.1.name(), "template")]
    }

    fn title(&self) -> String {
        format!("Creating app {}", self.1.app(&self.0))
    }

    fn check(&self, host: &Host) -> Result<State> {
        let app = self.1.app(&self.0).clone();
        let marker = self.1.marker(&self.0);
        let ours = marker::read(host.env(), app.as_str())?.as_ref() == Some(&marker);
        let (wish, who) = (self.0.clone(), self.1);
        Ok(State::of(match (apps::exists(host, &app)?, ours) {
            (true, true) => vec![],
            (true, false) => vec![Change::new(format!("mark {app} as ours"), move |host| {
                taken_over(host, &wish, who)?;
                marker::write(host, app.as_str(), &marker)
            })],
            (false, _) => vec![Change::new(format!("dokku apps:create {app}"), move |host| {
                // Marked just before: what a run that is killed leaves is known to be ours.
                marker::write(host, app.as_str(), &marker)?;
                apps::create(host, &app).or_else(|error| {
                    marker::remove(host, app.as_str())?;
                    Err(error)
                })
            })],
        }))
    }
}

/// An app that was there before was not made by us, and is given back one day.
fn taken_over(host: &Host, wish: &Wish, who: Who) -> Result<()> {
    let Some(mut server) = Server::read(host.env(), &wish.server_name)? else { return Ok(()) };
    match &mut server.element {
        Some(element) if who == Who::Element && element.created => element.created = false,
        _ => return Ok(()),
    }
    server.write(host)
}

/// The app answers to its domain; others beside it are the administrator's.
#[derive(Debug)]
pub struct Domains(pub Wish, pub Who);

impl Step for Domains {
    fn id(&self) -> StepId {
        (self.1.name(), "domains")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![(self.1.name(), "app")]
    }

    fn title(&self) -> String {
        format!("Setting domain {} for {}", self.1.domain(&self.0), self.1.app(&self.0))
    }

    fn check(&self, host: &Host) -> Result<State> {
        let (app, domain) = (self.1.app(&self.0).clone(), self.1.domain(&self.0).clone());
        let now = domains::of(host, &app).option()?;
        let fresh = now.is_none();
        let now = now.unwrap_or_default();
        if now.iter().any(|one| one == domain.as_str()) && !fresh {
            return Ok(State::Holds);
        }
        // A single name that Dokku gave by itself is replaced; what was added by hand stays, and so
        // does the server name, under which others look for us.
        let given = match now.as_slice() {
            [] => true,
            [one] if one == self.0.server_name.host() => false,
            [one] => given_by_dokku(host, app.as_str(), one)?,
            _ => false,
        };
        let word = if given { "set" } else { "add" };
        let says = format!("dokku domains:{word} {app} {domain}");
        Ok(State::Missing(vec![Change::new(says, move |host| {
            if given {
                domains::set(host, &app, &domain)
            } else {
                domains::add(host, &app, &domain)
            }
        })]))
    }
}

fn given_by_dokku(host: &Host, app: &str, domain: &str) -> Result<bool> {
    let globals = domains::global(host)?;
    Ok(domain == app || globals.iter().any(|global| domain == format!("{app}.{global}")))
}

/// A rename takes the domain that Dokku gave under the old name away. Where that is the server
/// name, and the homeserver is elsewhere by now, others still look for it there.
pub fn keep_server_name(host: &Host, server: &Server, old_app: &str) -> Result<()> {
    let name = server.server_name.host();
    if !server.delegated()
        || server.server_name.has_port()
        || !given_by_dokku(host, old_app, name)?
        || !domains::owners(host, name)?.is_empty()
    {
        return Ok(());
    }
    domains::add(host, &server.app, &name.parse()?)
}

/// The port map is ours, exactly.
#[derive(Debug)]
pub struct Ports(pub Wish, pub Who);

impl Ports {
    fn map(&self) -> Vec<String> {
        let inside = self.1.inside_port();
        let mut map = vec![format!("http:80:{inside}")];
        if self.0.tls != Tls::Off {
            map.push(format!("https:443:{inside}"));
            if self.1 == Who::Synapse && self.0.port_8448 {
                map.push(format!("https:8448:{inside}"));
            }
        }
        map
    }

    /// Whether the app has this very map.
    pub fn are_ours(&self, host: &Host) -> Result<bool> {
        let now = domains::ports(host, self.1.app(&self.0)).option()?;
        Ok(now.is_some_and(|now| now == self.map()))
    }
}

impl Step for Ports {
    fn id(&self) -> StepId {
        (self.1.name(), "ports")
    }

    fn needs(&self) -> Vec<StepId> {
        // After the domains: enabling an app's vhosts clears the map.
        vec![(self.1.name(), "domains")]
    }

    fn title(&self) -> String {
        format!("Mapping ports of {}", self.1.app(&self.0))
    }

    fn check(&self, host: &Host) -> Result<State> {
        let (app, map) = (self.1.app(&self.0).clone(), self.map());
        if self.are_ours(host)? {
            return Ok(State::Holds);
        }
        let says = format!("dokku ports:set {app} {}", map.join(" "));
        Ok(State::Missing(vec![Change::new(says, move |host| {
            domains::set_ports(host, &app, &map)
        })]))
    }
}
