//! Registers users over HTTP, so that no other user of the host sees the password.
//!
//! Owns the request and its signature. Must not show the password or the shared secret.

use crate::{
    error::{Error, Result},
    host::{
        Host,
        net::{self, Reply, Request, Via},
        random::hex,
        secret::Secret,
    },
    names::Localpart,
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use std::time::Duration;

/// The longest password that Synapse accepts, in characters.
const MAX_PASSWORD: usize = 512;

/// Checks a password that the user typed.
///
/// # Errors
/// It is empty, which Synapse would accept; longer than Synapse accepts; or more than one line.
pub fn password(text: &str) -> Result<Secret> {
    let why = if text.is_empty() {
        "it is empty"
    } else if text.chars().count() > MAX_PASSWORD {
        "it is longer than 512 characters"
    } else if text.contains('\0') {
        "it contains a NUL"
    } else if text.contains(['\n', '\r']) {
        "it has more than one line"
    } else {
        return Ok(Secret::new(text));
    };
    Err(Error::usage(format!("the password cannot be used: {why}")))
}

/// A user to register.
#[derive(Debug)]
pub struct NewUser<'a> {
    /// The localpart of the user id.
    pub name: &'a Localpart,
    /// The password, checked by [`password`].
    pub password: &'a Secret,
    /// Whether the user may use the admin API.
    pub admin: bool,
}

/// The result of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The user was created, with this user id.
    Created(String),
    /// The user exists already; nothing was changed.
    Taken,
}

/// Registers a user with the Synapse at `ip:port`.
///
/// # Errors
/// Synapse cannot be reached, or refuses: then with Synapse's own message.
pub fn register(
    host: &Host,
    address: &str,
    secret: &Secret,
    user: &NewUser<'_>,
) -> Result<Registered> {
    host.may_change("register a user")?;
    host.scrubber().learn(user.password);
    let url = format!("http://{address}/_synapse/admin/v1/register");
    let ask = |json| {
        // Password hashing is slow by design.
        let timeout = Duration::from_secs(60);
        let request = Request { json, timeout, ..Request::get(&url, Via::Dns) };
        net::ask(host, &request)
            .map_err(|why| Error::new(format!("Synapse at {address} does not respond: {why}")))
    };
    let reply = ask(None)?;
    let Some(nonce) = reply.json()["nonce"].as_str().map(str::to_owned) else {
        return Err(refusal(user, &reply));
    };
    outcome(user, &ask(Some(body(&nonce, secret, user)?))?)
}

fn body(nonce: &str, secret: &Secret, user: &NewUser<'_>) -> Result<Value> {
    let (name, password) = (user.name.as_str(), user.password.expose());
    let role = if user.admin { "admin" } else { "notadmin" };
    let mac = mac(secret, &[nonce, name, password, role].join("\0"))?;
    Ok(json!({
        "nonce": nonce,
        "username": name,
        "password": password,
        "admin": user.admin,
        // Otherwise Synapse returns an access token, which would stay valid.
        "inhibit_login": true,
        "mac": mac,
    }))
}

fn mac(secret: &Secret, message: &str) -> Result<String> {
    // Synapse strips the whitespace around the file's content.
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.expose().trim().as_bytes())
        .map_err(|error| Error::new(format!("the registration secret cannot be used: {error}")))?;
    mac.update(message.as_bytes());
    Ok(hex(&mac.finalize().into_bytes()))
}

fn outcome(user: &NewUser<'_>, reply: &Reply) -> Result<Registered> {
    let json = reply.json();
    match (reply.status, json["user_id"].as_str(), json["errcode"].as_str()) {
        (200, Some(id), _) => Ok(Registered::Created(id.to_owned())),
        (_, _, Some("M_USER_IN_USE")) => Ok(Registered::Taken),
        _ => Err(refusal(user, reply)),
    }
}

fn refusal(user: &NewUser<'_>, reply: &Reply) -> Error {
    let json = reply.json();
    let status = format!("status {}", reply.status);
    let why = json["error"].as_str().unwrap_or(&status);
    Error::new(format!("Synapse refuses to register {}: {why}", user.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_passwords() {
        let longest = "é".repeat(512);
        for good in ["x", " ", "it's", "\"", "a b\tc", "пароль 🔑", longest.as_str(), "\\n%$`"]
        {
            assert_eq!(password(good).unwrap().expose(), good);
        }
        let too_long = "é".repeat(513);
        for (bad, why) in [
            ("", "it is empty"),
            (too_long.as_str(), "it is longer than 512 characters"),
            ("a\0", "it contains a NUL"),
            ("a\nb", "it has more than one line"),
            ("a\r", "it has more than one line"),
        ] {
            let error = password(bad).unwrap_err();
            assert_eq!(error.lines(), [format!("the password cannot be used: {why}")], "{bad:?}");
        }
    }

    #[test]
    fn signs_the_request() {
        let name = "alice".parse().unwrap();
        let secret = Secret::new("key\n");
        let password = Secret::new("it's");
        let user = NewUser { name: &name, password: &password, admin: true };
        let body = body("abc", &secret, &user).unwrap();
        // printf 'abc\0alice\0it\x27s\0admin' | openssl dgst -sha1 -hmac key
        let mac = "ae287c3a4f072f816637e71c7d42d24643a3f402";
        let want = json!({
            "nonce": "abc", "username": "alice", "password": "it's", "admin": true,
            "inhibit_login": true, "mac": mac,
        });
        assert_eq!(body, want);
        let user = NewUser { admin: false, ..user };
        assert_eq!(
            super::body("abc", &secret, &user).unwrap()["mac"],
            "6b389a436a11ec76cf79d9b4efb7e4e23ea08e97"
        );
    }

    #[test]
    fn reads_the_responses() {
        let name = "alice".parse().unwrap();
        let password = Secret::new("hidden");
        let user = NewUser { name: &name, password: &password, admin: false };
        let result = |status, body: &str| {
            outcome(&user, &Reply { status, body: body.to_owned(), ..Reply::default() })
                .map_err(|error| error.message().to_owned())
        };
        let created = Registered::Created("@alice:example.org".to_owned());
        for (status, body, want) in [
            (200, r#"{"user_id":"@alice:example.org","home_server":"example.org"}"#, Ok(created)),
            (
                400,
                r#"{"errcode":"M_USER_IN_USE","error":"User ID already taken."}"#,
                Ok(Registered::Taken),
            ),
            (
                403,
                r#"{"errcode":"M_UNKNOWN","error":"HMAC incorrect"}"#,
                Err("Synapse refuses to register alice: HMAC incorrect"),
            ),
            (502, "<html>", Err("Synapse refuses to register alice: status 502")),
            (200, "{}", Err("Synapse refuses to register alice: status 200")),
        ] {
            assert_eq!(result(status, body), want.map_err(str::to_owned), "{body}");
        }
    }
}
