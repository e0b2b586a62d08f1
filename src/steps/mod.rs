//! What must be true: one file for each family of steps, and the lists that commands share.
//!
//! A step reads and tells; it never destroys data to converge, and never asks the user.

pub mod app;
pub mod certificate;
pub mod config;
pub mod container;
pub mod database;
pub mod deploy;
pub mod firewall;
pub mod lives;
mod named;
pub mod nginx;
pub mod preflight;
pub mod ready;
pub mod self_check;
pub mod sibling;
pub mod storage;

use crate::{
    element,
    host::Host,
    marker::Marker,
    names::{AppName, Domain, ImageRef},
    plan::Step,
    server::{Server, Tls},
    synapse,
};
use std::sync::Arc;

/// What a homeserver is wished to be, shared by the steps.
pub type Wish = Arc<Server>;

/// Which of the two apps a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The homeserver's own app.
    Synapse,
    /// Element Web's app.
    Element,
}

impl Who {
    /// The first half of its steps' names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Synapse => "matrix",
            Self::Element => "element",
        }
    }

    /// Its app.
    pub fn app(self, server: &Server) -> &AppName {
        match (self, &server.element) {
            (Self::Element, Some(element)) => &element.app,
            _ => &server.app,
        }
    }

    /// What its app is marked as.
    pub fn marker(self, server: &Server) -> Marker {
        match self {
            Self::Synapse => Marker::Synapse(server.server_name.clone()),
            Self::Element => Marker::Element(server.server_name.clone()),
        }
    }

    /// Its domain.
    pub fn domain(self, server: &Server) -> &Domain {
        match (self, &server.element) {
            (Self::Element, Some(element)) => &element.domain,
            _ => &server.domain,
        }
    }

    /// Its image.
    pub fn image(self, server: &Server) -> &ImageRef {
        match (self, &server.element) {
            (Self::Element, Some(element)) => &element.image,
            _ => &server.image,
        }
    }

    /// The port that its container listens on.
    pub fn inside_port(self) -> u16 {
        match self {
            Self::Synapse => synapse::config::PORT,
            Self::Element => element::config::PORT,
        }
    }
}

/// A list of steps.
pub type Steps = Vec<Box<dyn Step>>;

/// How far to go, and what this host allows.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Whether the apps are to be deployed.
    pub deploy: bool,
    /// Whether two certificates may be requested at a time.
    pub certificates_together: bool,
}

/// All of a homeserver, Element Web included where it is wished.
///
/// `recorded` is what the intent's file says meanwhile: an image that is new is recorded only
/// when it has become ready.
pub fn everything(wish: &Wish, recorded: &Wish, how: How) -> Steps {
    let mut steps = prepare(wish, recorded);
    if wish.element.is_some() {
        steps.extend(element(wish));
    }
    if how.deploy {
        steps.extend(run(wish, Who::Synapse, how));
        steps.push(Box::new(ready::Ready(wish.clone())));
        if recorded != wish {
            steps.push(Box::new(storage::Intent::at_the_end(wish.clone(), Who::Synapse)));
        }
        if wish.element.is_some() {
            steps.extend(run(wish, Who::Element, how));
        }
        steps.extend(finish(wish));
    }
    steps
}

/// What to type to go on, or to go back to the image that was recorded before.
pub fn again(host: &Host, wish: &Server) -> String {
    let app = &wish.app;
    let other = |old: &Server, who: Who| who.image(old) != who.image(wish);
    let (command, image) = match Server::read(host.env(), &wish.server_name) {
        Ok(Some(old)) if other(&old, Who::Synapse) => ("deploy", Who::Synapse.image(wish)),
        Ok(Some(old)) if other(&old, Who::Element) => ("enable-element", Who::Element.image(wish)),
        _ => return format!("To go on: dokku matrix:deploy {app}"),
    };
    format!(
        "To go on: dokku matrix:{command} {app} --image {image}. The way back: dokku matrix:deploy {app}"
    )
}

fn prepare(wish: &Wish, recorded: &Wish) -> Steps {
    let who = Who::Synapse;
    vec![
        Box::new(storage::Intent::at_the_start(recorded.clone())),
        Box::new(storage::Folders(wish.clone())),
        Box::new(firewall::Default8448(wish.clone())),
        Box::new(nginx::Template::new(wish.clone())),
        Box::new(app::App(wish.clone(), who)),
        Box::new(app::Domains(wish.clone(), who)),
        Box::new(app::Ports(wish.clone(), who)),
        Box::new(nginx::Properties(wish.clone())),
        Box::new(nginx::Locations(wish.clone(), who)),
        Box::new(storage::Secrets(wish.clone())),
        Box::new(database::Service(wish.clone())),
        Box::new(deploy::Image(wish.clone(), who)),
        Box::new(database::Link(wish.clone())),
        Box::new(config::Config(wish.clone())),
        Box::new(config::Judged(wish.clone())),
        Box::new(container::Mounts(wish.clone(), who)),
        Box::new(container::User(wish.clone())),
        Box::new(container::Environment(wish.clone(), who)),
        Box::new(container::OneMain(wish.clone())),
    ]
}

fn element(wish: &Wish) -> Steps {
    let who = Who::Element;
    let steps: Steps = vec![
        Box::new(deploy::Image(wish.clone(), who)),
        Box::new(config::ElementConfig(wish.clone())),
        Box::new(app::App(wish.clone(), who)),
        Box::new(app::Domains(wish.clone(), who)),
        Box::new(app::Ports(wish.clone(), who)),
        Box::new(nginx::Locations(wish.clone(), who)),
        Box::new(container::Mounts(wish.clone(), who)),
        Box::new(container::Environment(wish.clone(), who)),
    ];
    named::all(wish, who, steps)
}

fn run(wish: &Wish, who: Who, how: How) -> Steps {
    let mut steps: Steps = vec![
        Box::new(deploy::Deployed(wish.clone(), who)),
        Box::new(nginx::Built(wish.clone(), who)),
    ];
    if wish.tls == Tls::Letsencrypt {
        steps.push(Box::new(certificate::Email(wish.clone(), who)));
        steps.push(Box::new(certificate::Certificate::new(
            wish.clone(),
            who,
            how.certificates_together,
        )));
    }
    named::all(wish, who, steps)
}

fn finish(wish: &Wish) -> Steps {
    let mut steps: Steps = vec![
        Box::new(firewall::Successor::new(wish.clone())),
        Box::new(firewall::Firewall::new(wish.clone())),
    ];
    if wish.tls == Tls::Letsencrypt {
        steps.push(Box::new(certificate::Renewal(wish.clone())));
    }
    steps.push(Box::new(sibling::Sibling::new(wish.clone())));
    steps.push(Box::new(self_check::SelfCheck(wish.clone())));
    steps
}

/// What a rename of an app loses, put back.
pub fn renamed(wish: &Wish, who: Who, how: How) -> Steps {
    let mut steps: Steps = vec![
        Box::new(app::Domains(wish.clone(), who)),
        Box::new(app::Ports(wish.clone(), who)),
        Box::new(nginx::Locations(wish.clone(), who)),
    ];
    if who == Who::Synapse {
        steps.push(Box::new(container::OneMain(wish.clone())));
    }
    if wish.tls == Tls::Letsencrypt {
        steps.push(Box::new(certificate::Email(wish.clone(), who)));
        steps.push(Box::new(certificate::Certificate::new(
            wish.clone(),
            who,
            how.certificates_together,
        )));
    }
    steps
}

/// Element Web alone, of a homeserver that is there; `recorded` as for all of it.
pub fn element_only(wish: &Wish, recorded: &Wish, how: How) -> Steps {
    let mut steps: Steps = vec![
        Box::new(storage::Intent::after(recorded.clone(), (Who::Element.name(), "image"))),
        Box::new(storage::Folders(wish.clone())),
    ];
    steps.extend(element(wish));
    steps.extend(run(wish, Who::Element, how));
    if recorded != wish {
        steps.push(Box::new(storage::Intent::at_the_end(wish.clone(), Who::Element)));
    }
    steps.push(Box::new(self_check::SelfCheck(wish.clone())));
    steps
}
