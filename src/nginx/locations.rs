//! The files that the plugin puts into an app's `nginx.conf.d`.
//!
//! Dokku includes that folder in every server of the app, whatever template is in use, the server
//! on port 80 that redirects as well. So the answers here hold under Dokku's own template too.
//!
//! A `location =` given twice is fatal for every app on the host. Before such a file is put into
//! a folder that other hands write to, nginx has to judge it there.

use super::quote;
use crate::server::Support;
use serde_json::{Value, json};

const HEADER: &str =
    "# Written by dokku-matrix. What is changed here is lost at the next deploy.\n";

/// Paths of Synapse that no one outside the host has any business with.
const HIDDEN: [&str; 3] = ["/_synapse/admin", "/_synapse/metrics", "/_synapse/replication"];

/// The answer of `/.well-known/matrix/support`: whom to turn to about a server.
fn support_json(support: &Support) -> Value {
    let mut contact = json!({ "role": "m.role.admin" });
    if let Some(email) = &support.email {
        contact["email_address"] = json!(email);
    }
    if let Some(mxid) = &support.mxid {
        contact["matrix_id"] = json!(mxid);
    }
    let mut answer = json!({});
    if support.email.is_some() || support.mxid.is_some() {
        answer["contacts"] = json!([contact]);
    }
    if let Some(page) = &support.page {
        answer["support_page"] = json!(page);
    }
    answer
}

/// What is published under `/.well-known/matrix/`.
///
/// nginx takes arguments of less than 4096 bytes, and each answer is one.
#[derive(Clone, Copy, Debug)]
pub struct WellKnown<'a> {
    /// Where clients reach the homeserver: `https://matrix.example.org`.
    pub base_url: &'a str,
    /// Where other servers reach it: `matrix.example.org:443`.
    pub server: &'a str,
    /// There is no `support` without a contact or a page.
    pub support: Option<&'a Support>,
}

impl WellKnown<'_> {
    fn locations(&self) -> String {
        let server = json!({ "m.server": self.server });
        let client = json!({ "m.homeserver": { "base_url": self.base_url } });
        let mut text = well_known("server", &server, false) + &well_known("client", &client, true);
        if let Some(support) = self.support.filter(|support| **support != Support::default()) {
            text += &well_known("support", &support_json(support), true);
        }
        text
    }
}

/// For the homeserver's own app: the well-known answers, and what Synapse must not show.
///
/// `^~` keeps regular expressions from taking a hidden path back, and nginx compares the path that
/// it has decoded and cleaned up. The answer is the one that Synapse has for an unknown path.
pub fn homeserver(well_known: &WellKnown<'_>) -> String {
    let unknown = json!({ "errcode": "M_UNRECOGNIZED", "error": "Unrecognized request" });
    let unknown = quote::json(&unknown);
    let hidden =
        HIDDEN.map(|path| format!("location ^~ {path} {{\n{JSON}  return 404 {unknown};\n}}\n"));
    sibling(well_known) + &hidden.concat()
}

/// For the app that owns the server name's domain while the homeserver has another one.
pub fn sibling(well_known: &WellKnown<'_>) -> String {
    format!("{HEADER}{}", well_known.locations())
}

/// For Element Web's app: what its README asks of the web server.
///
/// These stand at the level of the server. Dokku's template has no `add_header` of its own, so
/// every location inherits them, beside those of `hsts.conf`.
pub fn element() -> String {
    let headers = [
        ("X-Frame-Options", "SAMEORIGIN"),
        ("Content-Security-Policy", "frame-ancestors 'self'"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-XSS-Protection", "1; mode=block"),
        ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ];
    let lines = headers.map(|(name, value)| format!("add_header {name} \"{value}\" always;\n"));
    HEADER.to_owned() + &lines.concat()
}

/// JSON whatever the path ends with; Dokku's `types` would make HTML of `.html`.
const JSON: &str = "  types { }\n  default_type application/json;\n";

/// What the client-server specification asks of answers that web clients read.
const CORS: &str = "  add_header Access-Control-Allow-Origin * always;
  add_header Access-Control-Allow-Methods \"GET, POST, PUT, DELETE, OPTIONS\" always;
  add_header Access-Control-Allow-Headers \"X-Requested-With, Content-Type, Authorization\" always;
";

fn well_known(name: &str, answer: &Value, cors: bool) -> String {
    let cors = if cors { CORS } else { "" };
    let answer = quote::json(answer);
    format!("location = /.well-known/matrix/{name} {{\n{JSON}{cors}  return 200 {answer};\n}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: WellKnown<'_> = WellKnown {
        base_url: "https://matrix.example.org",
        server: "matrix.example.org:443",
        support: None,
    };

    #[test]
    fn support_says_what_was_given() {
        let some = |text: &str| Some(text.to_owned());
        let email = |text: &str| text.parse().ok();
        let mxid = |text: &str| text.parse().ok();
        for (support, answer) in [
            (Support::default(), json!({})),
            (
                Support { email: email("a@b.c"), ..Support::default() },
                json!({"contacts": [{"email_address": "a@b.c", "role": "m.role.admin"}]}),
            ),
            (
                Support { mxid: mxid("@a:b.c"), ..Support::default() },
                json!({"contacts": [{"matrix_id": "@a:b.c", "role": "m.role.admin"}]}),
            ),
            (
                Support { page: some("https://b.c"), ..Support::default() },
                json!({"support_page": "https://b.c"}),
            ),
            (
                Support { email: email("a@b.c"), mxid: mxid("@a:b.c"), page: some("https://b.c") },
                json!({
                    "contacts": [{"email_address": "a@b.c", "matrix_id": "@a:b.c", "role": "m.role.admin"}],
                    "support_page": "https://b.c",
                }),
            ),
        ] {
            assert_eq!(support_json(&support), answer);
            let text = sibling(&WellKnown { support: Some(&support), ..KNOWN });
            assert_eq!(text.contains("/support {"), support != Support::default(), "{text}");
        }
    }
}
