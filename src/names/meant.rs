//! What somebody meant who pasted something else than a name: an address, an id, a name in Unicode.
//!
//! Only for errors: nothing is converted silently, because a server name can never be changed.

mod punycode;

/// What is seen in a text that is not a valid name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Meant {
    /// What it is instead, if that is more than what is wrong with its letters.
    pub(super) why: Option<&'static str>,
    /// What was probably meant. It may be invalid, too.
    pub(super) name: Option<String>,
}

pub(super) fn nothing(_: &str) -> Meant {
    Meant::default()
}

pub(super) fn app(text: &str) -> Meant {
    let is_other = text.contains(['/', ':', '@']);
    Meant {
        why: is_other.then_some("it is the name of an app of Dokku, such as matrix"),
        name: (!is_other).then(|| text.to_lowercase()),
    }
}

pub(super) fn server_name(text: &str) -> Meant {
    Meant { why: not_a_host(text), name: host(text) }
}

pub(super) fn domain(text: &str) -> Meant {
    let name = host(text).map(|name| name.split(':').next().unwrap_or_default().to_owned());
    let has_port = text.contains(':').then_some("it has no port");
    Meant { why: not_a_host(text).or(has_port), name }
}

pub(super) fn localpart(text: &str) -> Meant {
    let local = text.trim().trim_start_matches('@').split([':', '@']).next();
    Meant { why: None, name: local.map(str::to_lowercase) }
}

/// The address in `mailto:a@example.org` or `Name <a@example.org>`.
pub(super) fn email(text: &str) -> Meant {
    let address = text.trim();
    let address = address.split_once('<').map_or(address, |(_, rest)| rest.trim_end_matches('>'));
    let address = address.strip_prefix("mailto:").unwrap_or(address);
    let name = address.rsplit_once('@').and_then(|(user, host)| {
        let host = ascii(host.trim_end_matches('.'))?;
        Some(format!("{user}@{host}"))
    });
    Meant { why: in_unicode(text), name }
}

/// The id in a link to a user, or in what is written like an e-mail address.
pub(super) fn user_id(text: &str) -> Meant {
    let id = text.trim().rsplit('/').next().and_then(|id| id.split('?').next()).unwrap_or_default();
    let id = id.strip_prefix('@').unwrap_or(id);
    let parts = id.split_once(':').or_else(|| id.split_once('@'));
    let name = parts.and_then(|(local, server)| {
        let server = host(server)?;
        Some(format!("@{}:{server}", local.to_lowercase()))
    });
    Meant { why: None, name }
}

/// What a text is instead of the name of a host.
fn not_a_host(text: &str) -> Option<&'static str> {
    if text.contains('/') {
        Some("it is a name, not an address")
    } else if text.contains('@') || text.starts_with(['#', '!']) {
        Some("it is the name of a host, not an id")
    } else if text.ends_with('.') {
        Some("it must not end with a dot")
    } else {
        in_unicode(text)
    }
}

fn in_unicode(text: &str) -> Option<&'static str> {
    let why = "letters other than a-z are written as the DNS has them, with xn--";
    (!text.is_ascii()).then_some(why)
}

/// The name of a host in a text, perhaps with a port; `None` if there is none to be seen.
fn host(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let text = text.split(['/', '?']).next()?;
    // `@alice:example.org`, `#room:example.org`, `alice@example.org`.
    let text = match text.strip_prefix(['@', '#', '!']) {
        Some(id) => id.split_once(':')?.1,
        None => text.rsplit('@').next()?,
    };
    let (name, port) = text.split_once(':').unwrap_or((text, ""));
    let name = ascii(name.trim_end_matches('.'))?;
    Some(if port.is_empty() { name } else { format!("{name}:{port}") })
}

/// The name of a host in lower case, as the DNS has it.
fn ascii(name: &str) -> Option<String> {
    let label = |label: &str| {
        let label = label.to_lowercase();
        if label.is_ascii() {
            return Some(label);
        }
        Some(format!("xn--{}", punycode::encode(&label)?))
    };
    let labels: Option<Vec<_>> = name.split('.').map(label).collect();
    Some(labels?.join("."))
}

#[cfg(test)]
mod tests {
    use crate::{
        error::Error,
        names::{AppName, Domain, Email, Localpart, ServerName, UserId},
    };
    use std::{fmt, str::FromStr};

    /// What is pasted in place of a name is told apart from a wrong letter, and the name in it is shown.
    #[test]
    fn says_what_to_type_instead() {
        fn why<T: FromStr<Err = Error> + fmt::Debug>(text: &str) -> String {
            let error = text.parse::<T>().unwrap_err();
            error.message().split_once(": ").unwrap().1.to_owned()
        }
        const UNICODE: &str = "letters other than a-z are written as the DNS has them, with xn--";
        let unicode = |name: &str| format!("{UNICODE}; type {name}");
        for (error, wanted) in [
            (
                why::<ServerName>("https://example.org"),
                "it is a name, not an address; type example.org",
            ),
            (
                why::<ServerName>("HTTPS://Example.org:8448/_matrix/"),
                "it is a name, not an address; type example.org:8448",
            ),
            (why::<ServerName>("example.org/"), "it is a name, not an address; type example.org"),
            (why::<ServerName>("example.org."), "it must not end with a dot; type example.org"),
            (why::<ServerName>("Example.org"), "it must be lower case; type example.org"),
            (
                why::<ServerName>("@alice:example.org"),
                "it is the name of a host, not an id; type example.org",
            ),
            (
                why::<ServerName>("#room:example.org:8448"),
                "it is the name of a host, not an id; type example.org:8448",
            ),
            (
                why::<ServerName>("alice@example.org"),
                "it is the name of a host, not an id; type example.org",
            ),
            (why::<ServerName>("@alice"), "it is the name of a host, not an id"),
            (why::<ServerName>("münchen.example"), &unicode("xn--mnchen-3ya.example")),
            (why::<ServerName>("MÜNCHEN.example:8448"), &unicode("xn--mnchen-3ya.example:8448")),
            (why::<ServerName>("mu\u{308}nchen.example"), UNICODE),
            (why::<ServerName>("x:http"), "the port must be a number from 1 to 65535"),
            (why::<ServerName>("https://10.0.0.1"), "it is a name, not an address"),
            (
                why::<Domain>("https://m.example.org:8448/x"),
                "it is a name, not an address; type m.example.org",
            ),
            (why::<Domain>("m.example.org:443"), "it has no port; type m.example.org"),
            (
                why::<Domain>("bücher.example."),
                "it must not end with a dot; type xn--bcher-kva.example",
            ),
            (
                why::<AppName>("https://example.org"),
                "it is the name of an app of Dokku, such as matrix",
            ),
            (why::<AppName>("Matrix"), "it must be lower case; type matrix"),
            (
                why::<Email>("mailto:a@example.org"),
                "it has characters that are not allowed before the '@'; type a@example.org",
            ),
            (why::<Email>("a@münchen.example"), &unicode("a@xn--mnchen-3ya.example")),
            (why::<Email>("nobody"), "it has no '@'"),
            (
                why::<Localpart>("@alice:example.org"),
                "only the part between '@' and ':' is allowed; type alice",
            ),
            (
                why::<UserId>("https://matrix.to/#/@alice:example.org"),
                "it must look like @alice:example.org; type @alice:example.org",
            ),
            (
                why::<UserId>("alice@example.org"),
                "it must look like @alice:example.org; type @alice:example.org",
            ),
        ] {
            assert_eq!(error, wanted);
        }
    }
}
