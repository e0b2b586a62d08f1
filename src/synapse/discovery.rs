//! Where another server finds this one: server discovery, as the specification of the federation API
//! describes it.
//!
//! Asks the public addresses; must not know what this host would like them to be.

use crate::{
    host::{
        Host,
        net::{self, Request, Via},
    },
    names::ServerName,
    synapse::well_known::{self, File},
};
use serde_json::Value;

const FEDERATION_PORT: u16 = 8448;

/// Where other servers connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name that the certificate must be for, with the port of the header `Host` if there is one.
    pub authority: String,
    /// The host and the port to connect to.
    pub connect: (String, u16),
    /// What led there.
    pub by: &'static str,
}

/// What other servers look up.
trait Lookup {
    /// `m.server` of the well-known file of a host, if that is valid.
    fn well_known(&self, host: &str) -> Option<String>;
    /// The first SRV record of a name: host and port.
    fn srv(&self, name: &str) -> Result<Option<(String, u16)>, String>;
}

/// Finds a server as others do.
///
/// # Errors
/// The DNS does not answer: the reason, as a short phrase.
pub fn find(host: &Host, name: &ServerName) -> Result<Place, String> {
    discover(name, &Public(host))
}

/// What is wrong with the answers there; `None` if it is that server, and signs with that key.
pub fn ask(host: &Host, place: &Place, name: &ServerName, key: &str) -> Option<String> {
    let get = |path: &str| {
        let url = format!("https://{}{path}", place.authority);
        let (to, port) = &place.connect;
        let connect = Some((to.as_str(), *port));
        let reply = net::ask(host, &Request { connect, ..Request::get(&url, Via::Dns) })?;
        if reply.status == 200 { Ok(reply.json()) } else { Err(format!("status {}", reply.status)) }
    };
    let version = "/_matrix/federation/v1/version";
    match get(version) {
        Ok(json) if json["server"]["version"].is_string() => {}
        Ok(_) => return Some(format!("{version} is not answered by a Matrix server")),
        Err(why) => return Some(format!("{version}: {why}")),
    }
    let keys = "/_matrix/key/v2/server";
    match get(keys) {
        Ok(json) => foreign(&json, name, key),
        Err(why) => Some(format!("{keys}: {why}")),
    }
}

/// Whose keys these are, if not those of that server with that key.
fn foreign(json: &Value, name: &ServerName, key: &str) -> Option<String> {
    let Some(other) = json["server_name"].as_str() else {
        return Some("it publishes no signing keys".to_owned());
    };
    if other != name.as_str() {
        return Some(format!("another server answers there, {other:?}"));
    }
    let has_it = json["verify_keys"].get(key).is_some();
    (!has_it).then(|| format!("another server answers there: it does not sign with {key}"))
}

fn discover(name: &ServerName, lookup: &impl Lookup) -> Result<Place, String> {
    let host = name.host();
    if let Some(port) = name.port() {
        let connect = (host.to_owned(), port);
        return Ok(Place { authority: name.to_string(), connect, by: "the port in its name" });
    }
    let Some((host, port)) = lookup.well_known(host).and_then(|text| authority(&text)) else {
        return by_srv(host, "port 8448, without a well-known file and SRV records", lookup);
    };
    let by = "its well-known file";
    if let Some(port) = port {
        let authority = format!("{host}:{port}");
        return Ok(Place { authority, connect: (host, port), by });
    }
    if host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok() {
        return Ok(Place { authority: host.clone(), connect: (host, FEDERATION_PORT), by });
    }
    by_srv(&host, by, lookup)
}

fn by_srv(host: &str, otherwise: &'static str, lookup: &impl Lookup) -> Result<Place, String> {
    let authority = host.to_owned();
    // The second one is deprecated.
    for service in ["_matrix-fed._tcp", "_matrix._tcp"] {
        if let Some(connect) = lookup.srv(&format!("{service}.{host}"))? {
            return Ok(Place { authority, connect, by: "an SRV record" });
        }
    }
    Ok(Place { authority, connect: (host.to_owned(), FEDERATION_PORT), by: otherwise })
}

/// A host, in brackets if it is an IPv6 address, and a port; `None` if the text is neither.
fn authority(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.rsplit_once(':') {
        // A colon within brackets belongs to the address.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
        _ => (text, None),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let valid = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(is_name),
    };
    (valid && port != Some(0)).then(|| (host.to_ascii_lowercase(), port))
}

struct Public<'a>(&'a Host);

impl Lookup for Public<'_> {
    fn well_known(&self, host: &str) -> Option<String> {
        let last = well_known::ask(self.0, File::Server, host, &|_| Ok(Via::Dns)).ok()?;
        let json = Some(last.reply).filter(|reply| reply.status == 200)?.json();
        json["m.server"].as_str().map(str::to_owned)
    }

    fn srv(&self, name: &str) -> Result<Option<(String, u16)>, String> {
        let first = net::srv(self.0, name)?.into_iter().next();
        Ok(first.map(|srv| (srv.target, srv.port)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The records that exist: `<host> <m.server>`, `<name> SRV <host> <port>`.
    struct Zone(&'static [&'static str]);

    impl Lookup for Zone {
        fn well_known(&self, host: &str) -> Option<String> {
            let line = self.0.iter().find_map(|line| line.strip_prefix(host)?.strip_prefix(" is "));
            line.map(str::to_owned)
        }

        fn srv(&self, name: &str) -> Result<Option<(String, u16)>, String> {
            let line =
                self.0.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(" SRV "));
            match line {
                Some("fails") => Err("no answer".to_owned()),
                line => Ok(line.map(|line| {
                    let (host, port) = line.split_once(' ').unwrap();
                    (host.to_owned(), port.parse().unwrap())
                })),
            }
        }
    }

    #[test]
    fn finds_servers_as_specified() {
        const SRV: &str = "_matrix-fed._tcp.a.test SRV x.test 1";
        const OLD_SRV: &str = "_matrix._tcp.a.test SRV y.test 2";
        let cases: [(&str, &'static [&'static str], &str); 17] = [
            ("a.test", &[], "a.test at a.test:8448"),
            ("a.test:1234", &["a.test is b.test", SRV], "a.test:1234 at a.test:1234"),
            ("a.test", &[OLD_SRV], "a.test at y.test:2"),
            ("a.test", &[OLD_SRV, SRV], "a.test at x.test:1"),
            ("a.test", &["a.test is b.test:443", SRV], "b.test:443 at b.test:443"),
            ("a.test", &["a.test is b.test", SRV], "b.test at b.test:8448"),
            (
                "a.test",
                &["a.test is b.test", "_matrix-fed._tcp.b.test SRV c.test 3"],
                "b.test at c.test:3",
            ),
            (
                "a.test",
                &["a.test is b.test", "_matrix._tcp.b.test SRV c.test 3"],
                "b.test at c.test:3",
            ),
            // A well-known file is not followed twice.
            ("a.test", &["a.test is b.test", "b.test is c.test:1"], "b.test at b.test:8448"),
            ("a.test", &["a.test is 10.0.0.1"], "10.0.0.1 at 10.0.0.1:8448"),
            ("a.test", &["a.test is 10.0.0.1:5"], "10.0.0.1:5 at 10.0.0.1:5"),
            ("a.test", &["a.test is [::1]"], "[::1] at [::1]:8448"),
            ("a.test", &["a.test is [::1]:5"], "[::1]:5 at [::1]:5"),
            // An invalid file is none.
            ("a.test", &["a.test is ", SRV], "a.test at x.test:1"),
            ("a.test", &["a.test is b.test:port", SRV], "a.test at x.test:1"),
            ("a.test", &["a.test is https://b.test", SRV], "a.test at x.test:1"),
            ("a.test", &["_matrix-fed._tcp.a.test SRV fails", OLD_SRV], "no answer"),
        ];
        for (name, zone, wanted) in cases {
            let found = match discover(&name.parse().unwrap(), &Zone(zone)) {
                Ok(Place { authority, connect: (host, port), .. }) => {
                    format!("{authority} at {host}:{port}")
                }
                Err(error) => error,
            };
            assert_eq!(found, wanted, "{name} {zone:?}");
        }
    }

    #[test]
    fn recognizes_other_servers() {
        let keys =
            |name: &str, key: &str| json!({ "server_name": name, "verify_keys": { key: {} } });
        for (json, wanted) in [
            (keys("a.test", "ed25519:a_1"), None),
            (keys("b.test", "ed25519:a_1"), Some("another server answers there, \"b.test\"")),
            (
                keys("a.test", "ed25519:a_2"),
                Some("another server answers there: it does not sign with ed25519:a_1"),
            ),
            (
                json!({ "server_name": "a.test", "old_verify_keys": { "ed25519:a_1": {} } }),
                Some("another server answers there: it does not sign with ed25519:a_1"),
            ),
            (json!({}), Some("it publishes no signing keys")),
        ] {
            let found = foreign(&json, &"a.test".parse().unwrap(), "ed25519:a_1");
            assert_eq!(found.as_deref(), wanted, "{json}");
        }
    }
}
