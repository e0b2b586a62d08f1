//! What is desired: what the flags say, else what is recorded, else the defaults.

use super::{Args, Requested};
use crate::{
    cmd::session::{Session, is_a_clone},
    component::{
        Kind, Role,
        identity::{self, Identity},
    },
    dokku::{apps, domains},
    error::{Create, Error, Result},
    host::Host,
    names::{AppName, Domain, ImageRef, ServerName},
    state::{ComponentSpec, Federation, Spec, Support, Tls},
    steps::database,
};
use std::collections::BTreeMap;

/// How long Synapse may take to become ready, in seconds.
const TIMEOUT: u32 = 300;

/// The server name: the app's own, or the given one, or the domain. So a destroyed app that is
/// created again, under whatever name, takes up its own data. Also gives why it is that one.
pub(super) fn server_name(session: &Session, args: &Args) -> Result<(ServerName, String)> {
    let app = &args.app;
    apps::must_not_be_hidden(&session.host, app)?;
    let (name, why) = match identity::of(&session.host, session.catalog, app.as_str())? {
        Identity::Component { kind, server }
        | Identity::Renamed { kind, server, .. }
        | Identity::Gone { kind, server } => {
            let kind = session.kind(&kind)?;
            if kind.role != Role::Homeserver {
                return Err(Error::new(format!(
                    "{app} runs {} of the homeserver {server}",
                    kind.title
                ))
                .hint_create("Name another app: ", Create::app("<app>")));
            }
            (server, format!("as {app} says"))
        }
        Identity::Clone => return Err(is_a_clone(app)),
        // Whether it can be taken over is for the preflight to say.
        Identity::Stranger | Identity::Replaced { .. } => first_name(session, args)?,
    };
    match args.server_name.as_ref().filter(|other| **other != name) {
        None => Ok((name, why)),
        Some(other) => Err(Error::usage(format!(
            "the server name of {app} is {name} and cannot become {other}"
        ))
        .hint("All its users, rooms, and keys carry the name. For another name create another app:")
        .hint_create("", Create::app("<app>").with("--server-name", other))),
    }
}

/// The server name of a new homeserver, and why it is that one.
fn first_name(session: &Session, args: &Args) -> Result<(ServerName, String)> {
    let app = &args.app;
    if let Some(name) = &args.server_name {
        return Ok((name.clone(), "as --server-name says".to_owned()));
    }
    let name = domain(&session.host, args, None)?.server_name();
    let why = if args.domain.is_some() {
        "as --domain says".to_owned()
    } else if app.as_str().contains('.') {
        "as the app is called".to_owned()
    } else {
        format!("the domain that Dokku gives {app}")
    };
    Ok((name, format!("{why} (another one: --server-name NAME)")))
}

pub(super) fn spec(
    session: &Session,
    args: &Args,
    requested: &Requested,
    server_name: ServerName,
    recorded: Option<&Spec>,
) -> Result<Spec> {
    let host = &session.host;
    let domain = domain(host, args, recorded)?;
    let service = match (&args.service, recorded) {
        (Some(service), _) => service.clone(),
        (None, Some(spec)) => spec.service.clone(),
        (None, None) => args.app.service()?,
    };
    if let Some(spec) = recorded.filter(|spec| spec.service != service)
        && database::is_in_use(host, spec)?
    {
        return Err(Error::usage(format!(
            "the database of {server_name} is in the postgres service {}",
            spec.service
        ))
        .hint("Another service would be an empty server. Leave --service out."));
    }
    let image = args.image.clone().or_else(|| recorded.map(|spec| spec.image.clone()));
    let port_8448 = match (args.with_8448, args.no_8448) {
        (true, _) => true,
        (_, true) => false,
        _ => recorded.is_none_or(|spec| spec.port_8448),
    };
    let email = args.email.clone().or_else(|| recorded?.email.clone());
    let tls = args.tls.or(recorded.map(|spec| spec.tls)).unwrap_or(Tls::Letsencrypt);
    // Nobody federates without TLS, unless something in front of this host ends it.
    let default = if tls == Tls::Off { Federation::Off } else { Federation::Open };
    let federation = args.federation.clone().or_else(|| Some(recorded?.federation.clone()));
    Ok(Spec {
        image: image.map_or_else(|| session.catalog.homeserver().default_image(), Ok)?,
        tls,
        federation: federation.unwrap_or(default),
        email: email.filter(|_| !args.no_email),
        timeout: args.timeout.or(recorded.map(|spec| spec.timeout)).unwrap_or(TIMEOUT),
        support: support(args, recorded),
        components: components(session, args, requested, recorded)?,
        app: args.app.clone(),
        server_name,
        domain,
        service,
        port_8448,
    })
}

fn support(args: &Args, recorded: Option<&Spec>) -> Option<Support> {
    if args.no_support {
        return None;
    }
    let old = recorded.and_then(|spec| spec.support.clone()).unwrap_or_default();
    let new = Support {
        email: args.support_email.clone().or(old.email),
        mxid: args.support_mxid.clone().or(old.mxid),
        page: args.support_page.clone().or(old.page),
    };
    (new != Support::default()).then_some(new)
}

/// The recorded components, and those that were asked for.
fn components(
    session: &Session,
    args: &Args,
    requested: &Requested,
    recorded: Option<&Spec>,
) -> Result<BTreeMap<String, ComponentSpec>> {
    let mut components = recorded.map(|spec| spec.components.clone()).unwrap_or_default();
    for (name, app) in &requested.0 {
        let kind = session.kind(name)?;
        match components.get(*name) {
            Some(there) if there.app == *app || app.as_str() == kind.default_app => {}
            Some(there) => {
                let title = kind.title;
                return Err(Error::usage(format!("{title} is in the app {} already", there.app))
                    .hint(format!("dokku matrix:disable-{name} {}", args.app)));
            }
            None => {
                let new = new_component(&session.host, kind, app, None, None)?;
                components.insert((*name).to_owned(), new);
            }
        }
    }
    Ok(components)
}

/// A component in an app, with defaults for what is not given.
pub(in crate::cmd) fn new_component(
    host: &Host,
    kind: &Kind,
    app: &AppName,
    domain: Option<Domain>,
    image: Option<ImageRef>,
) -> Result<ComponentSpec> {
    let domain = match domain {
        Some(domain) => domain,
        None => dokkus_own(host, app)?.ok_or_else(|| {
            let name = kind.name;
            no_domain(app).hint(format!(
                "dokku matrix:enable-{name} <homeserver> --app {app} --domain {app}.example.org"
            ))
        })?,
    };
    let created = !apps::exists(host, app)?;
    let image = image.map_or_else(|| kind.default_image(), Ok)?;
    Ok(ComponentSpec { app: app.clone(), domain, image, created })
}

fn domain(host: &Host, args: &Args, recorded: Option<&Spec>) -> Result<Domain> {
    if let Some(domain) = args.domain.as_ref().or(recorded.map(|spec| &spec.domain)) {
        return Ok(domain.clone());
    }
    dokkus_own(host, &args.app)?.ok_or_else(|| {
        no_domain(&args.app)
            .hint_create("", Create::app(&args.app).with("--domain", "matrix.example.org"))
            .hint("or, for all apps: dokku domains:set-global example.org")
    })
}

fn no_domain(app: &AppName) -> Error {
    Error::usage(format!("{app} has no domain, for this host has no global one"))
}

/// The domain that Dokku gives an app by itself.
fn dokkus_own(host: &Host, app: &AppName) -> Result<Option<Domain>> {
    if app.as_str().contains('.') {
        return app.as_str().parse().map(Some);
    }
    let Some(global) = domains::global(host)?.into_iter().next() else { return Ok(None) };
    format!("{app}.{global}").parse().map(Some)
}
