//! What a running nginx serves to clients and to other servers.

use super::harness::{App, NginxServer};
use super::http::{connect_tls, echo_server};
use dokku_matrix::nginx::locations::{self, WellKnown};
use dokku_matrix::nginx::template;
use dokku_matrix::state::Support;
use serde_json::json;

const MATRIX: &str = "matrix.test";
const HSTS: &str = "add_header Strict-Transport-Security \"max-age=1\" always;";
const MIB: usize = 1024 * 1024;

/// Values with characters that are special in nginx or JSON.
fn support() -> Support {
    Support {
        email: "o.neil@example.org".parse().ok(),
        mxid: "@admin=1:example.org".parse().ok(),
        page: Some("https://example.org/'\"\\n;}$1${uri} 'ü'\n".to_owned()),
    }
}

pub(super) fn homeserver() -> String {
    locations::homeserver(&WellKnown {
        client: serde_json::Map::new(),
        base_url: "https://matrix.test".to_owned(),
        server: Some("matrix.test:443".to_owned()),
        support: Some(&support()),
    })
}

#[test]
fn paths_reach_synapse_unchanged() {
    let text = template(false);
    let nginx =
        NginxServer::start(&[App { template: &text, upstream: echo_server(), ..App::default() }]);
    for target in [
        "/",
        "/?q",
        "/_matrix/client/versions?",
        "/_matrix/client/v3/rooms/!a%2Fb:example.org/state",
        "/_matrix/client/v3/directory/room/%23a%3Aexample.org",
        "/_matrix/key/v2/server/ed25519%3Aa_1",
        "/_matrix//client///versions",
        "/a+b?c+d=e%20f&g=%2F&h=//",
        "/a/./b/../c",
        "/a%2e%2e/b%2F..%2Fc",
        "/%E2%82%AC/%c3%bc",
        "/a;b=c,d",
        "/a|b^c`d",
        "/100%25",
    ] {
        for port in [443, 8448] {
            let response = nginx.get(port, MATRIX, target);
            assert_eq!(response.json()["line"], format!("GET {target} HTTP/1.1"), "{port}");
        }
    }
}

#[test]
fn admin_api_is_hidden() {
    let (text, conf, upstream) = (template(false), homeserver(), echo_server());
    // An administrator's own location does not expose them.
    let own = "location ~ ^/_synapse/(admin|metrics) {\n  return 200 shown;\n}\n";
    let files = [("matrix.conf", conf.as_str()), ("own.conf", own)];
    let nginx =
        NginxServer::start(&[App { template: &text, upstream, files: &files, ..App::default() }]);
    for target in [
        "/_synapse/admin",
        "/_synapse/admin/v1/users/x.html?a=b",
        "/_synapse/metrics",
        "/_synapse/replication/x",
        "//_synapse/admin",
        "/_synapse//admin",
        "/%5Fsynapse/%61dmin",
        "/_synapse%2Fadmin",
        "/_synapse%2fadmin/v1",
        "/x/../_synapse/admin",
        "/x/%2e%2e/_synapse/admin",
        "/_matrix/..%2F_synapse/admin",
        "/./_synapse/./admin",
        "/_synapse/x/../admin",
        "http://matrix.test/_synapse/admin",
    ] {
        for port in [80, 443, 8448] {
            let response = nginx.get(port, MATRIX, target);
            assert_eq!(response.status, 404, "{target} on {port}");
            let unknown = json!({"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"});
            assert_eq!(response.json(), unknown, "{target} on {port}");
            assert_eq!(
                response.header("content-type").unwrap(),
                "application/json",
                "{target} on {port}"
            );
        }
    }
    // These are other paths for Synapse, too, which does not decode them and responds with 404.
    for target in
        ["/_Synapse/admin", "/_synapse;x/admin", "/_synapse%252Fadmin", "/_synapse/client/x"]
    {
        let response = nginx.get(443, MATRIX, target);
        assert_eq!(response.json()["line"], format!("GET {target} HTTP/1.1"));
    }
}

#[test]
fn well_known_files() {
    let (text, conf) = (template(false), homeserver());
    let nginx = NginxServer::start(&[App {
        template: &text,
        files: &[("matrix.conf", &conf)],
        ..App::default()
    }]);
    let support = support();
    for (name, body, cors) in [
        ("server", json!({"m.server": "matrix.test:443"}), None),
        ("client", json!({"m.homeserver": {"base_url": "https://matrix.test"}}), Some("*")),
        (
            "support",
            json!({
                "contacts": [{
                    "email_address": support.email,
                    "matrix_id": support.mxid,
                    "role": "m.role.admin",
                }],
                "support_page": support.page,
            }),
            Some("*"),
        ),
    ] {
        for port in [80, 443, 8448] {
            let response = nginx.get(port, MATRIX, &format!("/.well-known/matrix/{name}"));
            assert_eq!(response.status, 200, "{name} on {port}");
            assert_eq!(response.json(), body, "{name} on {port}");
            assert_eq!(
                response.header("content-type").unwrap(),
                "application/json",
                "{name} on {port}"
            );
            let allowed = response.header("access-control-allow-origin");
            assert_eq!(allowed.as_deref(), cors, "{name} on {port}");
        }
    }
}

#[test]
fn client_address_cannot_be_forged() {
    let (text, upstream) = (template(false), echo_server());
    let nginx = NginxServer::start(&[App { template: &text, upstream, ..App::default() }]);
    let forged = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\nX-Forwarded-Proto: http\r\n\
                  X-Forwarded-Port: 1\r\nx-forwarded-for: 9.9.9.9\r\n";
    for port in [443, 8448] {
        let seen = json!({
            "host": "matrix.test",
            "connection": null,
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": nginx.port(port).to_string(),
            "x-forwarded-proto": "https",
        });
        assert_eq!(nginx.get_with(port, MATRIX, "/", forged).json()["headers"], seen);
    }
}

#[test]
fn uploads_are_limited_to_50_mib() {
    let (text, upstream) = (template(false), echo_server());
    let files = [("hsts.conf", HSTS)];
    let nginx =
        NginxServer::start(&[App { template: &text, upstream, files: &files, ..App::default() }]);
    let upload = |size: usize, sent: usize| {
        let head = format!(
            "POST /up HTTP/1.1\r\nHost: {MATRIX}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
        );
        let mut request = head.into_bytes();
        request.resize(request.len() + sent, b'x');
        nginx.send(443, MATRIX, &request)
    };
    let accepted = upload(50 * MIB, 50 * MIB);
    assert_eq!((accepted.status, &accepted.json()["body"]), (200, &json!(50 * MIB)));
    // nginx refuses a request because of its announced size, before it reads the body.
    for size in [50 * MIB + 1, 51 * MIB] {
        let refused = upload(size, 0);
        assert_eq!((refused.status, &refused.json()["errcode"]), (413, &json!("M_TOO_LARGE")));
        assert_eq!(refused.header("content-type").unwrap(), "application/json");
        assert_eq!(refused.header("access-control-allow-origin").unwrap(), "*");
        assert_eq!(refused.header("strict-transport-security").unwrap(), "max-age=1");
    }
}

#[test]
fn port_80_redirects_except_acme() {
    let challenges = stand_in::Scratch::new().unwrap();
    let directory = challenges.path().join(".well-known/acme-challenge");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("token"), "token.key").unwrap();
    // This is what dokku-letsencrypt writes.
    let acme = format!(
        "location /.well-known/acme-challenge {{\n  allow all;\n  auth_basic off;\n  root {};\n}}\n",
        challenges.path().display()
    );
    let files = [("letsencrypt.conf", acme.as_str())];
    let text = template(false);
    let nginx = NginxServer::start(&[App {
        template: &text,
        upstream: echo_server(),
        files: &files,
        ..App::default()
    }]);
    for target in ["/", "/_matrix/a%2Fb//c?d=e+f&g=%20", "/.well-known/other"] {
        let response = nginx.get(80, MATRIX, target);
        assert_eq!(response.status, 301);
        assert_eq!(response.header("location").unwrap(), format!("https://matrix.test{target}"));
    }
    for port in [80, 443] {
        let response = nginx.get(port, MATRIX, "/.well-known/acme-challenge/token");
        assert_eq!((response.status, response.body.as_str()), (200, "token.key"), "{port}");
    }
}

#[test]
fn serves_http_without_a_certificate() {
    let text = template(false);
    let nginx = NginxServer::start(&[App {
        template: &text,
        form: "http",
        upstream: echo_server(),
        ..App::default()
    }]);
    let response = nginx.get(80, MATRIX, "/a%2Fb").json();
    assert_eq!(response["line"], "GET /a%2Fb HTTP/1.1");
    assert_eq!(response["headers"]["x-forwarded-proto"], "http");
}

#[test]
fn nginx_errors_are_json_and_synapse_errors_unchanged() {
    let (text, upstream) = (template(false), echo_server());
    let serving = |form, upstream, changes| {
        let files = [("hsts.conf", HSTS)];
        NginxServer::start(&[App {
            template: &text,
            form,
            upstream,
            changes,
            files: &files,
            ..App::default()
        }])
    };
    let available = serving("https", upstream, &[("PROXY_READ_TIMEOUT", "1s")]);
    for (nginx, target, status) in [
        (&serving("never deployed, certificate", 9, &[]), "/", 502),
        (&serving("https", 9, &[]), "/", 502),
        (&available, "/slow", 504),
    ] {
        let response = nginx.get(443, MATRIX, target);
        assert_eq!((response.status, &response.json()["errcode"]), (status, &json!("M_UNKNOWN")));
        assert_eq!(response.header("content-type").unwrap(), "application/json");
        assert_eq!(response.header("access-control-allow-origin").unwrap(), "*");
        assert_eq!(response.header("strict-transport-security").unwrap(), "max-age=1");
    }
    for status in [400, 403, 404, 413, 429, 500, 502, 503] {
        let target = format!("/status/{status}");
        let response = available.get(443, MATRIX, &target);
        assert_eq!(response.status, status);
        assert_eq!(response.json()["line"], format!("GET {target} HTTP/1.1"));
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
}

#[test]
fn default_server_answers_for_unknown_names() {
    let (other, matrix) = (template(false), template(true));
    let upstream = echo_server();
    // The default server is the second one: without any default, nginx uses the first one.
    let nginx = NginxServer::start(&[
        App { name: "other", template: &other, upstream, ..App::default() },
        App { name: "matrix", template: &matrix, upstream, ..App::default() },
    ]);
    for port in [443, 8448] {
        for name in ["matrix.test", "other.test"] {
            assert_eq!(nginx.get(port, name, "/").json()["headers"]["host"], name);
        }
    }
    // Both certificates are valid for the unknown name, and each client trusts only one of them.
    for (port, name, is_default) in [(8448, "matrix.test", true), (8448, "other.test", false)] {
        let stranger =
            connect_tls(nginx.port(port), "stranger.test", nginx.tls_dir(name), b"http/1.1");
        assert_eq!(stranger.is_ok(), is_default, "{name} on {port}");
    }
}

#[test]
fn http2_is_offered() {
    let text = template(false);
    let nginx = NginxServer::start(&[App { template: &text, ..App::default() }]);
    for port in [443, 8448] {
        let stream = connect_tls(nginx.port(port), MATRIX, nginx.tls_dir(MATRIX), b"h2").unwrap();
        assert_eq!(stream.conn.alpn_protocol(), Some(b"h2".as_slice()), "{port}");
    }
}

#[test]
fn long_responses_are_compressed() {
    let text = template(false);
    let nginx =
        NginxServer::start(&[App { template: &text, upstream: echo_server(), ..App::default() }]);
    for (target, encoding) in
        [("/".to_owned(), None), (format!("/{}", "x".repeat(2000)), Some("gzip"))]
    {
        let response = nginx.get_with(443, MATRIX, &target, "Accept-Encoding: gzip\r\n");
        assert_eq!(
            (response.status, response.header("content-encoding").as_deref()),
            (200, encoding)
        );
    }
}

/// By default, nginx before 1.29.7 opens a new connection for each request.
#[test]
fn connections_to_synapse_are_reused() {
    let (text, upstream) = (template(false), echo_server());
    let changes = [("PROXY_KEEPALIVE", "4")];
    let nginx = NginxServer::start(&[App {
        template: &text,
        upstream,
        changes: &changes,
        ..App::default()
    }]);
    let [first, second] = [(); 2].map(|()| nginx.get(443, MATRIX, "/").json()["from"].clone());
    assert_eq!(first, second);
}

/// The headers of every response of Element Web.
pub(crate) const ELEMENT_HEADERS: [(&str, &str); 5] = [
    ("x-frame-options", "SAMEORIGIN"),
    ("content-security-policy", "frame-ancestors 'self'"),
    ("x-content-type-options", "nosniff"),
    ("x-xss-protection", "1; mode=block"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
];

#[test]
fn element_headers_are_on_every_response() {
    let (text, conf, upstream) = (template(false), locations::element(), echo_server());
    let files = [("hsts.conf", HSTS), ("matrix.conf", conf.as_str())];
    let nginx =
        NginxServer::start(&[App { template: &text, upstream, files: &files, ..App::default() }]);
    for target in ["/", "/status/404"] {
        let response = nginx.get(443, MATRIX, target);
        let hsts = ("strict-transport-security", "max-age=1");
        for (name, value) in ELEMENT_HEADERS.into_iter().chain([hsts]) {
            assert_eq!(response.header(name).as_deref(), Some(value), "{name} of {target}");
        }
    }
}
