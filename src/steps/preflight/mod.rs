//! Preflight: what must be so before anything is touched.

mod app;
mod machine;
mod names;

use super::{
    Options, config,
    database::Service,
    server_directory::{RecordSpec, Secrets},
};
use crate::{
    component::{Component, Homeserver, identity},
    dokku::{
        apps,
        version::{self, Version},
    },
    error::{Error, Result},
    host::Host,
    plan::Step,
    state::{Status, Tls},
};

/// The oldest Dokku that has all we need.
const OLDEST: Version = Version(0, 38, 22);
/// The oldest dokku-letsencrypt that reports in JSON.
const OLDEST_LETSENCRYPT: Version = Version(0, 24, 0);
/// The first dokku-letsencrypt that requests two certificates side by side.
const PARALLEL_CERTIFICATES: Version = Version(0, 25, 1);

/// What the preflight found out.
#[derive(Debug, Default)]
pub struct Preflight {
    /// What the user should know.
    pub warnings: Vec<String>,
    parallel_certificates: bool,
}

impl Preflight {
    /// The options for this host.
    pub fn options(&self, deploy: bool) -> Options {
        Options { deploy, parallel_certificates: self.parallel_certificates }
    }
}

/// Checks the host, the names, and the apps of a homeserver.
///
/// # Errors
/// The first thing that is not as it must be; nothing was touched.
pub fn run(host: &Host, desired: &Homeserver) -> Result<Preflight> {
    let spec = &desired.spec;
    if let Some(hold) = Status::hold(host.env(), &spec.server_name)? {
        return Err(hold.error(spec.app.as_str()));
    }
    let dokku = version::dokku(host)?;
    if dokku < OLDEST {
        return Err(Error::new(format!("Dokku {dokku} is too old; {OLDEST} or newer is needed"))
            .hint("https://dokku.com/docs/getting-started/upgrading/"));
    }
    let mut preflight = Preflight::default();
    plugin(host, "postgres")?;
    if spec.tls == Tls::Letsencrypt {
        let version = plugin(host, "letsencrypt")?;
        if version < OLDEST_LETSENCRYPT && version != Version(0, 0, 0) {
            return Err(Error::new(format!(
                "dokku-letsencrypt {version} is too old; {OLDEST_LETSENCRYPT} or newer is needed"
            ))
            .hint("sudo dokku plugin:update letsencrypt"));
        }
        preflight.parallel_certificates = version >= PARALLEL_CERTIFICATES;
    }
    preflight.warnings.extend(machine::check(host)?);
    names::check(host, desired)?;
    for component in &desired.components {
        app::check(host, desired.catalog, component)?;
    }
    for component in desired.optional() {
        preflight.warnings.extend(config::replaced(host, component)?);
    }
    // An app that is ours already is the steps' to look after.
    let main = desired.main();
    if !identity::is(host, &main.app, main.kind.name, &spec.server_name)? {
        Service::of(desired).check(host)?;
        Secrets::of(desired).check(host)?;
    }
    let options = preflight.options(false);
    for component in &desired.components {
        adoption(host, desired, component, options)?;
    }
    Ok(preflight)
}

/// What the steps would refuse of an app that exists and is not ours yet: what somebody has set or
/// mounted there. Nothing is made before that is known.
fn adoption(
    host: &Host,
    desired: &Homeserver,
    component: &Component,
    options: Options,
) -> Result<()> {
    let (app, kind) = (&component.app, component.kind.name);
    if !apps::exists(host, app)? || identity::is(host, app, kind, &desired.spec.server_name)? {
        return Ok(());
    }
    let first = RecordSpec::first((*desired.spec).clone(), None);
    let steps = super::everything(desired, first, options);
    steps.iter().filter(|step| step.id().0 == kind).try_for_each(|step| step.check(host).map(drop))
}

fn plugin(host: &Host, name: &str) -> Result<Version> {
    version::plugin(host, name).required(|| {
        Error::new(format!("the plugin {name} is missing")).hint(format!(
            "sudo dokku plugin:install https://github.com/dokku/dokku-{name}.git --name {name}"
        ))
    })
}
