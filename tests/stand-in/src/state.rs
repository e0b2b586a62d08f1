//! What the stood-in host remembers, as plain data that a test may read and change.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::real::Parts;

/// The whole host. Tests change it through [`Scene::update`](crate::Scene::update).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct State {
    /// What `dokku version` says.
    pub version: String,
    /// Dokku's global domains; a new app gets `<app>.<domain>` for each.
    pub global_domains: Vec<String>,
    pub apps: BTreeMap<String, App>,
    /// dokku-postgres services.
    pub services: BTreeMap<String, Service>,
    /// Named entries of `storage:create`, with their host paths.
    pub storage_entries: BTreeMap<String, String>,
    /// Every container of an app that ever ran, oldest first; removed ones stay as such.
    pub containers: Vec<Container>,
    /// What is known of images, by reference. One that is not here behaves well.
    pub images: BTreeMap<String, Image>,
    /// References that `docker image pull` can get.
    pub pullable: BTreeSet<String>,
    pub letsencrypt: Letsencrypt,
    pub ufw: Ufw,
    /// `<ip>:<port>` that `network:report` gives, by app; it may be set before the app is there. The
    /// container's own address without it: `172.17.0.3:8008` of the first app with that port.
    pub listeners: BTreeMap<String, String>,
    /// What `dokku logs` prints, by app, without time and process.
    pub logs: BTreeMap<String, Vec<String>>,
    /// For each host folder ever mounted at `/data`: the most containers of apps that ran on it at
    /// one moment. More than one is two mains on one database.
    pub max_mains: BTreeMap<String, usize>,
    /// Makes each id another one.
    pub serial: u64,
    /// Answers of `enter`, `run` and `docker exec`, the first that fits.
    pub exec: Vec<Answer>,
    /// Whether `sudo -n` lets dokku call `ufw` (the plugin's own sudoers file).
    pub sudo_ufw: bool,
    /// What `nginx -v` says.
    pub nginx_version: String,
    /// Where the parts of the host are that are real; none on a host that has none.
    pub parts: Option<Parts>,
}

impl State {
    /// The running containers of an app, oldest first.
    pub fn running<'a>(&'a self, app: &'a str) -> impl Iterator<Item = &'a Container> {
        self.kept(app).filter(|container| container.status == Status::Running)
    }

    /// Those that Docker keeps running: it lists one in its pause, too, and so does Dokku.
    pub fn kept<'a>(&'a self, app: &'a str) -> impl Iterator<Item = &'a Container> {
        self.containers.iter().filter(move |c| c.app == app && c.status.is_kept())
    }

    /// The services that a container is linked to, but whose container was made anew since, or does not
    /// run.
    pub fn dead_links(&self, container: &Container) -> Vec<String> {
        let alive = |(service, id): &(&String, &String)| {
            self.services
                .get(*service)
                .is_some_and(|s| s.runs() && s.container.as_ref() == Some(*id))
        };
        container
            .links
            .iter()
            .filter(|link| !alive(link))
            .map(|(service, _)| service.clone())
            .collect()
    }

    /// The network of the containers, without the last two numbers of an address.
    pub(crate) fn network(&self) -> &str {
        self.parts.as_ref().map_or("172.17", |parts| &parts.network)
    }

    /// Whether the image is on the host, so that nothing has to be pulled.
    pub fn on_host(&self, reference: &str) -> bool {
        self.images.get(reference).is_some_and(|image| image.on_host)
    }

    /// How an image behaves.
    pub fn image(&self, reference: &str) -> Image {
        self.images.get(reference).cloned().unwrap_or_default()
    }
}

/// A dokku-postgres service.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Service {
    /// The id of its container; none while the service is stopped.
    pub container: Option<String>,
    /// What became of that: `docker stop` does not remove it.
    pub status: Status,
    /// When that was made, in nanoseconds since 1970.
    pub created_at: i128,
    pub ip: String,
    pub password: String,
    pub custom_env: String,
    /// `encoding`, `datcollate`, `datctype` of each database; the service's own is missing after
    /// `LC_ALL=C`.
    pub databases: BTreeMap<String, [String; 3]>,
    /// How many tables its own database holds in the schema `public`.
    pub tables: u32,
    pub links: BTreeSet<String>,
    /// Answers of `postgres:connect` that a test wants, the first that fits, before all built-in ones.
    pub answers: Vec<Answer>,
}

impl Service {
    /// Whether its container runs.
    pub fn runs(&self) -> bool {
        self.container.is_some() && self.status.is_kept()
    }
}

/// A fixed answer to whatever contains a text.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Answer {
    /// The text that the joined arguments (or the SQL) must contain.
    pub contains: String,
    pub rc: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Whether Docker starts a container with that restart policy when it comes up itself.
pub(crate) fn starts_at_boot(policy: &str) -> bool {
    matches!(policy, "always" | "unless-stopped")
}

/// Whether Docker starts a container again that has ended with that code, when it has done so that
/// often before.
pub(crate) fn starts_again(policy: &str, code: i32, restarts: u32) -> bool {
    match policy.split_once(':').unwrap_or((policy, "")) {
        _ if starts_at_boot(policy) => true,
        // 0 is no limit.
        ("on-failure", most) => {
            let most: u32 = most.parse().unwrap_or_default();
            code != 0 && (most == 0 || restarts < most)
        }
        _ => false,
    }
}

/// What became of a container.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    #[default]
    Running,
    /// It has ended, and Docker pauses before it starts it again.
    Restarting,
    Exited,
    Removed,
}

impl Status {
    /// Docker keeps it running.
    pub(crate) fn is_kept(self) -> bool {
        matches!(self, Self::Running | Self::Restarting)
    }

    /// Docker's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Exited | Self::Removed => "exited",
        }
    }
}

/// A container of an app: one process.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Container {
    pub id: String,
    /// The app that Docker's label names.
    pub app: String,
    /// `web`, `worker`, and so on.
    pub process: String,
    pub index: u32,
    /// Docker's name of it, `matrix.web.1`.
    pub name: String,
    /// The reference that the app's image was made from.
    pub image: String,
    /// The value of `--user`, when the docker options have one.
    pub user: Option<String>,
    /// `host:container[:ro]`, as they were when it was made.
    pub mounts: Vec<String>,
    /// All docker options that it was made with.
    pub options: Vec<String>,
    /// The environment that it was made with.
    pub env: BTreeMap<String, String>,
    /// The linked services, with the id of the container that each had at that time.
    pub links: BTreeMap<String, String>,
    pub ip: String,
    /// Whether it had its address when Dokku asked, which writes it down; one that pauses has none.
    pub listed: bool,
    pub status: Status,
    /// Nanoseconds since 1970; it stays when it is started again.
    pub created_at: i128,
    pub started_at: i128,
    /// When its process ended last, and with which code.
    pub ended_at: i128,
    pub code: i32,
    pub restart_policy: String,
    /// How often Docker has started it again by itself; it counts when it begins to pause.
    pub restarts: u32,
    /// Its process, where that is real.
    pub pid: u32,
}

/// How an image behaves. Missing switches say that all is well.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Image {
    pub on_host: bool,
    /// Whether its process keeps running. Synapse also ends at once with a broken configuration, and
    /// Element with a user or a file that it cannot use.
    pub starts: bool,
    /// What it ends with if it does not.
    pub code: i32,
    /// Whether `docker build` on top of it works.
    pub builds: bool,
    /// What it exposes: the port map of an app that has none of its own.
    pub ports: Vec<u16>,
}

impl Default for Image {
    fn default() -> Self {
        Self { on_host: false, starts: true, code: 0, builds: true, ports: Vec::new() }
    }
}

/// dokku-letsencrypt, as far as it is global.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Letsencrypt {
    /// Global properties: `email`, `server`, `lego-args`, `lego-docker-options`...
    pub properties: BTreeMap<String, String>,
    /// Whether the cron job is there.
    pub cron: bool,
    /// Apps and domains for which `letsencrypt:enable` fails.
    pub fails: BTreeSet<String>,
}

/// The firewall.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Ufw {
    pub active: bool,
    pub allowed: BTreeSet<String>,
}
