//! Which paths nginx lets through to Synapse: none that Synapse would look up below `/_synapse`, but
//! for `/_synapse/client`, and every address of Matrix.

use super::harness::{App, NginxServer};
use super::http::echo_server;
use super::serving::homeserver;
use dokku_matrix::nginx::template;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::process::Command;

const OTHER: &str = include_str!("../../stand-in/src/real/nginx.conf.sigil");
const FILE: &str = "matrix.conf";

/// A template that passes the normalized path on.
fn normalizing() -> String {
    let pass = "proxy_pass http://{{ $.APP }}-{{ index $parts 2 }}";
    assert!(OTHER.contains(pass));
    OTHER.replace(pass, &format!("{pass}/"))
}

/// A character as a client may send it.
fn spellings(character: char) -> [String; 3] {
    let code = u32::from(character);
    [character.to_string(), format!("%{code:02X}"), format!("%{code:02x}")]
}

fn decoded(segment: &str) -> String {
    percent_decoded(segment.as_bytes())
}

fn percent_decoded(mut bytes: &[u8]) -> String {
    let mut text = vec![];
    while let Some((&first, rest)) = bytes.split_first() {
        let code = std::str::from_utf8(rest.get(..2).unwrap_or_default()).ok();
        let code =
            code.filter(|_| first == b'%').and_then(|code| u8::from_str_radix(code, 16).ok());
        text.push(code.unwrap_or(first));
        bytes = if code.is_some() { &rest[2..] } else { rest };
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Whether Synapse looks a path up below `/_synapse`, but not below `/_synapse/client`. It decodes
/// each segment; its root ignores empty ones, and no other of its resources does.
fn is_hidden(target: &str) -> bool {
    let path = target.split('?').next().unwrap();
    let mut segments = path.split('/').map(decoded).skip_while(String::is_empty);
    segments.next().as_deref() == Some("_synapse") && segments.next().as_deref() != Some("client")
}

#[test]
fn hidden_paths_are_recognized() {
    for (target, hidden) in [
        ("/_synapse/admin", true),
        ("//_synapse/admin", true),
        ("/%5fsynapse/x", true),
        ("/_synapse", true),
        ("/_synapse?/client", true),
        ("/_synapse/client/../admin", false),
        ("/_synapse%2Fadmin", false),
        ("/x/../_synapse/admin", false),
        ("/?/_synapse/admin", false),
    ] {
        assert_eq!(is_hidden(target), hidden, "{target}");
    }
}

/// Ways into a hidden path and out of it again, for both readers: nginx and Synapse.
fn ways() -> Vec<String> {
    let mut names = vec!["_synapse".to_owned(), "_Synapse".to_owned()];
    let encode = |places: &dyn Fn(usize) -> bool, form: usize| {
        let one = |(place, c)| spellings(c)[if places(place) { form } else { 0 }].clone();
        "_synapse".chars().enumerate().map(one).collect::<String>()
    };
    for form in [1, 2] {
        names.extend((0..8).map(|only| encode(&|place| place == only, form)));
        names.push(encode(&|_| true, form));
        names.push(encode(&|place| place % 2 == 0, form));
    }
    let before =
        ["/", "//", "///", "/./", "/x/../", "/x/%2e%2E/", "/x/..%2F", "/_matrix/..%2f", "/%2F"];
    let between = [
        "/",
        "//",
        "%2F",
        "%2f",
        "/./",
        "/%2e/",
        "/x/../",
        "/x%2F..%2F",
        "/client/../",
        "/client%2F..%2F",
        "/client/%2e%2E/",
        "/client/..%2f",
        "/%63lient/../",
        ";/",
    ];
    let leaves = ["admin/v2/users/@evil", "%61dmin/v1/x", "metrics", "replication/x", "mas/x"];
    let mut after =
        vec![String::new(), "?x=/_matrix".into(), "#/../..".into(), ";x".into(), ".html".into()];
    for climb in 1..8 {
        for up in ["/..", "%2F..", "%2f%2E%2e", "/%2e.", "//.."] {
            for end in [
                "/_matrix:x",
                "%2F_matrix:x",
                "/_matrix/client/versions",
                "/_synapse/client/x",
                "/",
            ] {
                after.push(format!("{}{end}", up.repeat(climb)));
            }
        }
    }
    let mut all = vec![];
    for name in &names {
        for after in &after {
            all.push(format!("/{name}/admin/v2/users/@evil{after}"));
        }
        for before in before {
            for between in between {
                for leaf in leaves {
                    all.push(format!("{before}{name}{between}{leaf}"));
                }
            }
        }
    }
    // A sample in which every part meets every other one.
    all.into_iter().step_by(7).collect()
}

#[test]
fn synapse_gets_no_hidden_path() {
    let (own, normalizing, conf) = (template(false), normalizing(), homeserver());
    let upstream = echo_server();
    let files = [(FILE, conf.as_str())];
    let app = |name, template, form| App {
        name,
        template,
        form,
        upstream,
        files: &files,
        ..App::default()
    };
    let nginx = NginxServer::start(&[
        app("matrix", &own, "https and 8448"),
        app("plain", &own, "http"),
        app("other", OTHER, "https and 8448"),
        app("normal", &normalizing, "https and 8448"),
    ]);
    let ways = ways();
    assert!(ways.len() > 1000, "{}", ways.len());
    let mut passed = 0;
    for (place, way) in ways.iter().enumerate() {
        let (port, name) = match place % 5 {
            0 | 1 => (443, "matrix.test"),
            2 => (8448, "matrix.test"),
            3 => (80, "plain.test"),
            _ => (443, "other.test"),
        };
        // The form of a request to a proxy.
        let absolute = if place % 3 == 0 { format!("https://{name}") } else { String::new() };
        for (port, name) in [(port, name), (443, "normal.test")] {
            let absolute = if name == "normal.test" { "" } else { &absolute };
            let response = nginx.get(port, name, &format!("{absolute}{way}"));
            if response.status != 200 {
                assert!([400, 404, 500].contains(&response.status), "{way}: {response:?}");
                continue;
            }
            passed += 1;
            let line = response.json()["line"].as_str().unwrap().to_owned();
            let seen = line.split(' ').nth(1).unwrap();
            assert!(!is_hidden(seen), "{way} on {name}:{port} reached Synapse as {seen}");
        }
    }
    assert!(passed > 100 && passed < ways.len(), "{passed} of {}", ways.len());
}

/// A browser and most clients speak HTTP/2.
#[test]
fn hidden_paths_are_hidden_from_http_2() {
    let (text, conf, upstream) = (template(false), homeserver(), echo_server());
    let nginx = NginxServer::start(&[App {
        template: &text,
        upstream,
        files: &[(FILE, &conf)],
        ..App::default()
    }]);
    let ca = nginx.tls_dir("matrix.test").join("server.crt");
    let ask = |target: &str| {
        let port = nginx.port(443);
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--http2", "--path-as-is", "--output", "/dev/null"])
            .args(["--write-out", "%{http_version} %{http_code}", "--cacert"])
            .arg(&ca)
            .arg("--resolve")
            .arg(format!("matrix.test:{port}:127.0.0.1"))
            .arg(format!("https://matrix.test:{port}{target}"))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(ask("/_matrix/client/versions"), "2 200");
    for way in ways().iter().filter(|way| is_hidden(way) && !way.contains('#')).step_by(25) {
        let status = if leaves_the_root(way) { 400 } else { 404 };
        assert_eq!(ask(way), format!("2 {status}"), "{way}");
    }
}

/// What an identifier may contain, whatever it is for.
fn identifier() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a",
        "B",
        "é",
        "€",
        "1",
        "/",
        "/../",
        "../",
        "..",
        ".",
        "./",
        "//",
        "#",
        "?",
        "%",
        "%2F",
        "=",
        "+",
        ";",
        "&",
        " ",
        "_synapse",
        "admin",
        "_synapse/admin",
        "/../../../../../../_synapse/admin",
        "client",
        "_matrix",
        "metrics",
        "_synapse/mas",
        "@",
        "!",
        "$",
        "\\",
        "|",
        "'",
        "\"",
        "~",
        ",",
    ]);
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

/// As clients encode an identifier: some leave more characters as they are than others.
fn encoded(text: &str, strict: bool) -> String {
    let one = |byte: u8| {
        let kept = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        let lenient = !strict && b"!$&'()*+,;=:@".contains(&byte);
        if kept || lenient { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(one).collect()
}

/// Whether a path leads above the root once it is decoded: nginx itself answers 400.
fn leaves_the_root(path: &str) -> bool {
    let mut depth = 0;
    decoded(path.split('?').next().unwrap()).split('/').any(|segment| {
        match segment {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        depth < 0
    })
}

#[test]
fn every_address_of_matrix_reaches_synapse() {
    const ADDRESSES: [&str; 16] = [
        "/_matrix/client/v3/directory/room/{#}",
        "/_matrix/client/v3/rooms/{!}/state/{}/{}",
        "/_matrix/client/v3/rooms/{!}/event/{$}",
        "/_matrix/client/v3/rooms/{!}/send/{}/{}",
        "/_matrix/client/v3/join/{#}?server_name={}",
        "/_matrix/client/v3/profile/{@}/displayname",
        "/_matrix/client/v3/user/{@}/rooms/{!}/tags/{}",
        "/_matrix/client/v3/presence/{@}/status",
        "/_matrix/client/v3/sync?filter={}",
        "/_matrix/client/v1/media/download/example.org/{}/{}",
        "/_matrix/media/v3/thumbnail/example.org/{}?width=1",
        "/_matrix/federation/v1/state/{!}?event_id={$}",
        "/_matrix/federation/v1/query/directory?room_alias={#}",
        "/_matrix/federation/v2/send_join/{!}/{$}",
        "/_matrix/key/v2/query/example.org/{}",
        "/_synapse/client/oidc/callback?code={}&state={}",
    ];
    let (text, conf, upstream) = (template(false), homeserver(), echo_server());
    let nginx = NginxServer::start(&[App {
        template: &text,
        upstream,
        files: &[(FILE, &conf)],
        ..App::default()
    }]);
    let addresses = prop::sample::select(ADDRESSES.to_vec());
    let inputs = (addresses, prop::collection::vec(identifier(), 3), any::<bool>(), any::<bool>());
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&inputs, |(address, identifiers, strict, federates)| {
        let mut target = String::new();
        let mut identifiers = identifiers.iter();
        for part in address.split_inclusive('}') {
            let Some((before, sigil)) = part.split_once('{') else {
                target += part;
                continue;
            };
            let sigil = sigil.trim_end_matches('}');
            let server = if sigil.is_empty() { "" } else { ":example.org" };
            let identifier = format!("{sigil}{}{server}", identifiers.next().unwrap());
            target += &format!("{before}{}", encoded(&identifier, strict));
        }
        let response = nginx.get(if federates { 8448 } else { 443 }, "matrix.test", &target);
        if leaves_the_root(&target) {
            prop_assert_eq!(response.status, 400, "{}", target);
        } else {
            prop_assert_eq!(response.status, 200, "{}: {:?}", &target, &response);
            prop_assert_eq!(&response.json()["line"], &format!("GET {target} HTTP/1.1"));
        }
        Ok(())
    });
    result.unwrap();
}
