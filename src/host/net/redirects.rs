//! Redirects, followed one by one: each may lead to another host, and only https is followed.

use super::{Reply, Request, Via, ask};
use crate::host::Host;
use std::{collections::BTreeSet, fmt};
use ureq::http::Uri;

/// Why there is no right answer, as a short phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no answer: the name, the connection, or the certificate is wrong.
    Unreachable(String),
    /// There is an answer, and it is a wrong one.
    Wrong(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unreachable(why) | Self::Wrong(why)) = self;
        f.write_str(why)
    }
}

/// The last response, whatever its status.
#[derive(Debug)]
pub struct Followed {
    /// The response.
    pub reply: Reply,
    /// The address that it is from, if redirects led there.
    pub redirected: Option<String>,
}

/// Sends a `GET`, and follows at most `most` redirects to other `https` addresses. `via` says of the
/// host name of each which host it goes to.
///
/// # Errors
/// There was no response; the redirects lead nowhere.
pub fn follow(
    host: &Host,
    request: &Request<'_>,
    most: usize,
    via: &dyn Fn(&str) -> Result<Via, String>,
) -> Result<Followed, Fault> {
    let get = |url: &str| {
        let name = url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        let Request { timeout, origin, limit, .. } = *request;
        let request = Request { timeout, origin, limit, ..Request::get(url, Via::Dns) };
        ask(host, &Request { via: via(&name.unwrap_or_default())?, ..request })
    };
    follow_with(request.url, most, &get)
}

fn follow_with(
    first: &str,
    most: usize,
    get: &dyn Fn(&str) -> Result<Reply, String>,
) -> Result<Followed, Fault> {
    let mut url = first.to_owned();
    let mut seen = BTreeSet::new();
    loop {
        let reply = get(&url).map_err(|why| {
            let is_first = url == first;
            Fault::Unreachable(if is_first { why } else { format!("it redirects to {url}: {why}") })
        })?;
        let is_redirect = matches!(reply.status, 301 | 302 | 303 | 307 | 308);
        let Some(location) = reply.location.as_deref().filter(|_| is_redirect) else {
            return Ok(Followed { reply, redirected: Some(url).filter(|url| url != first) });
        };
        let next = join(&url, location);
        seen.insert(url.clone());
        let why = match &next {
            None => format!("it redirects to {location:?}, which is no address"),
            Some(next) if !next.starts_with("https://") => {
                format!("it redirects to {next}, and only https is followed")
            }
            Some(next) if seen.contains(next) => {
                format!("it redirects in a circle, back to {next}")
            }
            Some(_) if seen.len() > most => format!("it redirects more than {most} times"),
            Some(next) => {
                next.clone_into(&mut url);
                continue;
            }
        };
        return Err(Fault::Wrong(why));
    }
}

/// The address that a header `Location` means; `None` if it is none.
fn join(base: &str, location: &str) -> Option<String> {
    let location = location.split('#').next().unwrap_or(location);
    let base = base.parse::<Uri>().ok()?;
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let is_absolute = location.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    let text = if is_absolute {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let directory = base.path().rsplit_once('/').map_or("", |(directory, _)| directory);
        format!("{scheme}://{authority}{directory}/{location}")
    };
    let uri = text.parse::<Uri>().ok()?;
    // A path that is left out is the root; scheme and host are the same in any case.
    let authority = uri.authority()?.as_str().to_ascii_lowercase();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Some(format!("{}://{authority}{path}", uri.scheme_str()?.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_addresses() {
        const BASE: &str = "https://a.test/.well-known/matrix/server";
        for (location, wanted) in [
            ("https://www.a.test/x?y#z", Some("https://www.a.test/x?y")),
            ("HTTPS://WWW.a.test", Some("https://www.a.test/")),
            ("http://a.test/x", Some("http://a.test/x")),
            ("//www.a.test/x", Some("https://www.a.test/x")),
            ("/x", Some("https://a.test/x")),
            ("x", Some("https://a.test/.well-known/matrix/x")),
            ("https://", None),
            ("/a b", None),
        ] {
            assert_eq!(join(BASE, location).as_deref(), wanted, "{location}");
        }
    }

    /// Each letter redirects to the next one that is given.
    #[test]
    fn follows_redirects() {
        let unreachable = |text: &str| Err(Fault::Unreachable(text.to_owned()));
        let wrong = |text: &str| Err(Fault::Wrong(text.to_owned()));
        let cases: [(&[(&str, &str)], Result<&str, Fault>); 8] = [
            (&[], Ok("a")),
            (&[("a", "https://h.test/b")], Ok("b")),
            (&[("a", "/b"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "f")], Ok("f")),
            (
                &[("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "f"), ("f", "g")],
                wrong("it redirects more than 5 times"),
            ),
            (
                &[("a", "b"), ("b", "a")],
                wrong("it redirects in a circle, back to https://h.test/a"),
            ),
            (
                &[("a", "http://h.test/b")],
                wrong("it redirects to http://h.test/b, and only https is followed"),
            ),
            (&[("a", "/b c")], wrong("it redirects to \"/b c\", which is no address")),
            (&[("a", "down")], unreachable("it redirects to https://h.test/down: refused")),
        ];
        for (redirects, wanted) in cases {
            let get = |url: &str| {
                let name = url.rsplit('/').next().unwrap();
                if name == "down" {
                    return Err("refused".to_owned());
                }
                let to = redirects.iter().find(|(from, _)| *from == name);
                Ok(match to {
                    Some((_, to)) => {
                        Reply { status: 302, location: Some((*to).to_owned()), ..Reply::default() }
                    }
                    None => Reply { status: 200, body: name.to_owned(), ..Reply::default() },
                })
            };
            let found = follow_with("https://h.test/a", 5, &get).map(|last| last.reply.body);
            assert_eq!(found, wanted.map(str::to_owned), "{redirects:?}");
        }
        // A status that redirects, without an address, is an answer.
        let last =
            follow_with("https://h.test/a", 5, &|_| Ok(Reply { status: 301, ..Reply::default() }));
        assert_eq!(last.unwrap().reply.status, 301);
        assert_eq!(
            follow_with("https://h.test/a", 5, &|_| Err("refused".to_owned())).unwrap_err(),
            Fault::Unreachable("refused".to_owned())
        );
    }
}
