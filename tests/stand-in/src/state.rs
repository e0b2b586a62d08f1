//! The state of the stand-in host: plain data that a test may read and change.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::real::Parts;
use crate::storage_entries::StorageEntry;

/// The state of the whole host. Tests change it through [`Scene::update`](crate::Scene::update).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct State {
    /// The version that `dokku version` prints.
    pub version: String,
    /// Dokku's global domains; a new app gets `<app>.<domain>` for each.
    pub global_domains: Vec<String>,
    pub apps: BTreeMap<String, App>,
    /// Properties of `network:set --global`.
    pub network: BTreeMap<String, String>,
    /// dokku-postgres services.
    pub services: BTreeMap<String, Service>,
    /// The named entries of `storage:create`.
    pub storage_entries: BTreeMap<String, StorageEntry>,
    /// Every container of an app that ever ran, oldest first, including removed ones.
    pub containers: Vec<Container>,
    /// The temporary containers of `docker run --rm` that run now. The end of `docker run` does not
    /// end its container.
    pub temporary: Vec<Temporary>,
    /// Images by reference. An image that is not listed has the defaults of [`Image`].
    pub images: BTreeMap<String, Image>,
    /// References that `docker image pull` can pull.
    pub pullable: BTreeSet<String>,
    pub letsencrypt: Letsencrypt,
    pub ufw: Ufw,
    /// The `<ip>:<port>` that `network:report` prints, by app; it may be set before the app exists.
    /// The default is the container's own address: `172.17.0.3:8008` for the first app with that
    /// port.
    pub listeners: BTreeMap<String, String>,
    /// The lines that `dokku logs` prints, by app, without time and process.
    pub logs: BTreeMap<String, Vec<String>>,
    /// For each host directory ever mounted at `/data`: the highest number of app containers that
    /// used it at the same time. More than one means two Synapse main processes on one database.
    pub max_mains: BTreeMap<String, usize>,
    /// A counter that makes ids unique.
    pub serial: u64,
    /// Fixed answers of `enter`, `run` and `docker exec`; the first match wins.
    pub exec: Vec<Answer>,
    /// Whether `sudo -n` lets dokku call `ufw`, as the plugin's own sudoers file does.
    pub sudo_ufw: bool,
    /// The version that `nginx -v` prints.
    pub nginx_version: String,
    /// What `sigil -v` prints.
    pub sigil_version: String,
    /// Where the real parts are; `None` on a host without real parts.
    pub parts: Option<Parts>,
}

impl State {
    /// The running containers of an app, oldest first.
    pub fn running<'a>(&'a self, app: &'a str) -> impl Iterator<Item = &'a Container> {
        self.up(app).filter(|container| container.status == Status::Running)
    }

    /// The containers of an app that run or wait for a restart. `docker ps` lists both, and so does
    /// Dokku.
    pub fn up<'a>(&'a self, app: &'a str) -> impl Iterator<Item = &'a Container> {
        self.containers.iter().filter(move |c| c.app == app && c.status.is_up())
    }

    /// The linked services that the container cannot reach: their container does not run, or was
    /// recreated since the link was made.
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
    pub(crate) fn subnet(&self) -> &str {
        self.parts.as_ref().map_or("172.17", |parts| &parts.network)
    }

    /// Whether the image is on the host and need not be pulled.
    pub fn on_host(&self, reference: &str) -> bool {
        self.images.get(reference).is_some_and(|image| image.on_host)
    }

    /// The behavior of an image.
    pub fn image(&self, reference: &str) -> Image {
        self.images.get(reference).cloned().unwrap_or_default()
    }
}

/// A dokku-postgres service.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Service {
    /// The id of its container; `None` while the service is stopped.
    pub container: Option<String>,
    /// The status of that container: `docker stop` does not remove it.
    pub status: Status,
    /// When that container was created, in nanoseconds since 1970.
    pub created_at: i128,
    pub ip: String,
    pub password: String,
    pub custom_env: String,
    /// `encoding`, `datcollate`, `datctype` of each database. The service's own is missing after
    /// `LC_ALL=C`.
    pub databases: BTreeMap<String, [String; 3]>,
    /// The number of Synapse's tables in its own database.
    pub tables: u32,
    /// The names of others' tables there.
    pub other_tables: Vec<String>,
    /// The number of tables there that belong to extensions.
    pub extension_tables: usize,
    pub links: BTreeSet<String>,
    /// Fixed answers of `postgres:connect`; the first match wins, before all built-in ones.
    pub answers: Vec<Answer>,
}

impl Service {
    /// The names of all tables of its own database but those of extensions, sorted. The first of Synapse's is the one that
    /// every version has; the others are only counted.
    pub(crate) fn table_names(&self) -> Vec<String> {
        let synapses = (0..self.tables).map(|number| match number {
            0 => "applied_schema_deltas".to_owned(),
            _ => format!("synapse_{number:03}"),
        });
        let mut names: Vec<String> = synapses.chain(self.other_tables.iter().cloned()).collect();
        names.sort();
        names
    }

    /// Whether its container runs.
    pub fn runs(&self) -> bool {
        self.container.is_some() && self.status.is_up()
    }
}

/// A fixed answer to a command or to SQL that contains a text.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Answer {
    /// The text that the joined arguments or the SQL must contain.
    pub contains: String,
    pub rc: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Whether Docker starts a container with that restart policy when Docker itself starts.
pub(crate) fn starts_at_boot(policy: &str) -> bool {
    matches!(policy, "always" | "unless-stopped")
}

/// Whether Docker restarts a container that exited with that code and was restarted that often
/// before.
pub(crate) fn restarts_after(policy: &str, code: i32, restarts: u32) -> bool {
    match policy.split_once(':').unwrap_or((policy, "")) {
        _ if starts_at_boot(policy) => true,
        // 0 means no limit.
        ("on-failure", most) => {
            let most: u32 = most.parse().unwrap_or_default();
            code != 0 && (most == 0 || restarts < most)
        }
        _ => false,
    }
}

/// The status of a container.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    #[default]
    Running,
    /// It has exited, and Docker waits for its back-off before it restarts it.
    Restarting,
    Exited,
    Removed,
}

impl Status {
    /// Whether Docker counts it as running, which includes the back-off before a restart.
    pub(crate) fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Restarting)
    }

    /// Docker's name of the status.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Exited | Self::Removed => "exited",
        }
    }
}

/// A container of an app, which runs one process.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Container {
    pub id: String,
    /// `run` or `cron` for a container of `dokku run`; empty for one that was deployed.
    pub kind: String,
    /// The program and its arguments, unless they are the image's own.
    pub argv: Vec<String>,
    /// The app in Docker's label.
    pub app: String,
    /// `web`, `worker`, and so on.
    pub process: String,
    pub index: u32,
    /// Docker's name of the container, such as `matrix.web.1`.
    pub name: String,
    /// The reference of the image that the app's image was built from.
    pub image: String,
    /// The value of `--user` in the docker options, if any.
    pub user: Option<String>,
    /// `host:container[:ro]`, at the time of its creation.
    pub mounts: Vec<String>,
    /// All docker options at the time of its creation.
    pub options: Vec<String>,
    /// The environment at the time of its creation.
    pub env: BTreeMap<String, String>,
    /// The linked services, with the id that the container of each had at that time.
    pub links: BTreeMap<String, String>,
    pub ip: String,
    /// Whether it had an address when Dokku recorded it; a container that waits for a restart has
    /// none.
    pub listed: bool,
    pub status: Status,
    /// Nanoseconds since 1970; a restart does not change it.
    pub created_at: i128,
    pub started_at: i128,
    /// When its process last exited, and its exit code.
    pub ended_at: i128,
    pub code: i32,
    pub restart_policy: String,
    /// How often Docker has restarted it; incremented when the back-off begins.
    pub restarts: u32,
    /// The process id of a real process.
    pub pid: u32,
    /// The mounted files that its process has read, when it started last: by their paths in the
    /// container. With real parts the process itself reads them.
    pub read: BTreeMap<String, String>,
}

/// A temporary container.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Temporary {
    pub id: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
}

/// The behavior of an image. The defaults describe a working image.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Image {
    pub on_host: bool,
    /// Whether its process keeps running. Independent of this, Synapse exits at once with a broken
    /// configuration, and Element Web with a user or a file that it cannot use.
    pub starts: bool,
    /// The exit code if it does not.
    pub code: i32,
    /// Whether `docker build` with this base image succeeds.
    pub builds: bool,
    /// The exposed ports: the port map of an app that has none of its own.
    pub ports: Vec<u16>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// Its entry point; `None` is the start script that such an image has.
    pub entrypoint: Option<Vec<String>>,
    pub cmd: Vec<String>,
    /// The commands of a Procfile in it, by process.
    pub procfile: BTreeMap<String, String>,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            on_host: false,
            starts: true,
            code: 0,
            builds: true,
            ports: Vec::new(),
            env: BTreeMap::new(),
            entrypoint: None,
            cmd: Vec::new(),
            procfile: BTreeMap::new(),
        }
    }
}

/// The global settings of dokku-letsencrypt.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Letsencrypt {
    /// Global properties: `email`, `server`, `lego-args`, `lego-docker-options`...
    pub properties: BTreeMap<String, String>,
    /// Whether the renewal cron job exists.
    pub cron: bool,
    /// Apps and domains for which `letsencrypt:enable` fails.
    pub fails: BTreeSet<String>,
}

/// The firewall of the host.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Ufw {
    pub active: bool,
    pub allowed: BTreeSet<String>,
}
