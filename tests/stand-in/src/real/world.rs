//! A network of its own for stood-in hosts with real parts: names, a certificate authority, and
//! nobody else. Nothing in it reaches the machine's own network, and all of it ends with the value.

use std::fs::{self, Permissions};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::Uid;

use super::program::run;
use super::space::Space;
use crate::binary::binary;
use crate::scratch::Scratch;

/// Where the network's own services are: a range that Synapse's usual block list takes for public.
/// It is never seen outside.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(11, 22, 33, 1);
/// The domains of the hosts that may be in the network; each has every name below its own.
const DOMAINS: [&str; 3] = ["alpha.test", "beta.test", "demo.test"];
/// The certificate authority.
const AUTHORITY: &str = "acme.test";
const SCRIPT: &str = include_str!("world.sh");
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

/// The network.
#[derive(Debug)]
pub struct World {
    space: Space,
    folder: Scratch,
    tools: PathBuf,
}

impl World {
    /// Starts it. `tools` is the folder that `dev/setup` fills.
    pub fn new(tools: &Path) -> Result<Self> {
        if !Uid::effective().is_root() {
            bail!(
                "only root makes networks; anybody is root in: unshare --map-auto --map-root-user"
            );
        }
        // A `cargo test` that is killed does not end its tests.
        set_pdeathsig(Signal::SIGKILL)?;
        let folder = Scratch::new()?;
        // Users of hosts look into it, and may not into a checkout.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let own = folder.path().join("stand-in");
        fs::copy(binary()?, &own)?;
        fs::set_permissions(&own, Permissions::from_mode(0o755))?;
        let etc = folder.path().join("etc");
        fs::create_dir(&etc)?;
        fs::write(etc.join("resolv.conf"), format!("nameserver {ADDRESS}\n"))?;
        fs::write(etc.join("hosts"), HOSTS)?;
        fs::write(etc.join("nsswitch.conf"), NSSWITCH)?;
        fs::write(etc.join("ca-certificates.crt"), "")?;
        let mut command = Command::new("unshare");
        command.args(["--net", "--pid", "--mount", "--ipc", "--uts", "--fork", "--kill-child"]);
        command.args(["--mount-proc", "bash", "-c", SCRIPT, "world", &ADDRESS.to_string()]);
        let space = Space::start(command.arg(&etc).arg(folder.path()))?;
        let world = Self { space, folder, tools: tools.to_owned() };
        world.names()?;
        world.authority()?;
        Ok(world)
    }

    /// A program that is run in the network, on no host of it.
    pub fn command(&self, program: &str) -> Command {
        self.space.enter(program)
    }

    /// The certificate of whom everybody in the network trusts, and nobody else does.
    pub fn trusted(&self) -> PathBuf {
        self.folder.path().join("etc/ca-certificates.crt")
    }

    /// Where the certificate authority is asked.
    pub fn directory(&self) -> String {
        format!("https://{AUTHORITY}:14000/dir")
    }

    pub(crate) fn tools(&self) -> &Path {
        &self.tools
    }

    /// All that goes with it is below this one.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a program of its own that runs as long as the network is there.
    pub(super) fn leave(&self, command: Command, log: &str) -> Result<()> {
        self.space.leave(command, &self.folder().join(log))
    }

    /// The stood-in programs.
    pub(crate) fn binary(&self) -> PathBuf {
        self.folder.path().join("stand-in")
    }

    /// The address of the host with that domain, and its number, from 1.
    pub(crate) fn place(domain: &str) -> Result<(Ipv4Addr, u8)> {
        let at = DOMAINS.iter().position(|known| *known == domain);
        let number = u8::try_from(at.context("stand-in: no such domain in this world")? + 1)?;
        let [a, b, c, _] = ADDRESS.octets();
        Ok((Ipv4Addr::new(a, b, c, 10 + number), number))
    }

    pub(crate) fn address() -> String {
        ADDRESS.to_string()
    }

    /// Answers for the names of the hosts, and says of all others that they do not exist.
    fn names(&self) -> Result<()> {
        let mut command = self.command("dnsmasq");
        command.args(["--keep-in-foreground", "--no-hosts", "--no-resolv", "--no-daemon"]);
        command.args(["--conf-file=/dev/null", "--bind-interfaces", "--user=root", "--group=root"]);
        command.arg(format!("--listen-address={ADDRESS}"));
        // Of nobody else is asked: what is not here does not exist.
        command.args(["--local=/#/", &format!("--local=/{AUTHORITY}/")]);
        command.arg(format!("--address=/{AUTHORITY}/{ADDRESS}"));
        for domain in DOMAINS {
            command.arg(format!("--local=/{domain}/"));
            command.arg(format!("--address=/{domain}/{}", Self::place(domain)?.0));
        }
        self.leave(command, "names.log")
    }

    fn authority(&self) -> Result<()> {
        let folder = self.folder.path();
        let (key, own) = (folder.join("acme.key"), folder.join("acme.crt"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        openssl.args(["-nodes", "-days", "2", "-subj", "/CN=acme.test", "-addext"]);
        openssl.arg(format!("subjectAltName=DNS:{AUTHORITY}")).arg("-keyout").arg(&key);
        run(openssl.arg("-out").arg(&own))?;
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("{ADDRESS}:14000"),
            "managementListenAddress": format!("{ADDRESS}:15000"),
            "certificate": own,
            "privateKey": key,
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        }});
        let file = folder.join("acme.json");
        fs::write(&file, config.to_string())?;
        let mut pebble = self.command("pebble");
        pebble.arg("-config").arg(&file).arg("-dnsserver").arg(format!("{ADDRESS}:53"));
        // It would wait some seconds before it looks, and refuse some good requests, to test clients.
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        self.leave(pebble, "acme.log")?;
        let root = self.root(&own)?;
        Ok(fs::write(self.trusted(), fs::read_to_string(&own)? + &root)?)
    }

    /// The certificate that its certificates come of; it makes a new one at each start.
    fn root(&self, own: &Path) -> Result<String> {
        let since = Instant::now();
        loop {
            let mut curl = self.command("curl");
            curl.args(["--silent", "--fail", "--cacert"]).arg(own);
            let answer = curl.arg(format!("https://{AUTHORITY}:15000/roots/0")).output()?;
            if answer.status.success() {
                return Ok(String::from_utf8(answer.stdout)?);
            }
            if since.elapsed() > Duration::from_secs(20) {
                let log = fs::read_to_string(self.folder.path().join("acme.log"));
                bail!("stand-in: no certificate authority: {}", log.unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
