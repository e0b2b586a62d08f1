//! A container, as `docker container inspect` describes it.
//!
//! Owns the fields that Docker always gives. Runs nothing.

use super::{isolation::Isolation, parse};
use crate::{
    dokku::storage::Mount,
    error::Result,
    host::{cmd::Cmd, secret::Secret},
};
use serde::{Deserialize, Deserializer, de::Error as _};
use std::collections::BTreeMap;

/// A container of an app, as it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The program that it was started with, and its arguments.
    pub argv: Vec<String>,
    /// The image that the app was deployed from; Dokku builds its own image from that. Empty if
    /// the app was not deployed from an image.
    pub source_image: String,
    /// When it was created, in milliseconds since 1970.
    pub created: i64,
    /// The names of the containers that it is linked to.
    pub links: Vec<String>,
    /// When it started last, in milliseconds since 1970; 0 if never.
    pub started: i64,
    /// When it ended last, in milliseconds since 1970; 0 if never.
    pub ended: i64,
    /// How often Docker has restarted it.
    pub restarts: u32,
    /// Whether it has ended and Docker's back-off delays the next restart.
    pub restarting: bool,
    /// Its IP addresses; none during a back-off.
    pub addresses: Vec<String>,
    /// The user and group in the container, as given to Docker: `1001:1001`.
    pub user: String,
    /// Its environment, `NAME=value`: with the password of the database.
    env: Vec<Secret>,
    labels: BTreeMap<String, String>,
    /// What it has mounted of the host.
    pub mounts: Vec<Mount>,
    /// What separates it from the host.
    pub isolation: Isolation,
}

impl Container {
    /// Whether it is what listens at `ip:port`, according to Dokku.
    pub fn is_at(&self, listener: &str) -> bool {
        let ip = listener.rsplit_once(':').map_or("", |(ip, _)| ip);
        // Dokku records this address for a container in the host's network.
        let is_host = ip == "127.0.0.1";
        !self.restarting && (is_host || self.addresses.iter().any(|address| address == ip))
    }

    /// The value of a label; `None` if it does not have it.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    /// Whether a variable of its environment has this value.
    pub fn has_variable(&self, name: &str, value: &str) -> bool {
        self.env.iter().any(|pair| pair.expose().split_once('=') == Some((name, value)))
    }
}

/// A time as Docker writes it, in milliseconds since 1970; 0 for Docker's "never", the year 1.
fn milliseconds(time: &str) -> Result<i64, jiff::Error> {
    time.parse::<jiff::Timestamp>().map(|time| time.as_millisecond().max(0))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspect {
    id: String,
    name: String,
    path: String,
    args: Vec<String>,
    #[serde(deserialize_with = "time")]
    created: i64,
    state: State,
    restart_count: u32,
    config: Config,
    host_config: HostConfig,
    mounts: Vec<MountPoint>,
    network_settings: NetworkSettings,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    restarting: bool,
    #[serde(deserialize_with = "time")]
    started_at: i64,
    #[serde(deserialize_with = "time")]
    finished_at: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    user: String,
    #[serde(deserialize_with = "nullable")]
    env: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    #[serde(deserialize_with = "nullable")]
    links: Vec<String>,
    #[serde(flatten)]
    isolation: Isolation,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MountPoint {
    source: String,
    destination: String,
    #[serde(rename = "RW")]
    rw: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    networks: BTreeMap<String, Network>,
}

#[derive(Deserialize)]
struct Network {
    #[serde(rename = "IPAddress")]
    ip_address: String,
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    milliseconds(&String::deserialize(from)?).map_err(D::Error::custom)
}

/// Docker writes an empty list or map as null too. The field itself must be there.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// The image that Dokku built its own image from, by the labels of that; empty without one.
pub(super) fn source_image(cmd: &Cmd, labels: &BTreeMap<String, String>) -> Result<String> {
    // A JSON array of references. Apps that were not deployed from an image lack it.
    let Some(tags) = labels.get("com.dokku.docker-image-labeler/alternate-tags") else {
        return Ok(String::new());
    };
    let tags = serde_json::from_str::<Vec<String>>(tags)
        .map_err(|_| parse::malformed(cmd, "a malformed label for the source image"))?;
    Ok(tags.into_iter().next_back().unwrap_or_default())
}

/// Parses the output of `docker container inspect --format '{{json .}}'`.
pub(super) fn parse(cmd: &Cmd, stdout: &str) -> Result<Container> {
    let all: Inspect = parse::json(cmd, stdout)?;
    // `/<container>:/<its own name>/<alias>`
    let link = |link: &String| {
        let name = link.strip_prefix('/').and_then(|rest| rest.split_once(":/"));
        let name = name.map(|(name, _)| name.to_owned());
        name.ok_or_else(|| parse::malformed(cmd, "a malformed link"))
    };
    let addresses = all.network_settings.networks.into_values().map(|network| network.ip_address);
    let mount = |mount: MountPoint| Mount {
        host: mount.source,
        container: mount.destination,
        readonly: !mount.rw,
    };
    Ok(Container {
        id: all.id,
        name: all.name.trim_start_matches('/').to_owned(),
        argv: [all.path].into_iter().chain(all.args).collect(),
        source_image: source_image(cmd, &all.config.labels)?,
        created: all.created,
        links: all.host_config.links.iter().map(link).collect::<Result<_>>()?,
        started: all.state.started_at,
        ended: all.state.finished_at,
        restarts: all.restart_count,
        restarting: all.state.restarting,
        addresses: addresses.filter(|address| !address.is_empty()).collect(),
        user: all.config.user,
        env: all.config.env.into_iter().map(Secret::new).collect(),
        labels: all.config.labels,
        mounts: all.mounts.into_iter().map(mount).collect(),
        isolation: all.host_config.isolation,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dokku::parse::tests::{cmd, what};
    use serde_json::{Value, json};

    fn document() -> Value {
        json!({
            "Id": "5f", "Name": "/matrix.web.1", "Path": "/start.py", "Args": ["run"],
            "Created": "2026-11-23T00:51:53.3Z",
            "State": {
                "Restarting": false, "StartedAt": "2026-11-23T00:51:54Z",
                "FinishedAt": "0001-01-01T00:00:00Z",
            },
            "RestartCount": 3,
            "Config": {
                "User": "1001:1001", "Env": ["A=b"],
                "Labels": {
                    "com.dokku.docker-image-labeler/alternate-tags": "[\"a:1\"]",
                    "com.dokku-matrix.server": "example.org",
                },
            },
            "HostConfig": {
                "Links": ["/dokku.postgres.db:/matrix.web.1/dokku-postgres-db"],
                "CapDrop": ["ALL"], "SecurityOpt": null, "ReadonlyRootfs": true, "PidsLimit": 5,
                "NetworkMode": "default", "PublishAllPorts": true,
                "PortBindings": {
                    "8008/tcp": [{ "HostIp": "", "HostPort": "" }],
                    "9000/udp": [{ "HostIp": "127.0.0.1", "HostPort": "9" }],
                },
            },
            "Mounts": [{ "Source": "/h", "Destination": "/c", "RW": false }],
            "NetworkSettings": { "Networks": { "bridge": { "IPAddress": "172.17.0.3" } } },
        })
    }

    #[test]
    fn parses_the_whole_document() {
        let container = parse(&cmd(), &format!("{}\n", document())).unwrap();
        let want = Container {
            id: "5f".to_owned(),
            name: "matrix.web.1".to_owned(),
            argv: ["/start.py", "run"].map(str::to_owned).to_vec(),
            source_image: "a:1".to_owned(),
            created: 1_795_395_113_300,
            links: vec!["dokku.postgres.db".to_owned()],
            started: 1_795_395_114_000,
            ended: 0,
            restarts: 3,
            restarting: false,
            addresses: vec!["172.17.0.3".to_owned()],
            user: "1001:1001".to_owned(),
            env: vec![Secret::new("A=b")],
            labels: container.labels.clone(),
            mounts: vec![Mount { host: "/h".into(), container: "/c".into(), readonly: true }],
            isolation: container.isolation.clone(),
        };
        assert_eq!(container, want);
        let isolation = &container.isolation;
        assert_eq!((isolation.network_mode.as_str(), isolation.publishes_all), ("default", true));
        let ports: Vec<_> = isolation.ports().collect();
        assert_eq!(ports, [("8008/tcp", ""), ("9000/udp", "127.0.0.1")]);
        assert_eq!(container.label("com.dokku-matrix.server"), Some("example.org"));
        assert_eq!(container.label("com.dokku-matrix"), None);
        assert!(!format!("{container:?}").contains("A=b"));
    }

    #[test]
    fn parses_what_docker_may_leave_empty() {
        let mut all = document();
        all["HostConfig"]["Links"] = Value::Null;
        all["HostConfig"]["PortBindings"] = Value::Null;
        all["Config"]["Env"] = Value::Null;
        all["Config"]["Labels"] = json!({});
        all["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] = json!("");
        let container = parse(&cmd(), &format!("{all}\n")).unwrap();
        assert_eq!(container.source_image, "");
        assert!(container.links.is_empty() && container.addresses.is_empty());
    }

    #[test]
    fn rejects_incomplete_documents() {
        for path in [
            "/Id",
            "/Name",
            "/Path",
            "/Args",
            "/Created",
            "/State",
            "/State/Restarting",
            "/State/StartedAt",
            "/State/FinishedAt",
            "/RestartCount",
            "/Config",
            "/Config/User",
            "/Config/Env",
            "/Config/Labels",
            "/HostConfig",
            "/HostConfig/Links",
            "/HostConfig/NetworkMode",
            "/HostConfig/CapDrop",
            "/HostConfig/SecurityOpt",
            "/HostConfig/ReadonlyRootfs",
            "/HostConfig/PublishAllPorts",
            "/HostConfig/PortBindings",
            "/Mounts",
            "/Mounts/0/Source",
            "/Mounts/0/Destination",
            "/Mounts/0/RW",
            "/NetworkSettings",
            "/NetworkSettings/Networks",
            "/NetworkSettings/Networks/bridge/IPAddress",
        ] {
            let (parent, key) = path.rsplit_once('/').unwrap();
            let mut all = document();
            all.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
            let want = format!("JSON without the field {key:?}");
            assert_eq!(what(parse(&cmd(), &format!("{all}\n"))), Err(want), "{path}");
        }
    }

    #[test]
    fn rejects_malformed_values() {
        const TYPES: &str = "JSON with values of other types";
        for (path, value, want) in [
            ("/Created", json!("yesterday"), TYPES),
            ("/State/StartedAt", json!(""), TYPES),
            ("/RestartCount", json!("3"), TYPES),
            ("/Mounts", json!({}), TYPES),
            ("/HostConfig/Links/0", json!("db"), "a malformed link"),
            (
                "/Config/Labels/com.dokku.docker-image-labeler~1alternate-tags",
                json!("[\"a:"),
                "a malformed label for the source image",
            ),
        ] {
            let mut all = document();
            *all.pointer_mut(path).unwrap() = value;
            assert_eq!(what(parse(&cmd(), &format!("{all}\n"))), Err(want.to_owned()), "{path}");
        }
        let text = document().to_string();
        for (stdout, want) in [
            (String::new(), "nothing"),
            (text[..50].to_owned(), "an incomplete line"),
            (format!("{}\n", &text[..50]), "incomplete JSON"),
        ] {
            assert_eq!(what(parse(&cmd(), &stdout)), Err(want.to_owned()), "{stdout}");
        }
    }

    #[test]
    fn parses_times() {
        for (time, want) in [
            ("2026-11-23T00:51:53.300119577Z", Some(1_795_395_113_300)),
            ("0001-01-01T00:00:00Z", Some(0)),
            ("", None),
            ("2026-11-23T00:5", None),
        ] {
            assert_eq!(milliseconds(time).ok(), want, "{time}");
        }
    }

    #[test]
    fn is_not_at_an_outdated_address() {
        let container = Container {
            addresses: ["172.17.0.3", "fd00::3"].map(str::to_owned).to_vec(),
            ..Container::default()
        };
        let restarting = Container { restarting: true, ..container.clone() };
        for (listener, is_at) in [
            ("172.17.0.3:8008", true),
            ("fd00::3:8008", true),
            ("127.0.0.1:8008", true),
            ("172.17.0.33:8008", false),
            ("172.17.0.4:8008", false),
            ("172.17.0.3", false),
            ("", false),
        ] {
            assert_eq!(container.is_at(listener), is_at, "{listener}");
            assert!(!restarting.is_at(listener), "{listener}");
        }
    }
}
