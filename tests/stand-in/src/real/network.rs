//! The network of a container: an interface on the host's bridge.

use anyhow::Result;

use super::container::Spec;
use super::program::{run, system};

/// The id, shortened to the length of an interface name.
pub(super) fn short(id: &str) -> &str {
    &id[..12]
}

/// The network interface of a container; removed when the value is dropped.
pub(super) struct Network(Option<String>);

impl Network {
    pub(super) fn create(spec: &Spec) -> Result<Self> {
        let Some((address, network)) = &spec.address else { return Ok(Self(None)) };
        let name = short(&spec.id);
        let host = format!("v{name}");
        // An earlier interface disappears a moment after its namespace. Both stay if the supervisor
        // was killed.
        let _ = ip(&format!("link delete {host}"));
        let _ = ip(&format!("netns delete {name}"));
        ip(&format!("netns add {name}"))?;
        let network_interface = Self(Some(name.to_owned()));
        // Derived from the IP address, as Docker does, so that no ARP cache is stale after a
        // restart.
        let mac: Vec<String> = address
            .split('.')
            .map(|part| part.parse().map(|part: u8| format!("{part:02x}")))
            .collect::<Result<_, _>>()?;
        let mac = format!("02:42:{}", mac.join(":"));
        ip(&format!("link add {host} type veth peer name eth0 address {mac} netns {name}"))?;
        ip(&format!("link set {host} master docker0 up"))?;
        for line in [
            "link set lo up".to_owned(),
            format!("address add {address}/16 dev eth0"),
            "link set eth0 up".to_owned(),
            format!("route add default via {network}.0.1"),
        ] {
            ip(&format!("-n {name} {line}"))?;
        }
        // Docker lets every user in a container bind to low ports.
        let ports = "echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start";
        run(system("ip").args(["netns", "exec", name, "sh", "-c", ports]))?;
        Ok(network_interface)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(name) = &self.0 {
            let _ = ip(&format!("netns delete {name}"));
        }
    }
}

fn ip(line: &str) -> Result<()> {
    run(system("ip").args(line.split(' ')))
}
