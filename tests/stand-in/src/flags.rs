//! The supported container flags: of `docker run`, of `docker exec`, and in an app's docker
//! options. This is the only list of them. A flag in it works on every host, with or without real
//! parts; any other flag is refused.

use std::net::IpAddr;

use anyhow::{Result, bail};

use crate::postgres::hostname;

// A flag that ends in `=` takes a value.
const RUN: [&str; 20] = [
    "--link=",
    "--rm",
    "-i",
    "--interactive",
    "--no-healthcheck",
    "--network=",
    "--name=",
    "--label=",
    "--entrypoint=",
    "--user=",
    "-u=",
    "--volume=",
    "-v=",
    "--add-host=",
    "--cap-add=",
    "--cap-drop=",
    "--security-opt=",
    "--read-only",
    "--tmpfs=",
    "--pids-limit=",
];
const OPTIONS: [&str; 20] = [
    "--init",
    "--label=",
    "--link=",
    "--user=",
    "-u=",
    "--volume=",
    "-v=",
    "--add-host=",
    "--network=",
    "--net=",
    "--publish=",
    "-p=",
    "--publish-all",
    "-P",
    "--cap-add=",
    "--cap-drop=",
    "--security-opt=",
    "--read-only",
    "--tmpfs=",
    "--pids-limit=",
];
const EXEC: [&str; 2] = ["-i", "--interactive"];

/// The parsed flags.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Flags {
    pub(crate) user: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) entrypoint: Option<String>,
    /// `host:container[:ro]`
    pub(crate) mounts: Vec<String>,
    /// Additional entries of `/etc/hosts`: name and address.
    pub(crate) hosts: Vec<(String, String)>,
    /// The labels, without those that Dokku sets.
    pub(crate) labels: Vec<(String, String)>,
    /// The linked services.
    pub(crate) links: Vec<String>,
    /// Its first network; `None` is Docker's default one.
    pub(crate) network: Option<String>,
    /// The values of `--publish`.
    pub(crate) published: Vec<String>,
    /// Whether all ports of the image are published.
    pub(crate) publishes_all: bool,
    /// The capabilities that it gets and loses, as Docker names them: `CAP_CHOWN`, `ALL`.
    pub(crate) added: Vec<String>,
    pub(crate) dropped: Vec<String>,
    pub(crate) security: Vec<String>,
    /// Whether its own files cannot be changed.
    pub(crate) read_only: bool,
    /// Empty file systems in memory: path and options.
    pub(crate) tmpfs: Vec<(String, String)>,
    /// The most processes that it may have. Real parts do not enforce it.
    pub(crate) pids: Option<i64>,
    /// Whether it reads the caller's standard input.
    pub(crate) interactive: bool,
}

/// Parses the flags of `docker run` and returns the remaining arguments. Only temporary containers
/// with an explicit entry point are supported.
pub(crate) fn of_run(args: &[String]) -> Result<(Flags, &[String])> {
    let (flags, rest) = leading(&RUN, args)?;
    if flags.entrypoint.is_none() || !args.iter().any(|arg| arg == "--rm") {
        bail!("`docker run` without --rm and --entrypoint is not supported");
    }
    if flags.network.as_deref().is_some_and(|network| !["none", "bridge"].contains(&network)) {
        bail!("`docker run` in the network of the host or of other containers is not supported");
    }
    Ok((flags, rest))
}

/// Parses the flags of `docker exec` and returns the remaining arguments.
pub(crate) fn of_exec(args: &[String]) -> Result<(Flags, &[String])> {
    leading(&EXEC, args)
}

/// Parses docker options, each of which is one line.
pub(crate) fn of_options(options: &[String]) -> Result<Flags> {
    let line = options.join(" ");
    let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let (flags, rest) = leading(&OPTIONS, &args)?;
    // Dokku passes them through a shell; the stand-in does not support quoting.
    if !rest.is_empty() || line.contains(['"', '\'', '\\', '$', '`']) {
        bail!("docker options `{line}` are not supported");
    }
    Ok(flags)
}

fn leading<'a>(supported: &[&str], mut args: &'a [String]) -> Result<(Flags, &'a [String])> {
    let mut flags = Flags::default();
    while let Some((arg, rest)) = args.split_first().filter(|(arg, _)| arg.starts_with('-')) {
        args = rest;
        let (name, inline) =
            arg.split_once('=').map_or((arg.as_str(), None), |(name, value)| (name, Some(value)));
        let takes_value = supported.contains(&format!("{name}=").as_str());
        let value = match inline {
            None if takes_value => {
                let Some((next, rest)) = args.split_first() else {
                    bail!("`docker` with {arg} and no value is not supported")
                };
                args = rest;
                next.as_str()
            }
            None if supported.contains(&name) => "",
            Some(value) if takes_value => value,
            _ => bail!("`docker` with {arg} is not supported"),
        };
        flags.take(name, value)?;
    }
    Ok((flags, args))
}

impl Flags {
    fn take(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "--user" | "-u" => self.user = Some(value.to_owned()),
            "--name" => self.name = Some(value.to_owned()),
            "--entrypoint" => self.entrypoint = Some(value.to_owned()),
            // Named volumes are not supported.
            "--volume" | "-v" if value.starts_with('/') && value.contains(":/") => {
                self.mounts.push(value.to_owned());
            }
            "--add-host" => match value.split_once(':') {
                Some((host, address)) if address.parse::<IpAddr>().is_ok() => {
                    self.hosts.push((host.to_owned(), address.to_owned()));
                }
                _ => bail!("`docker` with {name} {value} is not supported"),
            },
            "--link" => {
                match value.strip_prefix("dokku.postgres.").and_then(|link| link.split_once(':')) {
                    Some((service, alias)) if alias == hostname(service) => {
                        self.links.push(service.to_owned());
                    }
                    _ => bail!("`docker` with {name} {value} is not supported"),
                }
            }
            "--network" | "--net" if matches!(value, "none" | "host" | "bridge") => {
                self.network = Some(value.to_owned());
            }
            "--publish" | "-p" => self.published.push(value.to_owned()),
            "--cap-add" => self.added.push(capability(value)),
            "--cap-drop" => self.dropped.push(capability(value)),
            "--security-opt" if value.starts_with("no-new-privileges") => {
                self.security.push(value.to_owned());
            }
            "--read-only" => self.read_only = true,
            "--tmpfs" if value.starts_with('/') => {
                let (path, options) = value.split_once(':').unwrap_or((value, ""));
                self.tmpfs.push((path.to_owned(), options.to_owned()));
            }
            "--pids-limit" => self.pids = Some(value.parse()?),
            "--publish-all" | "-P" => self.publishes_all = true,
            "-i" | "--interactive" => self.interactive = true,
            // A label without a value has an empty one.
            "--label" => {
                let (label, value) = value.split_once('=').unwrap_or((value, ""));
                self.labels.push((label.to_owned(), value.to_owned()));
            }
            // Dokku passes --init to every container; the others do not change what runs.
            "--init" | "--rm" | "--no-healthcheck" => {}
            _ => bail!("`docker` with {name} {value} is not supported"),
        }
        Ok(())
    }
}

/// Docker's name of a capability.
fn capability(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    if name == "ALL" || name.starts_with("CAP_") { name } else { format!("CAP_{name}") }
}
