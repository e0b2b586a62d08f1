//! HTTP, and the names of the DNS.
//!
//! Owns trust (the system's store) and where a public name leads to. Knows nothing of Matrix.

use super::{Host, secret::Secret};
use std::{
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

/// More than any answer that we read.
const MOST: u64 = 1 << 20;

/// Where the name in an address leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// To this very host, whatever the DNS says: its nginx is what is asked, on this address.
    Here(IpAddr),
    /// To where the DNS says.
    Dns,
}

impl Via {
    /// To this host's nginx, which listens on that address alone; on all if it is none.
    pub fn here(bound: &str) -> Self {
        let address =
            bound.trim().parse().ok().filter(|address: &IpAddr| !address.is_unspecified());
        Self::Here(address.unwrap_or(Ipv4Addr::LOCALHOST.into()))
    }
}

/// A request.
#[derive(Debug)]
pub struct Request<'a> {
    /// The address.
    pub url: &'a str,
    /// A JSON body makes it a `POST`.
    pub json: Option<serde_json::Value>,
    /// A bearer token.
    pub bearer: Option<Secret>,
    /// Where the name leads to.
    pub via: Via,
    /// How long it may take in all.
    pub limit: Duration,
}

impl<'a> Request<'a> {
    /// A `GET` that may take 10 s.
    pub fn get(url: &'a str, via: Via) -> Self {
        Self { url, json: None, bearer: None, via, limit: Duration::from_secs(10) }
    }
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Reply {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Asks.
///
/// # Errors
/// Why there was no answer at all, as a short phrase.
pub fn ask(host: &Host, request: &Request<'_>) -> Result<Reply, String> {
    let https = request.url.starts_with("https:");
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(request.limit))
        // What is asked is this host or its own public address, never through a proxy.
        .proxy(None)
        .user_agent("dokku-matrix");
    if https {
        config = config.tls_config(TLS.clone()?);
    }
    let resolver = Names { via: request.via, ports: ports(host) };
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
        let call = agent.get(request.url);
        match &bearer {
            Some(bearer) => call.header("Authorization", bearer),
            None => call,
        }
        .call()
    };
    let mut answer = answer.map_err(|error| phrase(&error))?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(MOST).lossy_utf8(true).read_to_string();
    Ok(Reply { status, body: body.map_err(|error| phrase(&error))? })
}

/// The addresses that the DNS gives for a name; none if it has none.
pub fn resolve(name: &str) -> Vec<IpAddr> {
    let found = (name, 443).to_socket_addrs();
    found.map(|all| all.map(|address| address.ip()).collect()).unwrap_or_default()
}

fn phrase(error: &ureq::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("io: ").unwrap_or(&text).to_owned()
}

/// Whom this host trusts, read once: there are a hundred and more certificates in its store.
static TLS: LazyLock<Result<TlsConfig, String>> = LazyLock::new(tls);

fn tls() -> Result<TlsConfig, String> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(
            "this host has no store of trusted certificates (package ca-certificates)".into()
        );
    }
    let certs: Vec<_> =
        found.certs.iter().map(|cert| Certificate::from_der(cert.as_ref()).to_owned()).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&certs))
        .unversioned_rustls_crypto_provider(provider)
        .build())
}

/// The ports of this host's nginx, for tests where it cannot have the usual ones.
fn ports(host: &Host) -> [(u16, u16); 3] {
    let port = |name, usual| host.env().get(name).and_then(|p| p.parse().ok()).unwrap_or(usual);
    [
        (80, port("DOKKU_MATRIX_HTTP_PORT", 80)),
        (443, port("DOKKU_MATRIX_HTTPS_PORT", 443)),
        (8448, port("DOKKU_MATRIX_8448_PORT", 8448)),
    ]
}

#[derive(Debug)]
struct Names {
    via: Via,
    ports: [(u16, u16); 3],
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let asked = uri.port_u16().unwrap_or(usual);
        let port = self.ports.iter().find(|(from, _)| *from == asked).map_or(asked, |(_, to)| *to);
        let mut found = self.empty();
        match self.via {
            Via::Dns => {
                for address in &DefaultResolver::default().resolve(uri, config, timeout)? {
                    found.push(SocketAddr::from((address.ip(), port)));
                }
            }
            Via::Here(address) => found.push(SocketAddr::from((address, port))),
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nginx_listens() {
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
}
