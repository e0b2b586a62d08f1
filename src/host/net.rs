//! HTTP requests and DNS lookups.
//!
//! Owns the trusted certificates (the system's store) and the address that a request goes to. Knows
//! nothing about Matrix.

mod dns;
mod redirects;

pub use dns::Srv;
pub use redirects::{Fault, Followed, follow};

use super::{Host, Reading, env::Env, secret::Secret};
use crate::error::Error;
use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs},
    sync::{Arc, LazyLock},
    time::Duration,
};
use ureq::{
    Agent,
    config::Config,
    http::Uri,
    tls::{Certificate, RootCerts, TlsConfig},
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout},
    },
};

/// The largest response body that is read, in bytes.
const MAX_BODY: u64 = 1 << 20;

/// Which host a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// This host's nginx at this address, whatever the DNS says.
    Here(IpAddr),
    /// The host that the DNS gives.
    Dns,
}

impl Via {
    /// This host's nginx, which listens on the given address only, or on all if that is not an
    /// address.
    pub fn here(bind_address: &str) -> Self {
        let address =
            bind_address.trim().parse().ok().filter(|address: &IpAddr| !address.is_unspecified());
        Self::Here(address.unwrap_or(Ipv4Addr::LOCALHOST.into()))
    }
}

/// A request. Its body may hold a password: that is not printed.
pub struct Request<'a> {
    /// The URL.
    pub url: &'a str,
    /// The JSON body; with one it is a `POST`, else a `GET`.
    pub json: Option<serde_json::Value>,
    /// The bearer token.
    pub bearer: Option<Secret>,
    /// Which host it goes to.
    pub via: Via,
    /// The timeout of the whole request.
    pub timeout: Duration,
    /// The header `Origin`: a web page of this origin asks.
    pub origin: Option<&'a str>,
    /// The largest response body that is read, in bytes.
    pub limit: u64,
    /// The host and port to connect to instead of those in the URL, which the certificate and the
    /// header `Host` are for all the same.
    pub connect: Option<(&'a str, u16)>,
}

impl<'a> Request<'a> {
    /// A `GET` with a timeout of 10 s.
    pub fn get(url: &'a str, via: Via) -> Self {
        let timeout = Duration::from_secs(10);
        let (json, bearer, origin, connect) = (None, None, None, None);
        Self { url, json, bearer, via, timeout, origin, limit: MAX_BODY, connect }
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = if self.json.is_some() { "POST" } else { "GET" };
        write!(f, "Request({method} {}, {:?})", self.url, self.via)
    }
}

/// A response, whatever its status. Its body may hold a token: that is not printed.
#[derive(Default)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
    /// The header `Location`: where a redirect leads.
    pub location: Option<String>,
    /// The header `Access-Control-Allow-Origin`: which web pages may read it.
    pub allow_origin: Option<String>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({}, {} bytes)", self.status, self.body.len())
    }
}

impl Reply {
    /// The body as JSON; null if it is not JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Sends a request and reads the response. Follows no redirect: see [`follow`].
///
/// # Errors
/// There was no response: the reason, as a short phrase.
pub fn ask(host: &Host, request: &Request<'_>) -> Result<Reply, String> {
    let https = request.url.starts_with("https:");
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(request.timeout))
        // Requests go to this host or to public addresses of its own: never through a proxy.
        .proxy(None)
        .user_agent("dokku-matrix");
    if https {
        config = config.tls_config(TLS.clone()?);
    }
    let resolver = Names {
        env: host.env().clone(),
        via: request.via,
        connect: request.connect.map(|(host, port)| (host.to_owned(), port)),
        ports: ports(host),
    };
    let agent = Agent::with_parts(config.build(), DefaultConnector::default(), resolver);
    let bearer = request.bearer.as_ref().map(|token| format!("Bearer {}", token.expose()));
    let answer = if let Some(body) = &request.json {
        let call = agent.post(request.url);
        match &bearer {
            Some(bearer) => call.header("Authorization", bearer),
            None => call,
        }
        .send_json(body)
    } else {
        let mut call = agent.get(request.url);
        if let Some(bearer) = &bearer {
            call = call.header("Authorization", bearer);
        }
        if let Some(origin) = request.origin {
            call = call.header("Origin", origin);
        }
        call.call()
    };
    let mut answer = answer.map_err(|error| phrase(&error))?;
    let status = answer.status().as_u16();
    let header = |name: &str| {
        answer.headers().get(name).and_then(|text| Some(text.to_str().ok()?.to_owned()))
    };
    let (location, allow_origin) = (header("location"), header("access-control-allow-origin"));
    let body =
        answer.body_mut().with_config().limit(request.limit).lossy_utf8(true).read_to_string();
    Ok(Reply { status, body: body.map_err(|error| phrase(&error))?, location, allow_origin })
}

/// The addresses of a name; absent if the DNS says that it has none.
pub fn resolve(host: &Host, name: &str) -> Reading<Vec<IpAddr>> {
    let found = addresses(host.env(), name).unwrap_or_default();
    if !found.is_empty() {
        return Reading::Value(found);
    }
    // Why the system's resolver found nothing, it does not tell.
    match dns::addresses(host.env(), name) {
        Ok(addresses) if addresses.is_empty() => Reading::Absent,
        Ok(addresses) => Reading::Value(addresses),
        Err(why) => Reading::Unknown(Error::new(why)),
    }
}

/// The SRV records of a name, the first one first; an empty list if it has none.
///
/// # Errors
/// The DNS does not answer: the reason, as a short phrase.
pub fn srv(host: &Host, name: &str) -> Result<Vec<Srv>, String> {
    dns::srv(host.env(), name)
}

/// The addresses that the system's resolver gives.
fn addresses(env: &Env, name: &str) -> io::Result<Vec<IpAddr>> {
    let address = name.trim_start_matches('[').trim_end_matches(']').parse();
    if let Ok(address) = address {
        return Ok(vec![address]);
    }
    if dns::test_server(env).is_none() {
        return Ok((name, 443).to_socket_addrs()?.map(|address| address.ip()).collect());
    }
    match dns::addresses(env, name) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => {
            Err(io::Error::other("failed to lookup address information: Name or service not known"))
        }
    }
}

fn phrase(error: &ureq::Error) -> String {
    if let ureq::Error::Io(error) = error
        && let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref())
        && let Some(names) = other_names(error)
    {
        return names;
    }
    let text = error.to_string();
    text.strip_prefix("io: ").unwrap_or(&text).to_owned()
}

/// The phrase for a certificate that is for other names than the one that was asked.
fn other_names(error: &rustls::Error) -> Option<String> {
    use rustls::{CertificateError, Error};
    let Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) =
        error
    else {
        return None;
    };
    // rustls gives each as `DnsName("a.example")`.
    let plain = |name: &String| name.split('"').nth(1).unwrap_or(name).to_owned();
    let names: Vec<_> = presented.iter().map(plain).collect();
    let (names, expected) = (names.join(", "), expected.to_str());
    Some(format!("invalid peer certificate: it is for {names}, and not for {expected}"))
}

/// The certificates that this host trusts, read once: its store has more than a hundred.
static TLS: LazyLock<Result<TlsConfig, String>> = LazyLock::new(tls);

fn tls() -> Result<TlsConfig, String> {
    let store = rustls_native_certs::load_native_certs();
    if store.certs.is_empty() {
        return Err("this host has no trusted certificates: apt-get install ca-certificates".into());
    }
    let certs: Vec<_> =
        store.certs.iter().map(|cert| Certificate::from_der(cert.as_ref()).to_owned()).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&certs))
        .unversioned_rustls_crypto_provider(provider)
        .build())
}

/// The ports of this host's nginx: tests run it on other ones.
fn ports(host: &Host) -> [(u16, u16); 3] {
    let port =
        |name, default| host.env().get(name).and_then(|port| port.parse().ok()).unwrap_or(default);
    [
        (80, port("DOKKU_MATRIX_HTTP_PORT", 80)),
        (443, port("DOKKU_MATRIX_HTTPS_PORT", 443)),
        (8448, port("DOKKU_MATRIX_8448_PORT", 8448)),
    ]
}

#[derive(Debug)]
struct Names {
    env: Env,
    via: Via,
    connect: Option<(String, u16)>,
    ports: [(u16, u16); 3],
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let other = match &self.connect {
            Some((host, port)) => {
                let text = format!("https://{host}:{port}/");
                Some(text.parse().map_err(|_| ureq::Error::BadUri(text))?)
            }
            None => None,
        };
        let uri = other.as_ref().unwrap_or(uri);
        let asked = uri.port_u16().unwrap_or(default);
        let port = self.ports.iter().find(|(from, _)| *from == asked).map_or(asked, |(_, to)| *to);
        let mut found = self.empty();
        match self.via {
            Via::Here(address) => found.push(SocketAddr::from((address, port))),
            Via::Dns if dns::test_server(&self.env).is_some() => {
                for address in addresses(&self.env, uri.host().unwrap_or_default())? {
                    found.push(SocketAddr::from((address, port)));
                }
            }
            Via::Dns => {
                for address in &DefaultResolver::default().resolve(uri, config, timeout)? {
                    found.push(SocketAddr::from((address.ip(), port)));
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_the_bind_address_of_nginx() {
        for (bound, address) in [
            ("", [127, 0, 0, 1]),
            ("0.0.0.0", [127, 0, 0, 1]),
            ("::", [127, 0, 0, 1]),
            ("what", [127, 0, 0, 1]),
            ("10.0.0.5\n", [10, 0, 0, 5]),
        ] {
            assert_eq!(Via::here(bound), Via::Here(address.into()), "{bound:?}");
        }
    }

    #[test]
    fn hides_bodies_and_tokens() {
        let bearer = Some(Secret::new("hidden"));
        let json = Some(serde_json::json!({ "password": "hidden" }));
        let request = Request { json, bearer, ..Request::get("http://a/", Via::Dns) };
        assert_eq!(format!("{request:?}"), "Request(POST http://a/, Dns)");
        let body = "{\"access_token\": \"hidden\"}".to_owned();
        let reply = Reply { status: 200, body, ..Reply::default() };
        assert_eq!(format!("{reply:?}"), "Reply(200, 26 bytes)");
    }
}
