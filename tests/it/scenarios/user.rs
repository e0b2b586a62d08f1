//! A minimal Matrix client: one user who is logged in through the public address.

use super::{HttpClient, run_command};
use serde_json::{Value, json};
use stand_in::Scratch;
use std::fs;

pub(super) struct User<'a, P> {
    http: &'a P,
    /// `https://<domain>`.
    base: String,
    token: String,
}

/// A message that was sent.
pub(super) struct Message {
    pub(super) room: String,
    pub(super) text: String,
}

impl<'a, P: HttpClient> User<'a, P> {
    /// Logs in.
    pub(super) fn new(http: &'a P, domain: &str, name: &str, password: &str) -> Self {
        let mut user = Self { http, base: format!("https://{domain}"), token: String::new() };
        let login = user.log_in(name, password);
        login["access_token"].as_str().unwrap().clone_into(&mut user.token);
        user
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

    /// Whoever has this token at the same homeserver.
    pub(super) fn with_token(&self, token: &str) -> Self {
        Self { http: self.http, base: self.base.clone(), token: token.to_owned() }
    }

    /// Sends a request, with additional lines for curl's configuration. Returns status and body.
    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        more: &str,
    ) -> (u16, Vec<u8>) {
        let directory = Scratch::new().unwrap();
        let [upload, response] = ["upload", "response"].map(|name| directory.path().join(name));
        fs::write(&upload, body).unwrap();
        // curl does not create the file if the response has no body.
        fs::write(&response, "").unwrap();
        let mut curl = self.http.curl();
        // The token goes through standard input: everybody can see arguments.
        curl.args(["--silent", "--show-error", "--max-time", "240", "--config", "-", "--request"]);
        curl.args([method, "--write-out", "%{http_code}", "--output"]).arg(&response);
        if !body.is_empty() {
            curl.arg("--data-binary").arg(format!("@{}", upload.display()));
        }
        curl.arg(format!("{}{path}", self.base));
        let config = format!("header = \"Authorization: Bearer {}\"\n{more}", self.token);
        let output = run_command(curl, config.as_bytes());
        let status = output.stdout.parse().unwrap_or_else(|_| panic!("{path}: {output:#?}"));
        (status, fs::read(&response).unwrap())
    }

    fn json(&self, method: &str, path: &str, body: &[u8]) -> Value {
        let (status, response) = self.request(method, path, body, "");
        let text = String::from_utf8_lossy(&response);
        assert_eq!(status, 200, "{method} {path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(super) fn get(&self, path: &str) -> Value {
        self.json("GET", path, b"")
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Value {
        self.json("POST", path, body.to_string().as_bytes())
    }

    /// Creates a room and sends a message there.
    pub(super) fn send_in_new_room(&self, text: &str) -> Message {
        let room = self.post("/_matrix/client/v3/createRoom", &json!({ "preset": "public_chat" }));
        let message =
            Message { room: room["room_id"].as_str().unwrap().into(), text: text.to_owned() };
        self.send(&message.room, text);
        message
    }

    pub(super) fn send(&self, room: &str, text: &str) {
        let (status, response) = self.try_send(room, text);
        assert_eq!(status, 200, "{text}: {}", String::from_utf8_lossy(&response));
    }

    /// Sends a message and returns the response's status and body.
    pub(super) fn try_send(&self, room: &str, text: &str) -> (u16, Vec<u8>) {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = format!("/_matrix/client/v3/rooms/{room}/send/m.room.message/{number}");
        let message = json!({ "msgtype": "m.text", "body": text });
        self.request("PUT", &path, message.to_string().as_bytes(), "")
    }

    /// The messages of a room, newest first, as pairs of sender and text.
    pub(super) fn messages(&self, room: &str) -> Vec<(String, String)> {
        let messages =
            self.get(&format!("/_matrix/client/v3/rooms/{room}/messages?dir=b&limit=1000"));
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let events = messages["chunk"].as_array().unwrap().iter();
        events.filter_map(|e| Some((text(&e["sender"])?, text(&e["content"]["body"])?))).collect()
    }

    pub(super) fn assert_has_message(&self, message: &Message) {
        let texts = self.messages(&message.room);
        assert!(texts.iter().any(|(_, text)| *text == message.text), "{texts:?}");
    }

    /// Uploads a file of this size. Returns the status, and the path from which to download it.
    pub(super) fn upload(&self, mebibytes: usize) -> (u16, Option<String>) {
        let body = vec![7; mebibytes << 20];
        let more = "header = \"Content-Type: application/octet-stream\"\n";
        let (status, response) = self.request("POST", "/_matrix/media/v3/upload", &body, more);
        let response: Value = serde_json::from_slice(&response).unwrap();
        let uri = response["content_uri"].as_str().and_then(|uri| uri.strip_prefix("mxc://"));
        (status, uri.map(|uri| format!("/_matrix/client/v1/media/download/{uri}")))
    }

    pub(super) fn assert_has_upload(&self, upload: &str, mebibytes: usize) {
        let (status, body) = self.request("GET", upload, b"", "");
        assert_eq!((status, body.len()), (200, mebibytes << 20));
        assert!(body.iter().all(|byte| *byte == 7));
    }
}
