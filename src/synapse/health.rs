//! Whether Synapse is ready, asked directly at its container's address.

use crate::{
    error::Result,
    host::{
        Host,
        net::{self, Request, Via},
        random,
    },
};

/// How far Synapse is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It answers, and so does its database.
    Ready,
    /// It does not answer as it should, yet; with what it did. Its port opens only after it has
    /// brought the database up to date.
    Starting(String),
    /// It answers, but cannot reach its database.
    NoDatabase,
}

/// Asks the Synapse at `ip:port`.
pub fn probe(host: &Host, address: &str) -> Result<Readiness> {
    let url = format!("http://{address}/health");
    let health = net::ask(host, &Request::get(&url, Via::Dns));
    if let Err(why) = alive(health.map(|reply| reply.status)) {
        return Ok(Readiness::Starting(why));
    }
    // `/health` says nothing of the database. A token that nobody has must be looked up in it;
    // a new one each time, for the answer is remembered.
    let url = format!("http://{address}/_matrix/client/v3/account/whoami");
    let mut request = Request::get(&url, Via::Dns);
    request.bearer = Some(random::secret()?);
    Ok(database(&net::ask(host, &request).map(|reply| reply.status)))
}

fn alive(health: Result<u16, String>) -> Result<(), String> {
    match health {
        Ok(200) => Ok(()),
        Ok(status) => Err(format!("/health answers with status {status}")),
        Err(why) => Err(format!("/health does not answer: {why}")),
    }
}

fn database(whoami: &Result<u16, String>) -> Readiness {
    match whoami {
        Ok(401) => Readiness::Ready,
        // No answer is the same: it has just answered, so it waits for its database.
        Ok(500..) | Err(_) => Readiness::NoDatabase,
        Ok(status) => Readiness::Starting(format!("whoami answers with status {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let starting = |text: &str| Readiness::Starting(text.to_owned());
        for (answer, want) in [
            (Ok(401), Readiness::Ready),
            (Ok(500), Readiness::NoDatabase),
            (Ok(503), Readiness::NoDatabase),
            (Err("timeout: global".to_owned()), Readiness::NoDatabase),
            (Ok(404), starting("whoami answers with status 404")),
            (Ok(200), starting("whoami answers with status 200")),
        ] {
            assert_eq!(database(&answer), want, "{answer:?}");
        }
        assert_eq!(alive(Ok(200)), Ok(()));
        assert_eq!(alive(Ok(502)), Err("/health answers with status 502".to_owned()));
        let refused = Err("Connection refused".to_owned());
        assert_eq!(alive(refused), Err("/health does not answer: Connection refused".to_owned()));
    }
}
