//! `domains:*` and `ports:*`: the domains and ports of an app.

use super::{change, config, parse, read, read_cmd, value};
use crate::{
    error::{Error, Result},
    host::{Host, Reading, cmd::Cmd, files},
    names::{AppName, Domain},
};

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The domains of an app, an empty list if its vhosts are disabled; absent if there is no such
/// app. Whether vhosts are disabled is read from the environment, because that report takes Dokku
/// ten times as long.
pub fn of(host: &Host, app: &AppName) -> Reading<Vec<String>> {
    let domains = value(host, &["domains:report", app.as_str(), "--domains-app-vhosts"]);
    domains.and_then(|text| {
        let no_vhost = config::get(host, app, "NO_VHOST").option();
        let disabled = no_vhost.map(|value| value.is_some_and(|value| value.expose() == "1"));
        disabled.map(|disabled| if disabled { vec![] } else { words(&text) }).into()
    })
}

/// The global domains: every new app gets a subdomain of each.
pub fn global(host: &Host) -> Result<Vec<String>> {
    let args = ["domains:report", "--global", "--domains-global-vhosts"];
    let text = value(host, &args).required(|| {
        Error::new(format!("`{}` ended with exit code {}", read_cmd(args), super::NO_APP))
    })?;
    Ok(words(&text))
}

/// Replaces all domains of an app with this one.
pub fn set(host: &Host, app: &AppName, domain: &Domain) -> Result<()> {
    change(host, ["domains:set", app.as_str(), domain.as_str()]).map(drop)
}

/// Adds a domain to an app.
pub fn add(host: &Host, app: &AppName, domain: &Domain) -> Result<()> {
    change(host, ["domains:add", app.as_str(), domain.as_str()]).map(drop)
}

/// The port map of an app, sorted, `scheme:host port:container port`; absent if there is no such
/// app.
pub fn ports(host: &Host, app: &AppName) -> Reading<Vec<String>> {
    let cmd = read_cmd(["ports:report", app.as_str(), "--ports-map"]);
    read(host, &cmd).and_then(|output| port_map(&cmd, &output.stdout).into())
}

fn port_map(cmd: &Cmd, stdout: &str) -> Result<Vec<String>> {
    let mut map = words(&parse::value(cmd, stdout)?);
    let is_mapping = |mapping: &String| {
        let words: Vec<&str> = mapping.split(':').collect();
        let [scheme, ports @ ..] = &words[..] else { return false };
        let are_ports = ports.iter().all(|port| port.parse::<u16>().is_ok());
        !scheme.is_empty() && ports.len() == 2 && are_ports
    };
    if !map.iter().all(is_mapping) {
        return Err(parse::malformed(cmd, "a port mapping of another form"));
    }
    map.sort();
    Ok(map)
}

/// Replaces the port map of an app.
pub fn set_ports(host: &Host, app: &AppName, map: &[String]) -> Result<()> {
    let words = ["ports:set", app.as_str()].into_iter().chain(map.iter().map(String::as_str));
    change(host, words).map(drop)
}

/// Clears the port map of an app.
pub fn clear_ports(host: &Host, app: &AppName) -> Result<()> {
    change(host, ["ports:clear", app.as_str()]).map(drop)
}

/// The apps that have a domain. Reads Dokku's `VHOST` files: with commands it would take one for
/// each app of the host. A directory that is not an app's may be unreadable.
pub fn owners(host: &Host, domain: &str) -> Result<Vec<String>> {
    let root = host.env().dokku_root();
    let mut owners = vec![];
    for app in files::list(&root)? {
        let path = root.join(&app).join("VHOST");
        let text = match files::read(&path) {
            Err(_) if app.parse::<AppName>().is_err() => continue,
            text => text?,
        };
        // An app without domains has no such file.
        let Some(text) = text else { continue };
        let vhosts = vhosts(&text).map_err(|why| {
            Error::new(format!("{path}: {why}")).hint(format!("dokku domains:report {app}"))
        })?;
        if vhosts.iter().any(|one| one == domain) {
            owners.push(app);
        }
    }
    Ok(owners)
}

/// The lines of a `VHOST` file: one domain each.
fn vhosts(text: &str) -> Result<Vec<String>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let domain = |line: &str| {
        if line.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!("{line:?} is not a domain"));
        }
        Ok(line.to_owned())
    };
    lines.map(domain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dokku::parse::tests::{cmd, what};

    #[test]
    fn reads_port_maps() {
        const OTHER: &str = "a port mapping of another form";
        for (stdout, want) in [
            ("\n", Ok("")),
            ("https:443:8008 http:80:8008\n", Ok("http:80:8008 https:443:8008")),
            ("", Err("nothing")),
            ("http:80:80", Err("an incomplete line")),
            ("http:80\n", Err(OTHER)),
            ("http:80:\n", Err(OTHER)),
            (":80:8008\n", Err(OTHER)),
            ("not deployed\n", Err(OTHER)),
        ] {
            let map = what(port_map(&cmd(), stdout)).map(|map| map.join(" "));
            assert_eq!(map, want.map(str::to_owned).map_err(str::to_owned), "{stdout:?}");
        }
    }

    #[test]
    fn reads_vhost_files() {
        assert_eq!(vhosts("").unwrap(), [""; 0]);
        assert_eq!(vhosts("a.example\n*.b.example\r\n\n").unwrap(), ["a.example", "*.b.example"]);
        assert_eq!(vhosts("a b\n").unwrap_err(), "\"a b\" is not a domain");
        assert_eq!(vhosts("a\0b\n").unwrap_err(), "\"a\\0b\" is not a domain");
    }
}
