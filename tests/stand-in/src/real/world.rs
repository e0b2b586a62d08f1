//! An isolated network for stand-in hosts with real parts, with DNS and a certificate authority.
//! Nothing in it can reach the machine's network, and everything in it ends with the [`World`].

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

use super::namespaces::Namespaces;
use super::program::run;
use crate::binary::binary;
use crate::scratch::Scratch;

/// The address of the network's own services. Synapse's default block list treats this range as
/// public; it is never visible outside.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(11, 22, 33, 1);
/// The domains of the possible hosts; each host has all names below its domain.
const DOMAINS: [&str; 3] = ["alpha.test", "beta.test", "demo.test"];
/// The name of the certificate authority.
const AUTHORITY: &str = "acme.test";
const SCRIPT: &str = include_str!("world.sh");
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

/// A network of hosts with real parts: a test creates one, and then each host with
/// [`Scene::real`](crate::Scene::real).
#[derive(Debug)]
pub struct World {
    namespaces: Namespaces,
    dir: Scratch,
    tools: PathBuf,
}

impl World {
    /// Starts the network. `tools` is the directory that `dev/setup` fills.
    pub fn new(tools: &Path) -> Result<Self> {
        if !Uid::effective().is_root() {
            bail!(
                "only root makes networks; anybody is root in: unshare --map-auto --map-root-user"
            );
        }
        // Killing `cargo test` does not kill its tests.
        set_pdeathsig(Signal::SIGKILL)?;
        let dir = Scratch::new()?;
        // The users of hosts need to read it, and may not be able to read a checkout.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755))?;
        let own = dir.path().join("stand-in");
        fs::copy(binary()?, &own)?;
        fs::set_permissions(&own, Permissions::from_mode(0o755))?;
        let etc = dir.path().join("etc");
        fs::create_dir(&etc)?;
        fs::write(etc.join("resolv.conf"), format!("nameserver {ADDRESS}\n"))?;
        fs::write(etc.join("hosts"), HOSTS)?;
        fs::write(etc.join("nsswitch.conf"), NSSWITCH)?;
        fs::write(etc.join("ca-certificates.crt"), "")?;
        let mut command = Command::new("unshare");
        command.args(["--net", "--pid", "--mount", "--ipc", "--uts", "--fork", "--kill-child"]);
        command.args(["--mount-proc", "bash", "-c", SCRIPT, "world", &ADDRESS.to_string()]);
        let namespaces = Namespaces::start(command.arg(&etc).arg(dir.path()))?;
        let world = Self { namespaces, dir, tools: tools.to_owned() };
        world.start_dns()?;
        world.start_authority()?;
        Ok(world)
    }

    /// A command that runs in the network, but not on one of its hosts.
    pub fn command(&self, program: &str) -> Command {
        self.namespaces.enter(program)
    }

    /// The CA certificates that everything in the network trusts.
    pub fn trusted(&self) -> PathBuf {
        self.dir.path().join("etc/ca-certificates.crt")
    }

    /// The directory URL of the certificate authority.
    pub fn directory(&self) -> String {
        format!("https://{AUTHORITY}:14000/dir")
    }

    pub(crate) fn tools(&self) -> &Path {
        &self.tools
    }

    /// The directory of all files of this network; it is removed with the value.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts a program that runs as long as the network exists.
    pub(super) fn spawn(&self, command: Command, log: &str) -> Result<()> {
        self.namespaces.spawn(command, &self.dir().join(log))
    }

    /// The stand-in binary.
    pub(crate) fn binary(&self) -> PathBuf {
        self.dir.path().join("stand-in")
    }

    /// The address of the host with that domain, and its number, counted from 1.
    pub(crate) fn host_address(domain: &str) -> Result<(Ipv4Addr, u8)> {
        let at = DOMAINS.iter().position(|other| *other == domain);
        let number = u8::try_from(at.context("stand-in: no such domain in this world")? + 1)?;
        let [a, b, c, _] = ADDRESS.octets();
        Ok((Ipv4Addr::new(a, b, c, 10 + number), number))
    }

    pub(crate) fn address() -> String {
        ADDRESS.to_string()
    }

    /// Starts a DNS server that resolves the names of the hosts and answers NXDOMAIN for all
    /// others.
    fn start_dns(&self) -> Result<()> {
        let mut command = self.command("dnsmasq");
        command.args(["--keep-in-foreground", "--no-hosts", "--no-resolv", "--no-daemon"]);
        command.args(["--conf-file=/dev/null", "--bind-interfaces", "--user=root", "--group=root"]);
        command.arg(format!("--listen-address={ADDRESS}"));
        // No upstream servers: other names do not exist.
        command.args(["--local=/#/", &format!("--local=/{AUTHORITY}/")]);
        command.arg(format!("--address=/{AUTHORITY}/{ADDRESS}"));
        for domain in DOMAINS {
            command.arg(format!("--local=/{domain}/"));
            command.arg(format!("--address=/{domain}/{}", Self::host_address(domain)?.0));
        }
        self.spawn(command, "names.log")
    }

    fn start_authority(&self) -> Result<()> {
        let dir = self.dir.path();
        let (key, own) = (dir.join("acme.key"), dir.join("acme.crt"));
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
        let file = dir.join("acme.json");
        fs::write(&file, config.to_string())?;
        let mut pebble = self.command("pebble");
        pebble.arg("-config").arg(&file).arg("-dnsserver").arg(format!("{ADDRESS}:53"));
        // By default pebble delays validations and rejects some valid requests, to test clients.
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        self.spawn(pebble, "acme.log")?;
        let root = self.root_certificate(&own)?;
        Ok(fs::write(self.trusted(), fs::read_to_string(&own)? + &root)?)
    }

    /// The root certificate of the authority, which it creates at each start.
    fn root_certificate(&self, own: &Path) -> Result<String> {
        let since = Instant::now();
        loop {
            let mut curl = self.command("curl");
            curl.args(["--silent", "--fail", "--cacert"]).arg(own);
            let answer = curl.arg(format!("https://{AUTHORITY}:15000/roots/0")).output()?;
            if answer.status.success() {
                return Ok(String::from_utf8(answer.stdout)?);
            }
            if since.elapsed() > Duration::from_secs(20) {
                let log = fs::read_to_string(self.dir.path().join("acme.log"));
                bail!("stand-in: no certificate authority: {}", log.unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
