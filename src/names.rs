//! Names that users type, each validated once when it is parsed.
//!
//! Owns the rules of Dokku, DNS, and Matrix for names. Must not read anything from the machine.

mod meant;

use crate::error::{Error, Result};
use meant::Meant;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path, $meant:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                match $check(text) {
                    Ok(()) => Ok(Self(text.to_owned())),
                    Err(why) => Err(Error::usage(wrong($what, text, why, $meant(text), $check))),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// The name of a Dokku app.
    AppName, "app name", app, meant::app
}
name! {
    /// The part of a Matrix user id after the colon; may include a port.
    ServerName, "server name", server_name, meant::server_name
}
name! {
    /// A host name that clients reach through nginx.
    Domain, "domain", domain, meant::domain
}
name! {
    /// The name of a dokku-postgres service.
    ServiceName, "service name", service, meant::nothing
}
name! {
    /// The part of a Matrix user id between the `@` and the colon.
    Localpart, "user name", localpart, meant::localpart
}
name! {
    /// A reference to a container image, with its tag or digest.
    ImageRef, "image reference", image, meant::nothing
}
name! {
    /// An e-mail address.
    Email, "e-mail address", email, meant::email
}
name! {
    /// The sender of e-mails: an address, or `Name <address>`.
    Sender, "sender", sender, meant::nothing
}
name! {
    /// A Matrix user id, `@alice:example.org`.
    UserId, "Matrix user id", user_id, meant::user_id
}

impl ServerName {
    /// The name of this server's directory: the colon before a port becomes `_`.
    pub fn directory(&self) -> String {
        self.0.replace(':', "_")
    }

    /// The host name without the port.
    pub fn host(&self) -> &str {
        self.0.split(':').next().unwrap_or(&self.0)
    }

    /// The port, where the name includes one: then other servers do not look for well-known files,
    /// and connect to this port.
    pub fn port(&self) -> Option<u16> {
        self.0.split_once(':')?.1.parse().ok()
    }

    /// Whether the name includes a port.
    pub fn has_port(&self) -> bool {
        self.port().is_some()
    }
}

impl Domain {
    /// This domain as a server name: the default.
    pub fn server_name(&self) -> ServerName {
        ServerName(self.0.clone())
    }
}

impl ImageRef {
    /// The image without its tag or digest.
    pub fn repository(&self) -> &str {
        let name = self.0.split('@').next().unwrap_or(&self.0);
        // A colon before the last slash belongs to the registry's port.
        match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => repository,
            _ => name,
        }
    }
}

impl AppName {
    /// The default name of this app's service.
    pub fn service(&self) -> Result<ServiceName> {
        format!("{}-db", self.0.replace('.', "-")).parse()
    }
}

type Checked = Result<(), &'static str>;

/// What is wrong with a name, and what to type instead, if that can be told.
fn wrong(what: &str, text: &str, why: &str, meant: Meant, check: fn(&str) -> Checked) -> String {
    let why = meant.why.unwrap_or(why);
    let instead = meant.name.filter(|name| name != text && check(name).is_ok());
    let instead = instead.map(|name| format!("; type {name}")).unwrap_or_default();
    format!("{text:?} is not a valid {what}: {why}{instead}")
}

fn ensure(holds: bool, why: &'static str) -> Checked {
    if holds { Ok(()) } else { Err(why) }
}

fn only(text: &str, extra: &str) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || extra.contains(c))
}

fn app(text: &str) -> Checked {
    ensure(!text.chars().any(char::is_uppercase), "it must be lower case")?;
    ensure(only(text, ".-"), "only a-z, 0-9, '.', and '-' are allowed")?;
    ensure(
        text.starts_with(|c: char| c.is_ascii_alphanumeric()),
        "it must start with a letter or a digit",
    )?;
    ensure(!text.contains(".."), "it must not contain '..'")?;
    ensure(text.len() <= 63, "it must not be longer than 63 characters")
}

fn hostname(text: &str) -> Checked {
    ensure(!text.is_empty(), "it is empty")?;
    ensure(!text.chars().any(char::is_uppercase), "it must be lower case")?;
    ensure(only(text, ".-"), "only a-z, 0-9, '.', and '-' are allowed")?;
    ensure(text.len() <= 230, "it is too long")?;
    for label in text.split('.') {
        ensure(!label.is_empty(), "it has an empty label")?;
        ensure(label.len() <= 63, "a label is longer than 63 characters")?;
        ensure(
            !label.starts_with('-') && !label.ends_with('-'),
            "a label starts or ends with '-'",
        )?;
    }
    let last = text.rsplit('.').next().unwrap_or_default();
    ensure(!last.chars().all(|c| c.is_ascii_digit()), "an IP address is not supported")
}

fn domain(text: &str) -> Checked {
    hostname(text)
}

fn server_name(text: &str) -> Checked {
    let Some((host, port)) = text.split_once(':') else { return hostname(text) };
    hostname(host)?;
    let number = port.parse::<u16>().is_ok_and(|p| p > 0 && port == p.to_string());
    ensure(number, "the port must be a number from 1 to 65535")
}

fn service(text: &str) -> Checked {
    ensure(!text.is_empty(), "it is empty")?;
    ensure(
        text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'),
        "only A-Z, a-z, 0-9, '-', and '_' are allowed",
    )?;
    ensure(!text.starts_with('-'), "it must not start with '-'")?;
    // PostgreSQL truncates identifiers at 63 bytes, and the database is named after the service.
    ensure(text.len() <= 63, "it must not be longer than 63 characters")
}

fn localpart(text: &str) -> Checked {
    ensure(!text.is_empty(), "it is empty")?;
    ensure(
        !text.starts_with('@') && !text.contains(':'),
        "only the part between '@' and ':' is allowed",
    )?;
    ensure(!text.chars().any(char::is_uppercase), "it must be lower case")?;
    ensure(only(text, "._=-/+"), "only a-z, 0-9, and . _ = - / + are allowed")?;
    ensure(!text.starts_with('_'), "it must not start with '_'")?;
    ensure(
        !text.chars().all(|c| c.is_ascii_digit()),
        "a name of digits only is reserved for guests",
    )
}

fn image(text: &str) -> Checked {
    ensure(!text.is_empty(), "it is empty")?;
    ensure(
        text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@".contains(c)),
        "only A-Z, a-z, 0-9, and . _ - / : @ are allowed",
    )?;
    ensure(
        text.starts_with(|c: char| c.is_ascii_alphanumeric()),
        "it must start with a letter or a digit",
    )?;
    let after_slash = text.rsplit('/').next().unwrap_or(text);
    ensure(
        after_slash.contains(':') || after_slash.contains('@'),
        "it must have a tag or a digest, such as matrixdotorg/synapse:v1.163.2",
    )
}

fn email(text: &str) -> Checked {
    let Some((user, host)) = text.rsplit_once('@') else { return Err("it has no '@'") };
    ensure(!user.is_empty(), "there is nothing before the '@'")?;
    ensure(
        user.chars().all(|c| c.is_ascii_alphanumeric() || "._%+-=~/".contains(c)),
        "it has characters that are not allowed before the '@'",
    )?;
    ensure(host.contains('.'), "the part after the '@' is not a host name")?;
    hostname(&host.to_ascii_lowercase())
}

fn sender(text: &str) -> Checked {
    let Some((name, rest)) = text.split_once('<') else { return email(text) };
    ensure(!name.chars().any(char::is_control), "the name contains a control character")?;
    let Some(address) = rest.strip_suffix('>') else { return Err("the '<' is not closed") };
    email(address)
}

fn user_id(text: &str) -> Checked {
    let Some((local, server)) = text.strip_prefix('@').and_then(|rest| rest.split_once(':')) else {
        return Err("it must look like @alice:example.org");
    };
    localpart(local)?;
    server_name(server)?;
    ensure(text.len() <= 255, "it is longer than 255 characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validates_names() {
        for good in ["matrix", "9lives", "a.b", "my-app", "1"] {
            assert!(good.parse::<AppName>().is_ok(), "{good}");
        }
        for bad in ["", "-x", "Matrix", "a_b", "a/b", "a b", "ä", "..", "a..b", ".a"] {
            assert!(bad.parse::<AppName>().is_err(), "{bad}");
        }
        for good in ["example.org", "localhost", "example.org:8448", "xn--bcher-kva.example"] {
            assert!(good.parse::<ServerName>().is_ok(), "{good}");
        }
        for bad in
            ["", "Example.org", "a..b", "-a.b", "a b", "10.0.0.1", "x:0", "x:99999", "x:", "x:08"]
        {
            assert!(bad.parse::<ServerName>().is_err(), "{bad}");
        }
        for good in ["alice", "a.b", "a=b", "x_1", "a/b+c"] {
            assert!(good.parse::<Localpart>().is_ok(), "{good}");
        }
        for bad in ["", "_a", "123", "Alice", "@alice", "alice:x", "a b", "é"] {
            assert!(bad.parse::<Localpart>().is_err(), "{bad}");
        }
        for good in ["matrixdotorg/synapse:v1.163.2", "ghcr.io:443/a/b:1", "a@sha256:00"] {
            assert!(good.parse::<ImageRef>().is_ok(), "{good}");
        }
        for bad in ["", "-x:1", "a b:1", "matrixdotorg/synapse", "reg:5000/a"] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad}");
        }
        for good in ["a@example.test", "admin+x@example.org"] {
            assert!(good.parse::<Email>().is_ok(), "{good}");
        }
        for bad in ["", "a", "@b.c", "a@", "a b@c.d", "a@b", "a'b@c.d"] {
            assert!(bad.parse::<Email>().is_err(), "{bad}");
        }
    }

    #[test]
    fn derives_names() {
        let app: AppName = "a.b".parse().unwrap();
        assert_eq!(app.service().unwrap().as_str(), "a-b-db");
        let name: ServerName = "example.org:8448".parse().unwrap();
        assert_eq!((name.directory().as_str(), name.host()), ("example.org_8448", "example.org"));
        assert_eq!((name.port(), name.has_port()), (Some(8448), true));
    }
}
