//! The app of a component is free, or never deployed, or ours.

use crate::{
    component::{Component, LABEL, Role},
    dokku::{apps, docker, letsencrypt, nginx, ps, storage, version},
    error::{Error, Result},
    host::Host,
    names::ImageRef,
    state::{Marker, Spec, Tls, marker},
    steps::{app::label_of, container},
};

pub(super) fn check(host: &Host, component: &Component) -> Result<()> {
    let app = &component.app;
    apps::must_not_be_hidden(host, app)?;
    let marked = match marker::read(host.env(), app.as_str())? {
        Some(Marker::Component { kind, server }) if component.is_marked_by(&kind, &server) => true,
        Some(Marker::Component { server, .. }) => {
            return Err(Error::new(format!("{app} is an app of the homeserver {server}"))
                .hint("dokku matrix:list"));
        }
        Some(Marker::Clone) => {
            return Err(Error::new(format!("{app} is a clone of a homeserver's app"))
                .hint(format!("dokku apps:destroy {app}")));
        }
        None => false,
    };
    let exists = apps::exists(host, app)?;
    proxy_and_scheduler(host, component, exists)?;
    if exists {
        if !marked {
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
    if let Some(other) = label_of(host, app)?.filter(|other| other != server.as_str()) {
        return Err(Error::new(format!("{app} is labelled as an app of the homeserver {other}"))
            .hint("If it is not any more:")
            .hint(format!(
                "  dokku docker-options:remove {app} deploy \"--label {LABEL}={other}\""
            )));
    }
    if ps::deployed(host, app).option()? == Some(true) && !was_ours(host, component)? {
        return Err(Error::new(format!(
            "{app} is an app that is deployed already, and not this homeserver's"
        ))
        .hint(match component.kind.role {
            Role::Homeserver => "Name another app: dokku matrix:create <app>".to_owned(),
            Role::Optional => format!(
                "Name another app: --{kind} <name>, or --app <name> of enable-{kind}",
                kind = component.kind.name
            ),
        }));
    }
    Ok(())
}

/// Whether only its marker is lost: it is the recorded app, and has our mounts. Or it is an app that
/// was given back, and that does not run.
fn was_ours(host: &Host, component: &Component) -> Result<bool> {
    let app = &component.app;
    if component.kind.role == Role::Optional && docker::running(host, app).option()?.is_none() {
        let image = ps::source_image(host, app).option()?;
        let image = image.and_then(|image| image.parse::<ImageRef>().ok());
        if image.is_some_and(|image| image.repository() == component.image.repository()) {
            return Ok(true);
        }
    }
    let recorded = Spec::read(host.env(), &component.spec.server_name)?;
    let is_recorded = recorded.is_some_and(|recorded| match component.kind.role {
        Role::Homeserver => recorded.app == *app,
        Role::Optional => {
            recorded.components.get(component.kind.name).is_some_and(|one| one.app == *app)
        }
    });
    if !is_recorded {
        return Ok(false);
    }
    let mounts = storage::of(host, app).or_absent(vec![])?;
    Ok(container::of_host(host, component).iter().all(|mount| mounts.contains(mount)))
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
    Err(Error::usage("letsencrypt needs an e-mail address")
        .hint(format!("dokku matrix:create {} --email you@example.org", spec.app)))
}
