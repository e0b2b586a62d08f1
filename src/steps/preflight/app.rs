//! The app of a component is free, or never deployed, or ours.

use crate::{
    component::{
        Catalog, Component, LABEL, Role,
        identity::{self, Identity},
    },
    dokku::{apps, docker, letsencrypt, nginx, ps, version},
    error::{Create, Error, Result},
    host::Host,
    names::ImageRef,
    state::{Marker, Tls},
};

pub(super) fn check(host: &Host, catalog: Catalog, component: &Component) -> Result<()> {
    let app = &component.app;
    apps::must_not_be_hidden(host, app)?;
    let is_ours = match identity::of(host, catalog, app.as_str())? {
        Identity::Component { kind, server }
        | Identity::Renamed { kind, server, .. }
        | Identity::Gone { kind, server } => {
            if Marker::component(&kind, &server) != component.marker() {
                return Err(Error::new(format!("{app} is an app of the homeserver {server}"))
                    .hint("dokku matrix:list"));
            }
            true
        }
        Identity::Clone => {
            return Err(Error::new(format!("{app} is a clone of a homeserver's app"))
                .hint(format!("dokku apps:destroy {app}")));
        }
        Identity::Stranger | Identity::Replaced { .. } => false,
    };
    let exists = apps::exists(host, app)?;
    proxy_and_scheduler(host, component, exists)?;
    if exists {
        if !is_ours {
            is_free(host, component)?;
        }
        no_certificate_without_tls(host, component)?;
    }
    letsencrypt_email(host, component)
}

fn proxy_and_scheduler(host: &Host, component: &Component, exists: bool) -> Result<()> {
    let app = &component.app;
    let (proxy, scheduler) = if exists {
        (nginx::proxy(host, app), nginx::scheduler(host, app))
    } else {
        (nginx::global_proxy(host), nginx::global_scheduler(host))
    };
    let whose = if exists { app.as_str() } else { "--global" };
    let unknown = |what: &str| Error::new(format!("Dokku does not tell the {what} of {app}"));
    let proxy = proxy.required(|| unknown("proxy"))?;
    if proxy != "nginx" {
        return Err(Error::new(format!("the proxy of {app} is {proxy}; only nginx is supported"))
            .hint(format!("dokku proxy:set {whose} nginx")));
    }
    let scheduler = scheduler.required(|| unknown("scheduler"))?;
    if scheduler != "docker-local" {
        return Err(Error::new(format!(
            "the scheduler of {app} is {scheduler}; only docker-local is supported"
        ))
        .hint(format!("dokku scheduler:set {whose} selected docker-local")));
    }
    Ok(())
}

/// An app that is not marked is taken over, unless it serves something else.
fn is_free(host: &Host, component: &Component) -> Result<()> {
    let (app, server) = (&component.app, &component.spec.server_name);
    let label = identity::label(host, app.as_str())?;
    if let Some(other) = label.filter(|other| other != server.as_str()) {
        return Err(Error::new(format!("{app} is labelled as an app of the homeserver {other}"))
            .hint("If it is not any more:")
            .hint(format!(
                "  dokku docker-options:remove {app} deploy \"--label {LABEL}={other}\""
            )));
    }
    if ps::deployed(host, app).option()? == Some(true) && !was_given_back(host, component)? {
        let error = Error::new(format!(
            "{app} is an app that is deployed already, and not this homeserver's"
        ));
        let kind = component.kind.name;
        return Err(match component.kind.role {
            Role::Homeserver => error.hint_create("Name another app: ", Create::app("<app>")),
            Role::Optional => error.hint(format!(
                "Name another app: --{kind} <name>, or --app <name> of enable-{kind}"
            )),
        });
    }
    Ok(())
}

/// Whether it is an app that was given back, and that does not run.
fn was_given_back(host: &Host, component: &Component) -> Result<bool> {
    let app = &component.app;
    if component.kind.role != Role::Optional || docker::running(host, app).option()?.is_some() {
        return Ok(false);
    }
    let image = ps::source_image(host, app).option()?;
    let image = image.and_then(|image| image.parse::<ImageRef>().ok());
    Ok(image.is_some_and(|image| image.repository() == component.image.repository()))
}

/// With a certificate nginx sends everybody on to https.
fn no_certificate_without_tls(host: &Host, component: &Component) -> Result<()> {
    let app = &component.app;
    if component.spec.tls != Tls::Off || nginx::has_certificate(host, app).option()? != Some(true) {
        return Ok(());
    }
    let is_letsencrypts = version::plugin(host, "letsencrypt").option()?.is_some()
        && letsencrypt::active(host, app).option()? == Some(true);
    let command = if is_letsencrypts { "letsencrypt:disable" } else { "certs:remove" };
    Err(Error::new(format!("{app} has a certificate, so nginx sends everybody on to https"))
        .hint(format!("To go on without TLS: dokku {command} {app}")))
}

/// A certificate that is still to come needs an e-mail address: ours, the app's, or the host's.
fn letsencrypt_email(host: &Host, component: &Component) -> Result<()> {
    let (app, spec) = (&component.app, &component.spec);
    if spec.tls != Tls::Letsencrypt || spec.email.is_some() {
        return Ok(());
    }
    if letsencrypt::active(host, app).option()? == Some(true) {
        return Ok(());
    }
    let has_one = match letsencrypt::of(host, app).option()? {
        Some(report) => !report.computed_email.is_empty(),
        None => letsencrypt::global_email(host)?,
    };
    if has_one {
        return Ok(());
    }
    let create = Create::app(&spec.app);
    let error = Error::usage("letsencrypt needs an e-mail address")
        .hint_create("", create.clone().with("--email", "you@example.org"));
    Err(if letsencrypt::is_of_others(host, app)? {
        let keep = "To keep the certificate that it has: ";
        error.hint_create(keep, create.with("--tls", "provided"))
    } else {
        error
    })
}
