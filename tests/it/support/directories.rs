//! The directories of one homeserver with everything that the plugin writes there, and a container
//! that sees them under the paths that the files mention.

use super::{host, synapse_home};
use camino::{Utf8Path, Utf8PathBuf};
use dokku_matrix::{
    error::Result,
    host::{cmd::Cmd, cmd::Output, files, random, scrub::Scrubber, secret::Secret},
    state::{Federation, Settings, Spec, Tls},
    synapse::{
        config, database,
        email::{Smtp, email_yaml},
        probe::{self, Reach},
        signing_key, validate,
    },
};
use stand_in::Scratch;
use std::{collections::BTreeMap, fs};

/// A delegated server: its name is not its domain.
pub(crate) fn server() -> Spec {
    Spec {
        server_name: "example.org".parse().unwrap(),
        app: "matrix".parse().unwrap(),
        domain: "matrix.example.org".parse().unwrap(),
        service: "matrix-db".parse().unwrap(),
        image: "matrixdotorg/synapse:v1.163.2".parse().unwrap(),
        tls: Tls::Letsencrypt,
        port_8448: true,
        federation: Federation::Open,
        email: None,
        timeout: 300,
        support: None,
        components: BTreeMap::new(),
    }
}

pub(crate) struct Directories {
    root: Utf8PathBuf,
    server: Spec,
    #[expect(dead_code, reason = "the directory is removed with the value")]
    directory: Scratch,
}

impl Directories {
    pub(crate) fn write(server: &Spec, database_url: &Secret, smtp: Option<&Smtp>) -> Self {
        let directory = Scratch::new().unwrap();
        let root = Utf8PathBuf::from(directory.path().to_str().unwrap());
        let directories = Self { root, server: server.clone(), directory };
        for directory in ["config/homeserver.d", "config/secrets", "data", "test"] {
            fs::create_dir_all(directories.root.join(directory)).unwrap();
        }
        let put = |name: &str, text: &str| directories.put(&format!("homeserver.d/{name}"), text);
        put(config::SERVER_FILE, &config::server_yaml(server).unwrap());
        put(config::DATABASE_FILE, database::database_yaml(database_url).unwrap().expose());
        if let Some(smtp) = smtp {
            let mail = email_yaml(smtp, Some("https://chat.example.org")).unwrap();
            put(config::EMAIL_FILE, mail.expose());
        }
        put(config::LOCAL_FILE, config::LOCAL_YAML);
        directories.put(config::LOG_FILE, config::LOG_CONFIG);
        directories.put("secrets/signing.key", signing_key::generate().unwrap().expose());
        for name in config::SECRETS {
            directories.put(&format!("secrets/{name}"), random::secret().unwrap().expose());
        }
        directories
    }

    /// The directory that the container sees as `/config`.
    pub(crate) fn config(&self) -> Utf8PathBuf {
        self.root.join("config")
    }

    /// The directory that the container sees as `/test`, for additional files of the test.
    pub(crate) fn test(&self) -> Utf8PathBuf {
        self.root.join("test")
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        fs::write(self.config().join(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.config().join(name)).unwrap()
    }

    /// The administrator's file.
    pub(crate) fn put_local(&self, text: &str) {
        self.put(&format!("homeserver.d/{}", config::LOCAL_FILE), text);
    }

    /// Every configuration file with its content.
    pub(crate) fn snapshot(&self) -> Vec<(Utf8PathBuf, String)> {
        let mut all = vec![];
        for directory in ["", "homeserver.d", "secrets"] {
            for name in files::list(&self.config().join(directory)).unwrap() {
                let name = Utf8Path::new(directory).join(name);
                if self.config().join(&name).is_file() {
                    let text = self.read(name.as_str());
                    all.push((name, text));
                }
            }
        }
        all
    }

    /// Lets Synapse validate the configuration, and returns the error that the plugin would show,
    /// if any.
    pub(crate) fn validate(&self) -> Vec<String> {
        self.settings().map_or_else(|error| error.lines(), |_| vec![])
    }

    /// Lets Synapse validate the configuration, and returns what it says.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let server = &self.server;
        let local = self.read(&format!("homeserver.d/{}", config::LOCAL_FILE));
        let (config, data) = (self.config(), self.root.join("data"));
        let input = validate::Subject { spec: server, config, data, local };
        let output = self.run_with(validate::PROGRAM, &validate::CHECK, validate::SCRIPT);
        validate::outcome(&Scrubber::default(), &input, &output)
    }

    /// Lets Synapse ask what it needs.
    pub(crate) fn reach(&self) -> Reach {
        let output = self.run_with(validate::PROGRAM, &validate::PROBE, validate::SCRIPT);
        probe::outcome(&Scrubber::default(), &self.server.app, &output).unwrap()
    }

    /// Runs a program in the container, with a text as its standard input.
    fn run_with(&self, program: &str, args: &[&str], text: &str) -> Output {
        let cmd = Cmd::reads("bwrap").args(self.container()).arg(program).args(args).stdin(text);
        host().run(&cmd).unwrap_or_else(|error| panic!("{error}: run dev/setup"))
    }

    /// Runs a program in the container.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> Output {
        let cmd = Cmd::reads("bwrap").args(self.container()).arg(program).args(args);
        host().run(&cmd).unwrap_or_else(|error| panic!("{error}: run dev/setup"))
    }

    /// The arguments of bubblewrap: a system, Synapse, and the mounts. The container's user is
    /// never root, whoever runs the test.
    pub(crate) fn container(&self) -> Vec<String> {
        let home = synapse_home();
        let home = home.to_str().unwrap();
        let root = &self.root;
        format!(
            "--die-with-parent --unshare-user --uid 1001 --gid 1001 --proc /proc --dev /dev \
             --tmpfs /tmp --chdir /tmp --ro-bind /usr /usr --ro-bind /etc /etc \
             --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
             --ro-bind {home} {home} --setenv PATH {home}/bin:/usr/bin \
             --ro-bind {root}/config /config --bind {root}/data /data --ro-bind {root}/test /test"
        )
        .split_whitespace()
        .map(str::to_owned)
        .collect()
    }
}
