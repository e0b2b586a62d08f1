//! One homeserver of the host is nginx's default server on port 8448: it answers there for names
//! that no app has. Two would stop nginx for every app.
//!
//! The choice is recorded in the host's status. What nginx has is built from each homeserver's
//! template, so an interrupted run leaves the two apart: see [`is_unfinished`].

use crate::{
    component::{CATALOG, Kind, identity},
    error::Result,
    host::{Host, files},
    names::ServerName,
    nginx::{
        self,
        served::{Extent, Served},
        verify,
    },
    plan::{State, Step, StepId},
    state::{HostStatus, Spec, locks, marker},
    steps::nginx::FILE,
};
use std::sync::Arc;

/// A homeserver that wants 8448 is the default server there, unless another one is.
#[derive(Debug)]
pub struct DefaultServer(pub Arc<Spec>);

impl Step for DefaultServer {
    fn id(&self) -> StepId {
        ("host", "default-server")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("server", "spec")]
    }

    fn title(&self) -> String {
        let verb = if self.0.is_on_8448() { "Choosing" } else { "Giving up" };
        format!("{verb} the default homeserver on port 8448")
    }

    fn check(&self, host: &Host) -> Result<State> {
        let name = self.0.server_name.clone();
        let is_ours = HostStatus::read(host.env())?.default_8448.as_ref() == Some(&name);
        if !self.0.is_on_8448() {
            return Ok(if is_ours {
                State::missing("leave it to another homeserver", move |host| give_up(host, &name))
            } else {
                State::Satisfied
            });
        }
        if is_ours || current(host)?.is_some() {
            return Ok(State::Satisfied);
        }
        Ok(State::missing(format!("choose {name}"), move |host| {
            let _lock = locks::host(host)?;
            // Another command may have been faster.
            if current(host)?.is_some() {
                return Ok(());
            }
            reclaim(host, &name)?;
            record(host, Some(name))
        }))
    }
}

fn record(host: &Host, name: Option<ServerName>) -> Result<()> {
    HostStatus { default_8448: name }.write(host)
}

fn kind() -> &'static Kind {
    CATALOG.homeserver()
}

/// Whether a homeserver that wants 8448 still has its app.
pub(super) fn is_alive(host: &Host, name: &ServerName) -> Result<bool> {
    let Some(spec) = Spec::read(host.env(), name)? else { return Ok(false) };
    let marked = identity::is(host, &spec.app, kind().name, name)?;
    let home = host.env().dokku_root().join(spec.app.as_str());
    Ok(spec.is_on_8448() && marked && files::stat(&home)?.is_some())
}

/// The recorded default server, if it still can be it: also one whose app is being created, and one
/// whose spec cannot be read.
fn current(host: &Host) -> Result<Option<ServerName>> {
    let Some(name) = HostStatus::read(host.env())?.default_8448 else { return Ok(None) };
    let spec = match Spec::read(host.env(), &name) {
        Ok(None) => return Ok(None),
        Ok(Some(spec)) => spec,
        Err(_) => return Ok(Some(name)),
    };
    let home = host.env().dokku_root().join(spec.app.as_str());
    let is_coming = spec.is_on_8448() && files::stat(&home)?.is_none();
    Ok((is_coming || is_alive(host, &name)?).then_some(name))
}

/// Whether nginx has this app as its default server on 8448.
fn nginx_has(host: &Host, app: &str) -> Result<bool> {
    let text = files::read(&host.env().dokku_root().join(app).join("nginx.conf"))?;
    let is_default = |line: &str| line.contains("8448") && line.contains("default_server");
    Ok(text.is_some_and(|text| text.lines().any(is_default)))
}

/// Has nginx forget every default server on 8448 but this one: an interrupted run may have left one
/// behind, and two at a time stop nginx for every app.
fn reclaim(host: &Host, keeper: &ServerName) -> Result<()> {
    for (name, spec) in Spec::all(host.env())? {
        if name == *keeper {
            continue;
        }
        let app = match &spec {
            Ok(spec) => Some(spec.app.to_string()),
            Err(_) => marker::app_of(host.env(), kind().name, &name)?,
        };
        if let Some(app) = app
            && nginx_has(host, &app)?
        {
            build(host, &spec?, false)?;
        }
    }
    Ok(())
}

/// Writes a homeserver's template, verifies it, and has nginx read what comes of it. Gives why it
/// was refused: then Dokku's own template takes the place of what was built before.
fn build(host: &Host, spec: &Spec, is_default: bool) -> Result<Option<String>> {
    let template = spec.paths(host.env()).template();
    files::write(host, &template, &nginx::template(is_default), files::PUBLIC)?;
    let refused = verify::verify(host, spec)?;
    served(spec).build(host)?;
    Ok(refused)
}

/// Records that a homeserver is not the default server any more.
pub fn give_up(host: &Host, name: &ServerName) -> Result<()> {
    let _lock = locks::host(host)?;
    if HostStatus::read(host.env())?.default_8448.as_ref() == Some(name) {
        record(host, None)?;
    }
    Ok(())
}

/// Whether an interrupted run recorded this homeserver and came no further: template, verification,
/// and what Dokku builds follow each other. What was never built is built by its own run.
fn is_unfinished(host: &Host, spec: &Spec) -> Result<bool> {
    let env = host.env();
    let conf = env.dokku_root().join(spec.app.as_str()).join("nginx.conf");
    let (Some(_), Some(text)) = (files::stat(&conf)?, files::read(&spec.paths(env).template())?)
    else {
        return Ok(false);
    };
    if !nginx::is_default(&text) || !verify::is_recorded(host, spec)? {
        return Ok(true);
    }
    Ok(match served(spec).is_built(host)? {
        Some(is_built) => !is_built,
        // An older version of the plugin recorded nothing.
        None => verify::is_verified(host, spec)? && !nginx_has(host, spec.app.as_str())?,
    })
}

/// What nginx serves of a homeserver.
fn served(spec: &Spec) -> Served<'_> {
    let (what, app) = (kind().name, &spec.app);
    Served { spec, what, app, extent: Extent::OurTemplate, file: FILE }
}

/// The homeserver that is to be the default server: one that wants it, where none is; else the
/// recorded one, if nginx does not know of it yet.
pub(super) fn next(host: &Host) -> Result<Option<Spec>> {
    if let Some(name) = current(host)? {
        // Of one that cannot be read nothing can be built.
        let Ok(Some(recorded)) = Spec::read(host.env(), &name) else { return Ok(None) };
        return Ok(is_unfinished(host, &recorded)?.then_some(recorded));
    }
    for (name, spec) in Spec::all(host.env())? {
        if let Ok(spec) = spec
            && is_alive(host, &name)?
        {
            return Ok(Some(spec));
        }
    }
    Ok(None)
}

/// The new default server.
#[derive(Debug)]
pub struct NewDefault {
    /// Its name.
    pub name: ServerName,
    /// Why this host refuses its template, as a line for the user: then it is the default server by
    /// record only.
    pub refused: Option<String>,
}

/// Makes a homeserver that wants it the default server, where none is. The one before must be out of
/// nginx by then.
pub fn hand_over(host: &Host) -> Result<Option<NewDefault>> {
    let _lock = locks::host(host)?;
    let Some(spec) = next(host)? else { return Ok(None) };
    let name = spec.server_name.clone();
    reclaim(host, &name)?;
    record(host, Some(name.clone()))?;
    let refused = build(host, &spec, true)?.map(|why| {
        format!("No homeserver is the default one on port 8448: this host refuses the nginx template of {name}: {why}")
    });
    Ok(Some(NewDefault { name, refused }))
}
