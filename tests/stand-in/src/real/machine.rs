//! One host in a world: its namespaces, its user `dokku` and its nginx.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::namespaces::Namespaces;
use super::program::{as_user, run};
use super::world::World;

/// The id of the user and the group `dokku`. It is unused on this machine, and not 1000, because
/// the plugin must not rely on 1000.
const DOKKU: u32 = 21001;
/// The path of the tools on a host.
const TOOLS: &str = "/run/tools";
const SCRIPT: &str = include_str!("machine.sh");
const PASSWD: &str = "root:x:0:0::/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n\
    nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nadm:x:4:\nwww-data:x:33:\nnogroup:x:65534:\n";

/// Where the stand-in programs find the real parts; part of the host's state.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Parts {
    /// The directory into which `dev/setup` installs programs.
    pub tools: PathBuf,
    /// The network of the containers, without its last two numbers.
    pub network: String,
    /// The directory URL of the certificate authority.
    pub directory: String,
}

/// A running host with real parts.
#[derive(Debug)]
pub(crate) struct Machine {
    namespaces: Namespaces,
    pub(crate) parts: Parts,
    /// Its public address.
    pub(crate) address: String,
}

impl Machine {
    /// Starts a host with that domain in a prepared directory.
    pub(crate) fn start(world: &World, domain: &str, dir: &Path) -> Result<Self> {
        let (address, number) = World::host_address(domain)?;
        let network = format!("172.{}", 16 + number);
        let name = domain.split('.').next().unwrap_or_default();
        let ip = |line: &str| run(world.command("ip").args(line.split(' ')));
        // Remove what an earlier host with that domain left behind.
        let _ = ip(&format!("link delete {name}"));
        let _ = ip(&format!("netns delete {name}"));
        ip(&format!("netns add {name}"))?;
        // Always the same address, so that no ARP cache is stale after a restart of the host.
        let mac = format!("02:00:00:00:00:{number:02x}");
        ip(&format!("link add {name} type veth peer name eth0 address {mac} netns {name}"))?;
        ip(&format!("link set {name} master internet up"))?;
        // The host does no NAT, so its container network is routed to its address.
        ip(&format!("route replace {network}.0.0/16 via {address}"))?;
        let mut command = world.command("nsenter");
        command.arg(format!("--net=/run/netns/{name}"));
        command.args(["unshare", "--pid", "--mount", "--ipc", "--uts", "--fork", "--kill-child"]);
        command.args(["--mount-proc", "bash", "-c", SCRIPT, "machine"]);
        command.args([&address.to_string(), &network]).arg(dir).arg(World::address());
        command.arg(world.tools()).arg(world.binary());
        let namespaces = Namespaces::start(&mut command)?;
        let parts = Parts { tools: TOOLS.into(), network, directory: world.directory() };
        Ok(Self { namespaces, parts, address: address.to_string() })
    }

    /// A command that runs on the host as the user dokku.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let [setpriv, flags @ ..] = as_user(DOKKU, DOKKU);
        let mut command = self.root(&setpriv);
        command.args(flags).arg(program);
        command
    }

    /// A command that runs on the host as root.
    pub(crate) fn root(&self, program: &str) -> Command {
        self.namespaces.enter(program)
    }
}

/// Prepares the directory of a stand-in host for real parts: adds the files of root and sets the
/// owners.
pub(crate) fn prepare(dir: &Path) -> Result<()> {
    for part in ["etc", "log", "nginx"] {
        fs::create_dir_all(dir.join(part))?;
    }
    fs::write(
        dir.join("etc/passwd"),
        format!("{PASSWD}dokku:x:{DOKKU}:{DOKKU}::{}:/bin/bash\n", dir.join("home").display()),
    )?;
    fs::write(dir.join("etc/group"), format!("{GROUP}dokku:x:{DOKKU}:\n"))?;
    super::proxy::prepare(dir)?;
    give_to_dokku(dir)?;
    // nginx's workers must read the challenge files, and nothing below the homes.
    for (part, mode) in [("", 0o755), ("home", 0o700), ("state", 0o700)] {
        fs::set_permissions(dir.join(part), Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Makes dokku the owner of a path and everything below it.
pub(crate) fn give_to_dokku(path: &Path) -> Result<()> {
    std::os::unix::fs::lchown(path, Some(DOKKU), Some(DOKKU))?;
    if path.is_dir() && !path.is_symlink() {
        for entry in path.read_dir()? {
            give_to_dokku(&entry?.path())?;
        }
    }
    Ok(())
}
