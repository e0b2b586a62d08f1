//! A person with an account, through the public address: a client that knows what it has said.

use super::{Outside, fed};
use serde_json::{Value, json};
use stand_in::Scratch;
use std::fs;

pub(super) struct Person<'a, P> {
    place: &'a P,
    /// `https://<domain>`.
    base: String,
    token: String,
}

/// What somebody has said, and where.
pub(super) struct Said {
    pub(super) room: String,
    pub(super) text: String,
}

impl<'a, P: Outside> Person<'a, P> {
    /// Signs in.
    pub(super) fn new(place: &'a P, domain: &str, name: &str, password: &str) -> Self {
        let mut person = Self { place, base: format!("https://{domain}"), token: String::new() };
        let login = person.log_in(name, password);
        login["access_token"].as_str().unwrap().clone_into(&mut person.token);
        person
    }

    fn log_in(&self, name: &str, password: &str) -> Value {
        self.post(
            "/_matrix/client/v3/login",
            &json!({
                "type": "m.login.password",
                "identifier": { "type": "m.id.user", "user": name },
                "password": password,
            }),
        )
    }

    /// The status, and the body.
    pub(super) fn ask(&self, method: &str, path: &str, body: &[u8], more: &str) -> (u16, Vec<u8>) {
        let folder = Scratch::new().unwrap();
        let [given, answer] = ["given", "answer"].map(|name| folder.path().join(name));
        fs::write(&given, body).unwrap();
        // There may be none.
        fs::write(&answer, "").unwrap();
        let mut curl = self.place.curl();
        // The token is nobody else's to see, not even among arguments.
        curl.args(["--silent", "--show-error", "--max-time", "240", "--config", "-", "--request"]);
        curl.args([method, "--write-out", "%{http_code}", "--output"]).arg(&answer);
        if !body.is_empty() {
            curl.arg("--data-binary").arg(format!("@{}", given.display()));
        }
        curl.arg(format!("{}{path}", self.base));
        let config = format!("header = \"Authorization: Bearer {}\"\n{more}", self.token);
        let ran = fed(curl, config.as_bytes());
        let status = ran.stdout.parse().unwrap_or_else(|_| panic!("{path}: {ran:#?}"));
        (status, fs::read(&answer).unwrap())
    }

    fn json(&self, method: &str, path: &str, body: &[u8]) -> Value {
        let (status, answer) = self.ask(method, path, body, "");
        let text = String::from_utf8_lossy(&answer);
        assert_eq!(status, 200, "{method} {path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(super) fn get(&self, path: &str) -> Value {
        self.json("GET", path, b"")
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Value {
        self.json("POST", path, body.to_string().as_bytes())
    }

    /// Says something in a new room.
    pub(super) fn says(&self, text: &str) -> Said {
        let room = self.post("/_matrix/client/v3/createRoom", &json!({ "preset": "public_chat" }));
        let said = Said { room: room["room_id"].as_str().unwrap().into(), text: text.to_owned() };
        self.says_in(&said.room, text);
        said
    }

    pub(super) fn says_in(&self, room: &str, text: &str) {
        let (status, answer) = self.tries_to_say(room, text);
        assert_eq!(status, 200, "{text}: {}", String::from_utf8_lossy(&answer));
    }

    /// The status, and the body.
    pub(super) fn tries_to_say(&self, room: &str, text: &str) -> (u16, Vec<u8>) {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = format!("/_matrix/client/v3/rooms/{room}/send/m.room.message/{number}");
        let message = json!({ "msgtype": "m.text", "body": text });
        self.ask("PUT", &path, message.to_string().as_bytes(), "")
    }

    /// The messages of a room, newest first, each as its sender and its text.
    pub(super) fn hears(&self, room: &str) -> Vec<(String, String)> {
        let messages =
            self.get(&format!("/_matrix/client/v3/rooms/{room}/messages?dir=b&limit=1000"));
        let word = |value: &Value| value.as_str().map(str::to_owned);
        let events = messages["chunk"].as_array().unwrap().iter();
        events.filter_map(|e| Some((word(&e["sender"])?, word(&e["content"]["body"])?))).collect()
    }

    pub(super) fn still_reads(&self, said: &Said) {
        let texts = self.hears(&said.room);
        assert!(texts.iter().any(|(_, text)| *text == said.text), "{texts:?}");
    }

    /// Uploads so many MiB; the path below which they are found.
    pub(super) fn uploads(&self, mebibytes: usize) -> (u16, Option<String>) {
        let body = vec![7; mebibytes << 20];
        let more = "header = \"Content-Type: application/octet-stream\"\n";
        let (status, answer) = self.ask("POST", "/_matrix/media/v3/upload", &body, more);
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let uri = answer["content_uri"].as_str().and_then(|uri| uri.strip_prefix("mxc://"));
        (status, uri.map(|uri| format!("/_matrix/client/v1/media/download/{uri}")))
    }

    pub(super) fn still_has(&self, upload: &str, mebibytes: usize) {
        let (status, body) = self.ask("GET", upload, b"", "");
        assert_eq!((status, body.len()), (200, mebibytes << 20));
        assert!(body.iter().all(|byte| *byte == 7));
    }
}
