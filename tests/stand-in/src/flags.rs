//! The flags of containers: of `docker run` and `docker exec`, and those that an app's docker options
//! hold. This is the only list of them: what stands here works on every host, with real parts too, and
//! any other flag is refused.

use std::net::IpAddr;

use anyhow::{Result, bail};

use crate::postgres::hostname;

// A flag that ends in `=` has a value.
const RUN: [&str; 10] = [
    "--rm",
    "--no-healthcheck",
    "--network=",
    "--label=",
    "--entrypoint=",
    "--user=",
    "-u=",
    "--volume=",
    "-v=",
    "--add-host=",
];
const OPTIONS: [&str; 7] =
    ["--init", "--link=", "--user=", "-u=", "--volume=", "-v=", "--add-host="];
const EXEC: [&str; 2] = ["-i", "--interactive"];

/// What they come to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Flags {
    pub(crate) user: Option<String>,
    pub(crate) entrypoint: Option<String>,
    /// `host:container[:ro]`
    pub(crate) mounts: Vec<String>,
    /// More names for `/etc/hosts`, with their addresses.
    pub(crate) hosts: Vec<(String, String)>,
    /// The services that it is linked to.
    pub(crate) links: Vec<String>,
    /// Whether it is to have no network.
    pub(crate) alone: bool,
    /// Whether it gets the caller's standard input.
    pub(crate) interactive: bool,
}

/// Those of `docker run`, and what follows them. Only a throw-away container is known, with a program
/// that is named.
pub(crate) fn of_run(args: &[String]) -> Result<(Flags, &[String])> {
    let (flags, rest) = leading(&RUN, args)?;
    if flags.entrypoint.is_none() || !args.iter().any(|arg| arg == "--rm") {
        bail!("`docker run` without --rm and --entrypoint is not known");
    }
    Ok((flags, rest))
}

/// Those of `docker exec`, and what follows them.
pub(crate) fn of_exec(args: &[String]) -> Result<(Flags, &[String])> {
    leading(&EXEC, args)
}

/// Those in docker options, of which each is a line.
pub(crate) fn of_options(options: &[String]) -> Result<Flags> {
    let line = options.join(" ");
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let (flags, rest) = leading(&OPTIONS, &words)?;
    // Dokku has a shell read them.
    if !rest.is_empty() || line.contains(['"', '\'', '\\', '$', '`']) {
        bail!("docker options `{line}` are not known");
    }
    Ok(flags)
}

fn leading<'a>(known: &[&str], mut args: &'a [String]) -> Result<(Flags, &'a [String])> {
    let mut flags = Flags::default();
    while let Some((arg, rest)) = args.split_first().filter(|(arg, _)| arg.starts_with('-')) {
        args = rest;
        let (name, given) =
            arg.split_once('=').map_or((arg.as_str(), None), |(name, value)| (name, Some(value)));
        let valued = known.contains(&format!("{name}=").as_str());
        let value = match given {
            None if valued => {
                let Some((next, rest)) = args.split_first() else {
                    bail!("`docker` with {arg} and no value is not known")
                };
                args = rest;
                next.as_str()
            }
            None if known.contains(&name) => "",
            Some(value) if valued => value,
            _ => bail!("`docker` with {arg} is not known"),
        };
        flags.take(name, value)?;
    }
    Ok((flags, args))
}

impl Flags {
    fn take(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "--user" | "-u" => self.user = Some(value.to_owned()),
            "--entrypoint" => self.entrypoint = Some(value.to_owned()),
            // Volumes with a name are not known.
            "--volume" | "-v" if value.starts_with('/') && value.contains(":/") => {
                self.mounts.push(value.to_owned());
            }
            "--add-host" => match value.split_once(':') {
                Some((host, address)) if address.parse::<IpAddr>().is_ok() => {
                    self.hosts.push((host.to_owned(), address.to_owned()));
                }
                _ => bail!("`docker` with {name} {value} is not known"),
            },
            "--link" => {
                match value.strip_prefix("dokku.postgres.").and_then(|link| link.split_once(':')) {
                    Some((service, alias)) if alias == hostname(service) => {
                        self.links.push(service.to_owned());
                    }
                    _ => bail!("`docker` with {name} {value} is not known"),
                }
            }
            "--network" if value == "none" => self.alone = true,
            "-i" | "--interactive" => self.interactive = true,
            // Dokku gives --init to all; the others are for Docker's own books.
            "--init" | "--rm" | "--no-healthcheck" | "--label" => {}
            _ => bail!("`docker` with {name} {value} is not known"),
        }
        Ok(())
    }
}
