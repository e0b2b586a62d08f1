//! What Synapse needs and does not reach: found before the old process is stopped, and told when the new
//! one does not become ready.

use crate::{
    component::Component,
    dokku::{
        docker, flags,
        network::{self, Network},
        options::{self, Options},
    },
    error::{Error, Result},
    host::{Host, owner::Owner},
    names::{AppName, ImageRef},
    synapse::probe::{self, Reach},
};

/// The flags that lead a container to others.
const LINKS: [&str; 5] = ["--link", "--add-host", "--dns", "--network", "--net"];

/// A new container of this image would reach all that it needs.
///
/// # Errors
/// It would not; or it could not be found out.
pub fn must_reach(host: &Host, component: &Component, image: &ImageRef) -> Result<()> {
    if !component.uses_database {
        return Ok(());
    }
    let (spec, app) = (&component.spec, &component.app);
    let links = links(host, app)?;
    let owner = Owner::of(host.env().dokku_user())?;
    let mut reach = probe::from_image(host, spec, image, owner, component.isolation, &links)?;
    // It may be in a network that Dokku attaches only later: the running container is in it.
    if reach.database.is_none()
        && reach.authentication_service.is_some()
        && let Some(running) = running(host, component)?
    {
        reach.authentication_service = running.authentication_service;
    }
    let service = &spec.service;
    let Some(why) = reach.why_not() else { return Ok(()) };
    let error = Error::new(format!("{app} would not become ready: {why}"));
    Err(if reach.database.is_some() {
        error.hint(format!("dokku postgres:info {service}; dokku config:get {app} DATABASE_URL"))
    } else {
        error.hint("See matrix_authentication_service in the configuration.")
    })
}

/// What the running container reaches; `None` if none runs, or if it cannot be asked at the moment.
pub(super) fn running(host: &Host, component: &Component) -> Result<Option<Reach>> {
    if !component.uses_database {
        return Ok(None);
    }
    let container = docker::running(host, &component.app).option()?;
    let Some(container) = container.filter(|container| !container.restarting) else {
        return Ok(None);
    };
    // It may end any moment.
    Ok(probe::from_container(host, &component.app, &container).ok())
}

/// The flags that lead the app's containers to others.
fn links(host: &Host, app: &AppName) -> Result<Vec<String>> {
    let options = options::of(host, app).or_absent(Options::default())?;
    let leads = |option: &&String| flags::of(option).iter().any(|flag| flag.is(&LINKS));
    let mut links: Vec<_> = options.deploy.iter().filter(leads).cloned().collect();
    let network = network::of(host, app).or_absent(Network::default())?.initial;
    if !network.is_empty() && !links.iter().any(|link| link.contains("--net")) {
        links.push(format!("--network {network}"));
    }
    Ok(links)
}
