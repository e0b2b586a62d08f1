//! No two homeservers share a server name or a service, no two apps a domain.

use crate::{
    component::{Component, Homeserver, Role, identity},
    dokku::domains,
    error::{Create, Error, Result},
    host::Host,
    state::Spec,
};

pub(super) fn check(host: &Host, desired: &Homeserver) -> Result<()> {
    server_name(host, desired)?;
    port(host, &desired.spec)?;
    beside(desired)?;
    for component in &desired.components {
        domain(host, component)?;
    }
    service(host, desired)
}

/// Whether that homeserver still has its app.
fn has_app(host: &Host, desired: &Homeserver, spec: &Spec) -> Result<bool> {
    identity::is(host, &spec.app, desired.main().kind.name, &spec.server_name)
}

fn server_name(host: &Host, desired: &Homeserver) -> Result<()> {
    let spec = &desired.spec;
    let recorded = Spec::read(host.env(), &spec.server_name)?;
    let Some(recorded) = recorded.filter(|recorded| recorded.app != spec.app) else {
        return Ok(());
    };
    let kind = desired.main().kind.name;
    match identity::current_app(host, desired.catalog, &recorded, kind)? {
        Some(other) if other != spec.app => Err(Error::new(format!(
            "the server name {} is that of the app {other}",
            spec.server_name
        ))
        .hint(format!("dokku matrix:report {other}"))),
        _ => Ok(()),
    }
}

/// Other servers reach the port in the server name. What was recorded without that goes on: the name
/// cannot be changed any more.
fn port(host: &Host, spec: &Spec) -> Result<()> {
    let recorded = Spec::read(host.env(), &spec.server_name)?;
    let Some(port) = spec.server_name.port().filter(|_| !spec.serves_its_port()) else {
        return Ok(());
    };
    if recorded.is_some_and(|recorded| !recorded.serves_its_port()) {
        return Ok(());
    }
    let (app, name) = (&spec.app, &spec.server_name);
    let error = Error::usage(format!(
        "{app} would not be served on port {port}, which the server name {name} requires"
    ))
    .hint("Other servers connect to exactly this port, and the name can never be changed.");
    Err(if port == 8448 {
        error.hint_create("Serve on it: ", Create::app(app).typed("--8448", None))
    } else {
        let host = name.host();
        error
            .hint("Use port 8448, or a server name without a port:")
            .hint_create("  ", Create::app(app).with("--server-name", host))
    })
}

/// A component beside the homeserver has an app and a domain of its own.
fn beside(desired: &Homeserver) -> Result<()> {
    for (place, component) in desired.components.iter().enumerate() {
        let title = component.kind.title;
        for other in &desired.components[..place] {
            let whose = match other.kind.role {
                Role::Homeserver => "the homeserver's own".to_owned(),
                Role::Optional => format!("{}'s", other.kind.title),
            };
            if component.app == other.app {
                return Err(Error::usage(format!("{title} must not be in {whose} app"))
                    .hint("Name another app."));
            }
            if component.domain == other.domain {
                return Err(Error::usage(format!("{title} must not have {whose} domain"))
                    .hint("A page of one could read the other; name another domain."));
            }
        }
    }
    Ok(())
}

fn domain(host: &Host, component: &Component) -> Result<()> {
    let (app, domain) = (&component.app, &component.domain);
    let owners = domains::owners(host, domain.as_str())?;
    match owners.iter().find(|owner| *owner != app.as_str()) {
        None => Ok(()),
        Some(other) => Err(Error::new(format!("the domain {domain} is used by the app {other}"))
            .hint(format!(
                "Name another one with --domain, or free it: dokku domains:remove {other} {domain}"
            ))),
    }
}

fn service(host: &Host, desired: &Homeserver) -> Result<()> {
    let spec = &desired.spec;
    let recorded = Spec::read(host.env(), &spec.server_name)?;
    let is_ours = recorded.is_some_and(|recorded| recorded.service == spec.service);
    for (_, other) in Spec::all(host.env())? {
        let other = match other {
            // Its service is not known, but it is not the one that is ours already.
            Err(_) if is_ours => continue,
            other => other?,
        };
        // Where that homeserver still has its app, the service's links tell.
        if other.server_name != spec.server_name
            && other.service == spec.service
            && !has_app(host, desired, &other)?
        {
            return Err(Error::new(format!(
                "the postgres service {} holds the database of the server {}",
                spec.service, other.server_name
            ))
            .hint("To restore that server:")
            .hint_create("  ", Create::app(&spec.app).with("--server-name", &other.server_name))
            .hint("For a new one, name another service:")
            .hint_create("  ", Create::app(&spec.app).with("--service", "<name>")));
        }
    }
    Ok(())
}
