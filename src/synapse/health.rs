//! Whether Synapse is ready, by requests to its container's address. Must not wait or retry.

use crate::{
    error::Result,
    host::{
        Host,
        net::{self, Request, Via},
        random,
    },
};

/// Whether Synapse is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It responds, and so does its database.
    Ready,
    /// It does not respond as it should yet, and why. It opens its port only after it has migrated
    /// the database.
    Starting(String),
    /// It responds, but cannot reach its database.
    NoDatabase,
}

/// Checks the Synapse at `ip:port`.
pub fn probe(host: &Host, address: &str) -> Result<Readiness> {
    let url = format!("http://{address}/health");
    let health = net::ask(host, &Request::get(&url, Via::Dns));
    if let Err(why) = alive(health.map(|reply| reply.status)) {
        return Ok(Readiness::Starting(why));
    }
    // `/health` does not use the database. An invalid token has to be looked up there; it is a new
    // one each time, because Synapse caches the result.
    let url = format!("http://{address}/_matrix/client/v3/account/whoami");
    let mut request = Request::get(&url, Via::Dns);
    request.bearer = Some(random::secret()?);
    Ok(database(&net::ask(host, &request).map(|reply| reply.status)))
}

fn alive(health: Result<u16, String>) -> Result<(), String> {
    match health {
        Ok(200) => Ok(()),
        Ok(status) => Err(format!("/health responds with status {status}")),
        Err(why) => Err(format!("/health does not respond: {why}")),
    }
}

fn database(whoami: &Result<u16, String>) -> Readiness {
    match whoami {
        Ok(401) => Readiness::Ready,
        // It has just responded to `/health`, so without a response it waits for its database.
        Ok(500..) | Err(_) => Readiness::NoDatabase,
        Ok(status) => Readiness::Starting(format!("whoami responds with status {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinguishes_responses() {
        let starting = |text: &str| Readiness::Starting(text.to_owned());
        for (response, want) in [
            (Ok(401), Readiness::Ready),
            (Ok(500), Readiness::NoDatabase),
            (Ok(503), Readiness::NoDatabase),
            (Err("timeout: global".to_owned()), Readiness::NoDatabase),
            (Ok(404), starting("whoami responds with status 404")),
            (Ok(200), starting("whoami responds with status 200")),
        ] {
            assert_eq!(database(&response), want, "{response:?}");
        }
        assert_eq!(alive(Ok(200)), Ok(()));
        assert_eq!(alive(Ok(502)), Err("/health responds with status 502".to_owned()));
        let refused = Err("Connection refused".to_owned());
        assert_eq!(alive(refused), Err("/health does not respond: Connection refused".to_owned()));
    }
}
