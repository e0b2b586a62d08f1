//! One host in a world: its namespaces, its user `dokku`, its nginx.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::program::{as_user, run};
use super::space::Space;
use super::world::World;

/// The user and group `dokku`: nobody's on this machine, and not 1000, which a plugin must not count on.
const DOKKU: u32 = 21001;
/// Where a host has its tools.
const TOOLS: &str = "/run/tools";
const SCRIPT: &str = include_str!("machine.sh");
const PASSWD: &str = "root:x:0:0::/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n\
    nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nadm:x:4:\nwww-data:x:33:\nnogroup:x:65534:\n";

/// What the stood-in programs have to know of it; part of the host's state.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Parts {
    /// Where `dev/setup` puts programs.
    pub tools: PathBuf,
    /// The network of the containers, without its last two numbers.
    pub network: String,
    /// Where the certificate authority is asked.
    pub directory: String,
}

/// The host's namespaces.
#[derive(Debug)]
pub(crate) struct Machine {
    space: Space,
    pub(crate) parts: Parts,
    /// Its public address.
    pub(crate) address: String,
}

impl Machine {
    /// Starts a host with that domain in a folder that is laid out for it.
    pub(crate) fn start(world: &World, domain: &str, folder: &Path) -> Result<Self> {
        let (address, number) = World::place(domain)?;
        let network = format!("172.{}", 16 + number);
        let name = domain.split('.').next().unwrap_or_default();
        let ip = |line: &str| run(world.command("ip").args(line.split(' ')));
        // What an earlier host of that domain has left.
        let _ = ip(&format!("link delete {name}"));
        let _ = ip(&format!("netns delete {name}"));
        ip(&format!("netns add {name}"))?;
        // The same each time, so that nobody looks for the earlier one.
        let mac = format!("02:00:00:00:00:{number:02x}");
        ip(&format!("link add {name} type veth peer name eth0 address {mac} netns {name}"))?;
        ip(&format!("link set {name} master internet up"))?;
        // Only a host with this network's address is told of; there is no NAT to look through.
        ip(&format!("route replace {network}.0.0/16 via {address}"))?;
        let mut command = world.command("nsenter");
        command.arg(format!("--net=/run/netns/{name}"));
        command.args(["unshare", "--pid", "--mount", "--ipc", "--uts", "--fork", "--kill-child"]);
        command.args(["--mount-proc", "bash", "-c", SCRIPT, "machine"]);
        command.args([&address.to_string(), &network]).arg(folder).arg(World::address());
        command.arg(world.tools()).arg(world.binary());
        let space = Space::start(&mut command)?;
        let parts = Parts { tools: TOOLS.into(), network, directory: world.directory() };
        Ok(Self { space, parts, address: address.to_string() })
    }

    /// A program that is run on the host by the user dokku.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let [setpriv, flags @ ..] = as_user(DOKKU, DOKKU);
        let mut command = self.root(&setpriv);
        command.args(flags).arg(program);
        command
    }

    /// The same by root.
    pub(crate) fn root(&self, program: &str) -> Command {
        self.space.enter(program)
    }
}

/// Makes what a stood-in host has into one with real parts: the files of root, and whose the others
/// are.
pub(crate) fn lay_out(folder: &Path) -> Result<()> {
    for part in ["etc", "log", "nginx"] {
        fs::create_dir_all(folder.join(part))?;
    }
    fs::write(
        folder.join("etc/passwd"),
        format!("{PASSWD}dokku:x:{DOKKU}:{DOKKU}::{}:/bin/bash\n", folder.join("home").display()),
    )?;
    fs::write(folder.join("etc/group"), format!("{GROUP}dokku:x:{DOKKU}:\n"))?;
    super::proxy::lay_out(folder)?;
    give(folder)?;
    // nginx's workers find the files of challenges, and nothing below the homes.
    for (part, mode) in [("", 0o755), ("home", 0o700), ("state", 0o700)] {
        fs::set_permissions(folder.join(part), Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Gives what root has made to dokku.
pub(crate) fn give(path: &Path) -> Result<()> {
    std::os::unix::fs::lchown(path, Some(DOKKU), Some(DOKKU))?;
    if path.is_dir() && !path.is_symlink() {
        for entry in path.read_dir()? {
            give(&entry?.path())?;
        }
    }
    Ok(())
}
