//! What separates a container from the host and from the network, as Docker reports it.

use super::container::nullable;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The settings that a container was created with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Isolation {
    /// The network; `host` is the host's own.
    pub network_mode: String,
    /// Whether all ports that the image names are published.
    #[serde(rename = "PublishAllPorts")]
    pub publishes_all: bool,
    /// The capabilities that it has lost; `ALL` for all.
    #[serde(rename = "CapDrop", deserialize_with = "nullable")]
    pub dropped: Vec<String>,
    /// The values of `--security-opt`.
    #[serde(rename = "SecurityOpt", deserialize_with = "nullable")]
    pub security: Vec<String>,
    /// Whether it cannot change the files of its image.
    #[serde(rename = "ReadonlyRootfs")]
    pub read_only: bool,
    /// Its file systems in memory: path and options. Docker leaves the field out without any.
    #[serde(rename = "Tmpfs", default, deserialize_with = "nullable")]
    pub tmpfs: BTreeMap<String, String>,
    /// The most processes that it may have; `None` is any number.
    #[serde(rename = "PidsLimit")]
    pub pids: Option<i64>,
    #[serde(rename = "PortBindings", deserialize_with = "nullable")]
    bindings: BTreeMap<String, Option<Vec<Binding>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Binding {
    #[serde(rename = "HostIp")]
    address: String,
}

impl Isolation {
    /// The published ports, `8008/tcp`, each with the address of the host; that is empty for all of
    /// its addresses.
    pub fn ports(&self) -> impl Iterator<Item = (&str, &str)> {
        self.bindings.iter().flat_map(|(port, bindings)| {
            let bindings = bindings.iter().flatten();
            bindings.map(move |binding| (port.as_str(), binding.address.as_str()))
        })
    }
}
