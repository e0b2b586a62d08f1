//! The well-known files of a server name: how they are asked, and what is wrong with an answer.
//!
//! Whoever serves them: this homeserver, another app of this host, or somebody else.

use crate::{
    host::{
        Host,
        net::{self, Fault, Followed, Reply, Request, Via},
    },
    names::ServerName,
    state::Spec,
};
use serde_json::Value;

/// The largest file that Synapse reads, in bytes.
const LARGEST_FILE: u64 = 50 * 1024;
/// The most redirects that are followed. Synapse follows more, and does not promise to.
const MOST_REDIRECTS: usize = 5;
/// Some web page that is not ours: whoever lets only some pages read the file locks out other clients.
const ORIGIN: &str = "https://web-client.invalid";

/// A file in `/.well-known/matrix/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum File {
    /// Where other servers find the homeserver.
    Server,
    /// Where clients find it.
    Client,
    /// Whom users ask for help.
    Support,
}

impl File {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Support => "support",
        }
    }

    /// Its address for a server name.
    pub fn url(self, name: &ServerName) -> String {
        url(self, name.host())
    }
}

fn url(file: File, host: &str) -> String {
    format!("https://{host}/.well-known/matrix/{}", file.name())
}

/// Asks for the file of a host, as other servers and web clients do.
///
/// # Errors
/// There is no answer, or redirects lead to none.
pub fn ask(
    host: &Host,
    file: File,
    name: &str,
    via: &dyn Fn(&str) -> Result<Via, String>,
) -> Result<Followed, Fault> {
    let url = url(file, name);
    let origin = (file != File::Server).then_some(ORIGIN);
    let request = Request { origin, limit: LARGEST_FILE, ..Request::get(&url, Via::Dns) };
    net::follow(host, &request, MOST_REDIRECTS, via)
}

/// Asks for the file of a homeserver's server name, and looks whether the answer leads to it.
///
/// # Errors
/// What is wrong.
pub fn check(
    host: &Host,
    file: File,
    spec: &Spec,
    via: &dyn Fn(&str) -> Result<Via, String>,
) -> Result<(), Fault> {
    let Followed { reply, redirected } = ask(host, file, spec.server_name.host(), via)?;
    validate(file, spec, &reply).map_err(|why| match redirected {
        Some(url) => Fault::Wrong(format!("it redirects to {url}: {why}")),
        None => Fault::Wrong(why),
    })
}

/// What is wrong with an answer.
fn validate(file: File, spec: &Spec, reply: &Reply) -> Result<(), String> {
    if reply.status != 200 {
        return Err(format!("status {}", reply.status));
    }
    let Ok(json) = serde_json::from_str::<Value>(&reply.body) else {
        return Err("the answer is not JSON".to_owned());
    };
    match file {
        File::Server => match json["m.server"].as_str() {
            None => Err("the answer has no m.server".to_owned()),
            Some(other) if !leads_to(spec, other) => {
                Err(format!("it names another server, {other:?}"))
            }
            Some(_) => Ok(()),
        },
        File::Client => match json["m.homeserver"]["base_url"].as_str() {
            None => Err("the answer has no base_url in m.homeserver".to_owned()),
            Some(other) if !is_same_address(other, &spec.base_url()) => {
                Err(format!("it names another homeserver, {other:?}"))
            }
            Some(_) => readable_by_web_clients(reply),
        },
        File::Support if json.is_object() => readable_by_web_clients(reply),
        File::Support => Err("the answer is no JSON object".to_owned()),
    }
}

/// Whether clients take both for one address: whatever the case of the host, with the default port or
/// without, with slashes at the end or without.
fn is_same_address(one: &str, other: &str) -> bool {
    let plain = |url: &str| {
        let url = url.to_ascii_lowercase();
        let url = url.trim_end_matches('/');
        let default = if url.starts_with("https:") { ":443" } else { ":80" };
        url.strip_suffix(default).unwrap_or(url).to_owned()
    };
    plain(one) == plain(other)
}

/// Whether `m.server` leads to the homeserver: at port 443, or 8448, which needs no mention.
fn leads_to(spec: &Spec, server: &str) -> bool {
    let domain = spec.domain.as_str();
    let server = server.to_ascii_lowercase();
    let (host, port) = server.rsplit_once(':').unwrap_or((&server, "8448"));
    host == domain && (port == "443" || port == "8448" && spec.is_on_8448())
}

fn readable_by_web_clients(reply: &Reply) -> Result<(), String> {
    match reply.allow_origin.as_deref() {
        Some("*" | ORIGIN) => Ok(()),
        None => Err("the answer has no header Access-Control-Allow-Origin".to_owned()),
        Some(other) => {
            Err(format!("its header Access-Control-Allow-Origin is {other:?}, and not *"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synapse::sample;

    #[test]
    fn compares_addresses_as_clients_do() {
        for (one, other, wanted) in [
            ("https://a.test", "https://a.test", true),
            ("https://a.test/", "https://a.test", true),
            ("https://A.test:443", "https://a.test", true),
            ("http://a.test:80/", "http://a.test", true),
            ("http://a.test", "https://a.test", false),
            ("https://a.test:8448", "https://a.test", false),
            ("https://a.test/x", "https://a.test", false),
            ("https://b.test", "https://a.test", false),
        ] {
            assert_eq!(is_same_address(one, other), wanted, "{one} {other}");
        }
    }

    fn fault(file: File, spec: &Spec, status: u16, body: &str, origin: Option<&str>) -> String {
        let allow_origin = origin.map(str::to_owned);
        let reply = Reply { status, body: body.to_owned(), allow_origin, ..Reply::default() };
        validate(file, spec, &reply).err().unwrap_or_default()
    }

    #[test]
    fn validates_the_file_for_servers() {
        let with_8448 = sample::spec();
        let without = Spec { port_8448: false, ..with_8448.clone() };
        for (status, body, wanted) in [
            (200, r#"{"m.server": "matrix.example.org:443"}"#, ""),
            (200, r#"{"m.server": "Matrix.Example.org:443", "more": 1}"#, ""),
            (404, r#"{"m.server": "matrix.example.org:443"}"#, "status 404"),
            (301, "", "status 301"),
            (200, "<html>", "the answer is not JSON"),
            (200, "", "the answer is not JSON"),
            (200, "[]", "the answer has no m.server"),
            (200, r#"{"m.server": 1}"#, "the answer has no m.server"),
            (200, r#"{"m.server": "b.c:443"}"#, r#"it names another server, "b.c:443""#),
            (
                200,
                r#"{"m.server": "matrix.example.org:1"}"#,
                r#"it names another server, "matrix.example.org:1""#,
            ),
        ] {
            for spec in [&with_8448, &without] {
                assert_eq!(fault(File::Server, spec, status, body, None), wanted, "{body}");
            }
        }
        for server in ["matrix.example.org:8448", "matrix.example.org"] {
            let body = format!("{{\"m.server\": \"{server}\"}}");
            assert_eq!(fault(File::Server, &with_8448, 200, &body, None), "");
            let error = format!("it names another server, {server:?}");
            assert_eq!(fault(File::Server, &without, 200, &body, None), error);
        }
    }

    #[test]
    fn validates_the_files_for_clients() {
        let spec = sample::spec();
        let right = r#"{"m.homeserver": {"base_url": "https://matrix.example.org/"}}"#;
        let other = r#"{"m.homeserver": {"base_url": "http://matrix.example.org"}}"#;
        for (file, body, origin, wanted) in [
            (File::Client, right, Some("*"), ""),
            (File::Client, right, Some(ORIGIN), ""),
            (File::Client, right, None, "the answer has no header Access-Control-Allow-Origin"),
            (
                File::Client,
                right,
                Some("https://a.b"),
                r#"its header Access-Control-Allow-Origin is "https://a.b", and not *"#,
            ),
            (
                File::Client,
                other,
                Some("*"),
                r#"it names another homeserver, "http://matrix.example.org""#,
            ),
            (File::Client, "{}", Some("*"), "the answer has no base_url in m.homeserver"),
            (File::Support, "{}", Some("*"), ""),
            (File::Support, "[]", Some("*"), "the answer is no JSON object"),
        ] {
            assert_eq!(fault(file, &spec, 200, body, origin), wanted, "{body} {origin:?}");
        }
    }
}
