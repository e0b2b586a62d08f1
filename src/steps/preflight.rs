//! Preflight: what must be so before anything is touched.

use super::{How, Who, Wish, container::Mounts, database::Service, storage::Secrets};
use crate::{
    dokku::{
        apps, docker, domains, letsencrypt, nginx, ps, storage,
        version::{self, Version},
    },
    error::{Error, Result},
    host::{Host, files},
    marker::{self, Marker},
    names::{AppName, ImageRef},
    plan::Step,
    server::{Server, Tls},
};

/// The oldest Dokku that has all we need.
const OLDEST: Version = Version(0, 38, 22);
/// The oldest dokku-letsencrypt that reports in JSON.
const OLDEST_LETSENCRYPT: Version = Version(0, 24, 0);
/// The first dokku-letsencrypt that requests two certificates side by side.
const TOGETHER: Version = Version(0, 25, 1);

const MIB: u64 = 1 << 20;

/// What the preflight found.
#[derive(Debug, Default)]
pub struct Found {
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Whether two certificates may be requested at a time.
    pub certificates_together: bool,
}

impl Found {
    /// How the steps go on this host.
    pub fn how(&self, deploy: bool) -> How {
        How { deploy, certificates_together: self.certificates_together }
    }
}

/// Looks at the host and at the names.
///
/// # Errors
/// The first thing that is not as it must be; nothing was touched.
pub fn look(host: &Host, wish: &Wish) -> Result<Found> {
    let mut found = Found::default();
    let dokku = version::dokku(host)?;
    if dokku < OLDEST {
        return Err(Error::new(format!("Dokku {dokku} is too old; {OLDEST} or newer is needed"))
            .hint("https://dokku.com/docs/getting-started/upgrading/"));
    }
    plugin(host, "postgres")?;
    if wish.tls == Tls::Letsencrypt {
        let version = plugin(host, "letsencrypt")?;
        if version < OLDEST_LETSENCRYPT && version != Version(0, 0, 0) {
            return Err(Error::new(format!(
                "dokku-letsencrypt {version} is too old; {OLDEST_LETSENCRYPT} or newer is needed"
            ))
            .hint("sudo dokku plugin:update letsencrypt"));
        }
        found.certificates_together = version >= TOGETHER;
    }
    machine(host, &mut found)?;
    names(host, wish)?;
    database(host, wish)?;
    app(host, wish, Who::Synapse)?;
    if wish.element.is_some() {
        app(host, wish, Who::Element)?;
    }
    // What is ours already is the steps' to look after; what is to be is refused here.
    if marker::server_of(host.env(), &wish.app)?.as_ref() != Some(&wish.server_name) {
        Service(wish.clone()).check(host)?;
        Secrets(wish.clone()).check(host)?;
    }
    Ok(found)
}

fn plugin(host: &Host, name: &str) -> Result<Version> {
    version::plugin(host, name).required(|| {
        Error::new(format!("the plugin {name} is missing")).hint(format!(
            "sudo dokku plugin:install https://github.com/dokku/dokku-{name}.git --name {name}"
        ))
    })
}

fn machine(host: &Host, found: &mut Found) -> Result<()> {
    let meminfo = files::read("/proc/meminfo".into())?.unwrap_or_default();
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let total =
        total.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    if let Some(memory) = total.map(|kib| kib / 1024) {
        if memory < 512 {
            return Err(Error::new(format!(
                "this host has {memory} MiB of memory; Synapse needs 512 MiB at the very least"
            )));
        }
        if memory < 1024 {
            found.warnings.push(format!(
                "This host has {memory} MiB of memory; 1 GiB is little for Synapse."
            ));
        }
    }
    let free = files::free_space(&host.env().lib_root())? / MIB;
    if free < 2048 {
        return Err(Error::new(format!(
            "{} has {free} MiB left; 2 GiB are needed",
            host.env().lib_root()
        ))
        .hint("docker system df shows what images take"));
    }
    if free < 5120 {
        found.warnings.push(format!(
            "{} has {free} MiB left; media and database grow.",
            host.env().lib_root()
        ));
    }
    Ok(())
}

/// No two homeservers share a server name, no two apps a domain.
fn names(host: &Host, wish: &Wish) -> Result<()> {
    let recorded = Server::read(host.env(), &wish.server_name)?;
    if let Some(other) = recorded.filter(|recorded| recorded.app != wish.app) {
        let marked =
            marker::server_of(host.env(), &other.app)?.as_ref() == Some(&other.server_name);
        if marked && apps::exists(host, &other.app)? {
            return Err(Error::new(format!(
                "the server name {} is that of the app {}",
                wish.server_name, other.app
            ))
            .hint(format!("dokku matrix:report {}", other.app)));
        }
    }
    let mut pairs = vec![(Who::Synapse.app(wish), Who::Synapse.domain(wish))];
    if let Some(element) = &wish.element {
        if element.app == wish.app {
            return Err(Error::usage("Element Web must not be in the homeserver's own app"));
        }
        if element.domain == wish.domain {
            return Err(Error::usage("Element Web must not have the homeserver's own domain")
                .hint("It would let a page of one read the other; choose another one."));
        }
        pairs.push((&element.app, &element.domain));
    }
    for (app, domain) in pairs {
        let owners = domains::owners(host, domain.as_str())?;
        if let Some(other) = owners.iter().find(|owner| *owner != app.as_str()) {
            return Err(Error::new(format!("the domain {domain} is used by the app {other}"))
                .hint(format!("Name another one with --domain, or free it: dokku domains:remove {other} {domain}")));
        }
    }
    Ok(())
}

/// No two homeservers share a service.
fn database(host: &Host, wish: &Wish) -> Result<()> {
    let recorded = Server::read(host.env(), &wish.server_name)?;
    let ours = recorded.is_some_and(|recorded| recorded.service == wish.service);
    for (_, other) in Server::each(host.env())? {
        let other = match other {
            // Which service it has cannot be known; it is not the one that is ours already.
            Err(_) if ours => continue,
            other => other?,
        };
        // Where that server still has its app, the service's links tell.
        let there = marker::server_of(host.env(), &other.app)?.as_ref() == Some(&other.server_name);
        if other.server_name != wish.server_name && other.service == wish.service && !there {
            return Err(Error::new(format!(
                "the postgres service {} holds the database of the server {}",
                wish.service, other.server_name
            ))
            .hint("To have that server again:")
            .hint(format!("  dokku matrix:create {} --server-name {}", wish.app, other.server_name))
            .hint("For a new one, name another service:")
            .hint(format!("  dokku matrix:create {} --service <name>", wish.app)));
        }
    }
    Ok(())
}

/// The app is free, or never deployed, or ours.
fn app(host: &Host, wish: &Wish, who: Who) -> Result<()> {
    let app = who.app(wish);
    let ours = match marker::read(host.env(), app.as_str())? {
        Some(Marker::Synapse(name)) if who == Who::Synapse && name == wish.server_name => true,
        Some(Marker::Element(name)) if who == Who::Element && name == wish.server_name => true,
        Some(Marker::Synapse(name) | Marker::Element(name)) => {
            return Err(Error::new(format!("{app} is an app of the homeserver {name}"))
                .hint("dokku matrix:list"));
        }
        Some(Marker::Clone) => {
            return Err(Error::new(format!("{app} is a clone of a homeserver's app"))
                .hint(format!("dokku apps:destroy {app}")));
        }
        None => false,
    };
    let fresh = !apps::exists(host, app)?;
    let (proxy, scheduler) = if fresh {
        (nginx::global_proxy(host), nginx::global_scheduler(host))
    } else {
        (nginx::proxy(host, app), nginx::scheduler(host, app))
    };
    let whose = if fresh { "--global" } else { app.as_str() };
    let proxy = proxy.or_absent(String::new())?;
    if proxy != "nginx" {
        return Err(Error::new(format!("the proxy of {app} is {proxy}; only nginx is supported"))
            .hint(format!("dokku proxy:set {whose} nginx")));
    }
    let scheduler = scheduler.or_absent(String::new())?;
    if scheduler != "docker-local" {
        return Err(Error::new(format!(
            "the scheduler of {app} is {scheduler}; only docker-local is supported"
        ))
        .hint(format!("dokku scheduler:set {whose} selected docker-local")));
    }
    if fresh {
        return email(host, wish, app);
    }
    if !ours && ps::deployed(host, app).option()? == Some(true) && !was_ours(host, wish, who)? {
        return Err(Error::new(format!(
            "{app} is an app that is deployed already, and not this homeserver's"
        ))
        .hint(match who {
            Who::Synapse => "Name another app: dokku matrix:create <app>",
            Who::Element => "Name another app: --element <name>, or --app <name> of enable-element",
        }));
    }
    plain(host, wish, app)?;
    email(host, wish, app)
}

/// Without TLS there must be no certificate: with one, nginx sends everybody on to https.
fn plain(host: &Host, wish: &Wish, app: &AppName) -> Result<()> {
    if wish.tls != Tls::Off || nginx::has_certificate(host, app).option()? != Some(true) {
        return Ok(());
    }
    let theirs = version::plugin(host, "letsencrypt").option()?.is_some()
        && letsencrypt::active(host, app).option()? == Some(true);
    let command = if theirs { "letsencrypt:disable" } else { "certs:remove" };
    Err(Error::new(format!(
        "{app} has a certificate, with which nginx sends everybody on to https"
    ))
    .hint(format!("To go on without TLS: dokku {command} {app}")))
}

/// Only its marker is lost: it is the recorded app, and has the folders mounted. Or it is an app
/// with Element Web that was given back, and does not run.
fn was_ours(host: &Host, wish: &Wish, who: Who) -> Result<bool> {
    let app = who.app(wish);
    if who == Who::Element && docker::running(host, app).option()?.is_none() {
        let image = ps::source_image(host, app).or_absent(String::new())?;
        if image.parse::<ImageRef>().is_ok_and(|i| i.repository() == who.image(wish).repository()) {
            return Ok(true);
        }
    }
    let recorded = Server::read(host.env(), &wish.server_name)?;
    if recorded.is_none_or(|recorded| who.app(&recorded) != app) {
        return Ok(false);
    }
    let mounts = storage::of(host, app).or_absent(vec![])?;
    Ok(Mounts::wanted(host, wish, who).iter().all(|mount| mounts.contains(mount)))
}

/// A certificate that is still to come needs an e-mail address: ours, the app's, or the host's.
fn email(host: &Host, wish: &Wish, app: &AppName) -> Result<()> {
    if wish.tls != Tls::Letsencrypt || wish.email.is_some() {
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
        .hint(format!("dokku matrix:create {} --email you@example.org", wish.app)))
}
