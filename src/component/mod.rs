//! What a homeserver is made of: Synapse and the components beside it, each an app of its own.
//!
//! A [`Component`] is a value that is made from the [`Spec`]; steps and triggers read it, and
//! nothing outside this directory asks which kind it is. One file for each kind: a new one is a
//! file, a line in [`CATALOG`], and its tests. Only [`identity`] asks the machine; [`local`] reads a
//! file.

pub mod element;
pub mod identity;
pub mod local;
mod parts;
pub mod synapse;

pub use parts::{
    AtLeast, File, Measure, Mount, Probe, Question, QuestionPort, ReadAtStart, Text, User,
};

use crate::{
    error::{Error, Result},
    host::env::Env,
    names::{AppName, Domain, ImageRef},
    plan::StepId,
    state::{Marker, Paths, Settings, Spec, Tls},
};
use camino::Utf8PathBuf;
use parts::own_files;
use std::sync::Arc;

/// The kinds of components that this program knows, Synapse first.
pub const CATALOG: Catalog = Catalog(&[&synapse::KIND, &element::KIND]);

/// A kind of component.
#[derive(Debug)]
pub struct Kind {
    /// Its name in step ids, markers, `server.json`, and in the commands `enable-<name>` and
    /// `disable-<name>`.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Its part in a homeserver.
    pub role: Role,
    /// Whether two of its processes would corrupt the homeserver's data: then the deploy guard
    /// watches its app.
    pub single_process: bool,
    /// The app unless another one is named.
    pub default_app: &'static str,
    /// The image that is tested with this version of the plugin.
    pub default_image: &'static str,
    /// Whether users open it in a browser: then links in e-mails lead to it.
    pub is_web_client: bool,
    /// The name of the file with the administrator's own settings, if it has one: it is beside its
    /// generated files, is made once, and is never changed or removed.
    pub local_file: Option<&'static str>,
    /// Completes a component of this kind.
    pub describe: fn(Component, &Paths) -> Component,
}

/// The part of a component in a homeserver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is the homeserver itself: one for each, in the app that the user names.
    Homeserver,
    /// It is an app beside it that is enabled and disabled.
    Optional,
}

impl Kind {
    /// Its image unless another one is named.
    pub fn default_image(&self) -> Result<ImageRef> {
        self.default_image.parse()
    }
}

/// A list of kinds; exactly one of them is the homeserver's own.
#[derive(Clone, Copy, Debug)]
pub struct Catalog(pub &'static [&'static Kind]);

impl Catalog {
    /// The kind of that name.
    pub fn find(self, name: &str) -> Option<&'static Kind> {
        self.0.iter().copied().find(|kind| kind.name == name)
    }

    /// The homeserver's own kind.
    pub fn homeserver(self) -> &'static Kind {
        self.0.iter().find(|kind| kind.role == Role::Homeserver).unwrap_or(&&synapse::KIND)
    }

    /// The kinds that are enabled and disabled.
    pub fn optional(self) -> impl Iterator<Item = &'static Kind> {
        self.0.iter().copied().filter(|kind| kind.role == Role::Optional)
    }
}

/// One component of a homeserver: all that its app must be.
#[derive(Clone, Debug)]
pub struct Component {
    /// Its kind.
    pub kind: &'static Kind,
    /// The homeserver that it belongs to.
    pub spec: Arc<Spec>,
    /// What the configuration of Synapse says; see [`current`](Self::current).
    pub settings: Arc<Settings>,
    /// Its app.
    pub app: AppName,
    /// The host name that its app answers to.
    pub domain: Domain,
    /// Its image.
    pub image: ImageRef,
    /// The port that it listens on inside its container.
    pub port: u16,
    /// Whether other servers reach it on port 8448 as well.
    pub on_8448: bool,
    /// What of the host it sees.
    pub mounts: Vec<Mount>,
    /// The files that are written for it before its container is made.
    pub files: Vec<File>,
    /// Whom it runs as.
    pub user: User,
    /// The docker options that take away what its containers do not need; one flag each.
    pub isolation: &'static [&'static str],
    /// The variables of its app.
    pub environment: Vec<(&'static str, String)>,
    /// Whether it uses the homeserver's database.
    pub uses_database: bool,
    /// Whether the plugin's nginx template serves it; else Dokku's built-in one does.
    pub uses_template: bool,
    /// What nginx must allow at least.
    pub nginx_properties: Vec<AtLeast>,
    /// The content of the plugin's file in its app's `nginx.conf.d`, which holds under any template.
    pub locations: String,
    /// Lists the files that its container reads when it starts: a change of one means a restart.
    pub read_at_start: ReadAtStart,
    /// How it is asked whether it is ready; without one, a container that runs is enough.
    pub probe: Option<Probe>,
    /// What is asked of it in public when all is done.
    pub questions: Vec<Question>,
}

impl Component {
    /// A component that has nothing but its app yet.
    pub(crate) fn new(
        kind: &'static Kind,
        spec: &Arc<Spec>,
        settings: &Arc<Settings>,
        of: (&AppName, &Domain, &ImageRef),
    ) -> Self {
        let (app, domain, image) = of;
        Self {
            kind,
            spec: spec.clone(),
            settings: settings.clone(),
            app: app.clone(),
            domain: domain.clone(),
            image: image.clone(),
            port: 8080,
            on_8448: false,
            mounts: vec![],
            files: vec![],
            user: User::OfImage,
            isolation: &[],
            environment: vec![],
            uses_database: false,
            uses_template: false,
            nginx_properties: vec![],
            locations: String::new(),
            read_at_start: own_files,
            probe: None,
            questions: vec![],
        }
    }

    /// The same component by what the configuration says now: a step that runs before it has Synapse
    /// read a changed one.
    ///
    /// # Errors
    /// What it says cannot be read.
    pub fn current(&self, env: &Env) -> Result<Self> {
        let settings = Settings::recorded(env, &self.spec.server_name)?;
        if settings == *self.settings {
            return Ok(self.clone());
        }
        let settings = Arc::new(settings);
        let of = (&self.app, &self.domain, &self.image);
        let new = Self::new(self.kind, &self.spec, &settings, of);
        Ok((self.kind.describe)(new, &self.spec.paths(env)))
    }

    /// The name of one of its steps.
    pub fn step(&self, name: &'static str) -> StepId {
        (self.kind.name, name)
    }

    /// The file with the administrator's own settings, if its kind has one.
    pub fn local_file(&self, env: &Env) -> Option<Utf8PathBuf> {
        let (paths, kind) = (self.spec.paths(env), self.kind);
        kind.local_file.map(|name| paths.component(kind.name).join(name))
    }

    /// The marker of its app.
    pub fn marker(&self) -> Marker {
        Marker::component(self.kind.name, &self.spec.server_name)
    }

    /// The port map of its app, in Dokku's words and sorted as Dokku sorts it.
    pub fn port_map(&self) -> Vec<String> {
        let port = self.port;
        let mut map = vec![format!("http:80:{port}")];
        if self.spec.tls != Tls::Off {
            map.push(format!("https:443:{port}"));
            if self.on_8448 {
                map.push(format!("https:8448:{port}"));
            }
        }
        map
    }

    /// The label of its app's containers, which says whose the app is: it goes with the app, and
    /// follows a rename and a clone.
    pub fn label(&self) -> String {
        format!("{LABEL}={}", self.spec.server_name)
    }

    /// Its public address, without a slash at its end.
    pub fn url(&self) -> String {
        self.spec.url(&self.domain)
    }
}

/// The name of the label that says which homeserver an app belongs to.
pub const LABEL: &str = "com.dokku-matrix.server";

/// A homeserver as it is desired.
#[derive(Clone, Debug)]
pub struct Homeserver {
    /// The kinds of components that there are.
    pub catalog: Catalog,
    /// What is desired of it.
    pub spec: Arc<Spec>,
    /// Where its files are.
    pub paths: Paths,
    /// Its components, the homeserver's own first.
    pub components: Vec<Arc<Component>>,
}

impl Homeserver {
    /// The homeserver that a spec describes.
    ///
    /// # Errors
    /// A component of it is of no kind that this program knows.
    pub fn new(catalog: Catalog, env: &Env, spec: Spec) -> Result<Self> {
        let paths = spec.paths(env);
        let spec = Arc::new(spec);
        let settings = Arc::new(Settings::recorded(env, &spec.server_name)?);
        let complete = |kind: &'static Kind, of| {
            Arc::new((kind.describe)(Component::new(kind, &spec, &settings, of), &paths))
        };
        let mut components =
            vec![complete(catalog.homeserver(), (&spec.app, &spec.domain, &spec.image))];
        for (name, one) in &spec.components {
            let kind = catalog.find(name).filter(|kind| kind.role == Role::Optional);
            let kind = kind.ok_or_else(|| {
                let path = paths.spec();
                Error::new(format!(
                    "{path} names a component that this plugin does not know: {name}"
                ))
                .hint("sudo dokku plugin:update matrix")
            })?;
            components.push(complete(kind, (&one.app, &one.domain, &one.image)));
        }
        Ok(Self { catalog, spec, paths, components })
    }

    /// The component that is the homeserver itself.
    pub fn main(&self) -> &Arc<Component> {
        &self.components[0]
    }

    /// The optional components that are enabled.
    pub fn optional(&self) -> &[Arc<Component>] {
        &self.components[1..]
    }

    /// The component of a kind, if it is enabled.
    pub fn component(&self, kind: &str) -> Option<&Arc<Component>> {
        self.components.iter().find(|component| component.kind.name == kind)
    }

    /// The address that links in e-mails lead to, if users have a web client of this homeserver.
    pub fn web_client_url(&self) -> Option<String> {
        let client = self.components.iter().find(|component| component.kind.is_web_client)?;
        Some(client.url())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of a kind is that of its directory beside those of the homeserver, and a part of the
    /// names of commands.
    #[test]
    fn names_of_kinds_collide_with_nothing() {
        let mut names: Vec<_> = CATALOG.0.iter().map(|kind| kind.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for name in names {
            assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase()), "{name}");
            assert!(!["clone", "config", "data", "nginx"].contains(&name), "{name}");
        }
    }
}
