//! What nginx serves: whether Dokku has built it, and reloaded nginx, since anything that goes into
//! it changed.
//!
//! nginx reads the files in `nginx.conf.d` when it is reloaded, so what it serves cannot be read
//! from files. The trigger `nginx-pre-reload` records a digest of the parts at each build of Dokku's,
//! right before the reload. A build of ours that fails is forgotten. No time of a file is asked.

use super::{install, template, verify};
use crate::{
    dokku::nginx,
    error::Result,
    host::{Host, digest::Digest, files},
    names::AppName,
    state::{Spec, Status},
};

/// What is served by an app.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// The homeserver.
    pub spec: &'a Spec,
    /// What of it: the name of a component's kind, or of a file in another app.
    pub what: &'static str,
    /// The app.
    pub app: &'a AppName,
    /// What of its configuration counts.
    pub extent: Extent,
    /// The plugin's file in the app's `nginx.conf.d`.
    pub file: &'static str,
}

/// What of an app's nginx configuration counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All, with the plugin's template while that is verified.
    OurTemplate,
    /// All, with Dokku's own template.
    DokkusTemplate,
    /// Only the plugin's file: the app is not ours.
    File,
}

/// The parts as they were before a build.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts(String);

impl Served<'_> {
    /// The parts as they are.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn parts(&self, host: &Host) -> Result<Parts> {
        self.parts_with(host, self.takes_our_template(host)?)
    }

    /// Whether Dokku is told of our template. This runs nginx and sigil.
    fn takes_our_template(&self, host: &Host) -> Result<bool> {
        Ok(self.extent == Extent::OurTemplate && verify::is_verified(host, self.spec)?)
    }

    fn parts_with(&self, host: &Host, our_template: bool) -> Result<Parts> {
        let mut digest = Digest::default();
        match self.extent {
            Extent::File => digest.text(self.app.as_str()),
            Extent::OurTemplate if our_template => {
                digest.file("template", &self.spec.paths(host.env()).template())?;
                nginx::add_properties(&mut digest, host, self.app)?;
            }
            Extent::OurTemplate | Extent::DokkusTemplate => {
                digest.text("the template of Dokku");
                nginx::add_properties(&mut digest, host, self.app)?;
            }
        }
        let app = self.app.as_str();
        if self.extent != Extent::File {
            // A request that was killed leaves a certificate that nginx does not know of.
            let certificate = host.env().dokku_root().join(app).join("tls/server.crt");
            digest.file("certificate", &certificate)?;
        }
        digest.file("nginx.conf.d", &install::path(host, app, self.file))?;
        Ok(Parts(digest.finish()))
    }

    /// Whether nginx serves the parts as they are; `None` if nothing is recorded.
    pub fn is_built(&self, host: &Host) -> Result<Option<bool>> {
        let conf = host.env().dokku_root().join(self.app.as_str()).join("nginx.conf");
        let Some(conf) = files::read(&conf)? else { return Ok(Some(false)) };
        let our_template = self.takes_our_template(host)?;
        // Dokku took its own template if it was not told of ours in time.
        if self.extent == Extent::OurTemplate && conf.contains(template::END) != our_template {
            return Ok(Some(false));
        }
        let Some(recorded) = self.recorded(host)? else { return Ok(None) };
        Ok(Some(self.parts_with(host, our_template)?.0 == recorded))
    }

    /// What was recorded last.
    fn recorded(&self, host: &Host) -> Result<Option<String>> {
        let mut status = Status::read(host.env(), &self.spec.server_name)?;
        Ok(status.served.remove(self.what))
    }

    /// Records that Dokku has built these parts.
    pub fn record(&self, host: &Host, parts: Parts) -> Result<()> {
        if self.recorded(host)?.is_some_and(|recorded| recorded == parts.0) {
            return Ok(());
        }
        let what = self.what.to_owned();
        Status::update(host, &self.spec.server_name, |status| {
            drop(status.served.insert(what, parts.0));
        })
    }

    /// Forgets what was recorded: what nginx serves is not known from now on.
    pub fn forget(&self, host: &Host) -> Result<()> {
        if self.recorded(host)?.is_none() {
            return Ok(());
        }
        Status::update(host, &self.spec.server_name, |status| {
            drop(status.served.remove(self.what));
        })
    }

    /// Has Dokku build the app's configuration and reload nginx, and records it.
    pub fn build(&self, host: &Host) -> Result<()> {
        let parts = self.parts(host)?;
        match nginx::build(host, self.app.as_str()) {
            Ok(()) => self.record(host, parts),
            // The trigger may have recorded it before nginx refused it.
            Err(error) => self.forget(host).and(Err(error)),
        }
    }
}
