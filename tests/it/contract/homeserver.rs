//! A stand-in for the Synapse of an app. It answers while a container of the app is running, and
//! knows whether that container reaches its database.

use super::web::{Answer, Request, Server};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use stand_in::{Container, Scene, State};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// A registered user.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct User {
    pub(crate) password: String,
    pub(crate) admin: bool,
}

#[derive(Default)]
struct Inner {
    users: Mutex<BTreeMap<String, User>>,
    nonces: Mutex<BTreeSet<String>>,
    unready: Mutex<BTreeSet<String>>,
}

pub(crate) struct Homeserver {
    inner: Arc<Inner>,
    #[expect(dead_code, reason = "the server stops with the value")]
    server: Server,
}

impl Homeserver {
    pub(crate) fn new(scene: &Arc<Scene>, app: &str) -> Self {
        let inner = Arc::<Inner>::default();
        let server = Server::start(None, {
            let (scene, inner, app) = (Arc::clone(scene), Arc::clone(&inner), app.to_owned());
            move |request| inner.answer(&scene.state().ok()?, &app, request)
        });
        let address = format!("127.0.0.1:{}", server.port);
        scene.update(|state| state.listeners.insert(app.to_owned(), address)).unwrap();
        Self { inner, server }
    }

    /// The users, by their full ids.
    pub(crate) fn users(&self) -> BTreeMap<String, User> {
        self.inner.users.lock().unwrap().clone()
    }

    /// From now on, containers of this image run but never become ready.
    pub(crate) fn never_ready(&self, image: &str) {
        self.inner.unready.lock().unwrap().insert(image.to_owned());
    }
}

impl Inner {
    fn answer(&self, state: &State, app: &str, request: &Request) -> Answer {
        let container = state.running(app).next()?;
        let error = |errcode: &str, error: &str| json!({ "errcode": errcode, "error": error });
        if self.unready.lock().unwrap().contains(&container.image) {
            return Some((503, json!({})));
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/_matrix/client/v3/account/whoami") => {
                Some(if state.dead_links(container).is_empty() {
                    (401, error("M_UNKNOWN_TOKEN", "Invalid access token passed."))
                } else {
                    (500, error("M_UNKNOWN", "Internal server error"))
                })
            }
            ("GET", "/_synapse/admin/v1/register") => {
                let mut nonces = self.nonces.lock().unwrap();
                let nonce = format!("nonce-{}", nonces.len());
                nonces.insert(nonce.clone());
                Some((200, json!({ "nonce": nonce })))
            }
            ("POST", "/_synapse/admin/v1/register") => {
                Some(self.register(container, &request.body).unwrap_or_else(|(status, why)| {
                    let (errcode, text) = why.split_once(": ").unwrap_or_default();
                    (status, error(errcode, text))
                }))
            }
            (_, path) => public(state, container, path),
        }
    }

    /// As in Synapse, a nonce can be used once, and the MAC needs the shared secret of the file.
    fn register(
        &self,
        container: &Container,
        body: &Value,
    ) -> Result<(u16, Value), (u16, &'static str)> {
        let word = |key: &str| body[key].as_str().unwrap_or_default();
        if !self.nonces.lock().unwrap().remove(word("nonce")) {
            return Err((400, "M_UNKNOWN: unrecognised nonce"));
        }
        let (user, password) = (word("username"), word("password"));
        let admin = body["admin"] == true;
        let secret = config(container, "secrets/registration_shared_secret");
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.trim().as_bytes()).unwrap();
        let role = if admin { "admin" } else { "notadmin" };
        mac.update([word("nonce"), user, password, role].join("\0").as_bytes());
        let mac: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        if mac != word("mac") {
            return Err((403, "M_UNKNOWN: HMAC incorrect"));
        }
        let id = format!("@{user}:{}", server_name(container));
        let mut users = self.users.lock().unwrap();
        if users.contains_key(&id) {
            return Err((400, "M_USER_IN_USE: User ID already taken."));
        }
        users.insert(id.clone(), User { password: password.to_owned(), admin });
        assert_eq!(body["inhibit_login"], true, "registration must not create an access token");
        Ok((200, json!({ "user_id": id, "home_server": server_name(container) })))
    }
}

/// The public API of Synapse, with or without nginx in front of it.
pub(crate) fn public(state: &State, container: &Container, path: &str) -> Answer {
    if !state.image(&container.image).starts || !container.image.contains("synapse") {
        return None;
    }
    let federates = serves_federation(container);
    Some(match path {
        "/health" => (200, json!("OK")),
        "/_matrix/client/versions" => (200, json!({ "versions": ["v1.1", "v1.12"] })),
        "/_matrix/federation/v1/version" if federates => {
            (200, json!({ "server": { "name": "Synapse", "version": "1.163.2" } }))
        }
        "/_matrix/key/v2/server" if federates => {
            let file = config(container, "secrets/signing.key");
            let mut words = file.split_whitespace();
            let id =
                words.next().zip(words.next()).map(|(kind, version)| format!("{kind}:{version}"));
            let keys = json!({ id.unwrap_or_default(): { "key": "" } });
            (200, json!({ "server_name": server_name(container), "verify_keys": keys }))
        }
        _ => (404, json!({ "errcode": "M_UNRECOGNIZED", "error": "Unrecognized request" })),
    })
}

/// Whether the listeners serve other servers; the administrator's own replace the generated ones.
fn serves_federation(container: &Container) -> bool {
    let listeners = |name: &str| {
        let text = config(container, &format!("homeserver.d/{name}"));
        let start = text.lines().position(|line| line.starts_with("listeners:"))?;
        let is_inside = |line: &&str| line.starts_with([' ', '-', '#']);
        let rest = text.lines().skip(start + 1).take_while(is_inside);
        Some(text.lines().skip(start).take(1).chain(rest).collect::<Vec<_>>().join("\n"))
    };
    let listeners = listeners("90-local.yaml").or_else(|| listeners("10-server.yaml"));
    let words = listeners.unwrap_or_default();
    words.split(|c: char| !c.is_ascii_alphabetic()).any(|word| word == "federation")
}

/// A file below `/config`, as the process has read it when it started: Synapse reads none again.
fn config<'a>(container: &'a Container, name: &str) -> &'a str {
    container.read.get(&format!("/config/{name}")).map_or("", String::as_str)
}

fn server_name(container: &Container) -> String {
    let text = config(container, "homeserver.d/10-server.yaml");
    let line = text.lines().find_map(|line| line.strip_prefix("server_name: "));
    line.unwrap_or_default().to_owned()
}
