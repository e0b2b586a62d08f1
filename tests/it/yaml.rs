//! The written YAML, read back by PyYAML: any text must survive unchanged.

use super::support::{directories::server, host, python::PyYaml};
use dokku_matrix::{
    component::{CATALOG, Homeserver},
    host::secret::Secret,
    state::ComponentSpec,
    synapse::{
        config,
        database::database_yaml,
        email::{Smtp, email_yaml},
    },
};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

/// Texts that YAML 1.1 may not read as strings, or that break quoting or lines.
const AMBIGUOUS: [&str; 61] = [
    "no",
    "No",
    "NO",
    "yes",
    "on",
    "off",
    "y",
    "n",
    "true",
    "False",
    "null",
    "Null",
    "~",
    "",
    " ",
    "12:30",
    "1_000",
    "0x10",
    "010",
    "0o7",
    "0b1",
    "1e3",
    "1.5",
    ".5",
    "5.",
    "-1",
    "+1",
    ".inf",
    "-.INF",
    ".nan",
    "2024-01-01",
    "2024-01-01 10:00:00",
    "=",
    "<<",
    "*a",
    "&a",
    "!a",
    "!!str",
    "%a",
    "@a",
    "`a",
    "|",
    ">",
    "-",
    "- a",
    "? a",
    ": a",
    "a: b",
    "a #b",
    "#a",
    "[a]",
    "{a: b}",
    "it's",
    "say \"x\"",
    "'\"\\",
    "\\n",
    " a ",
    "a\tb",
    "---",
    "...",
    "a,b",
];

/// Line breaks of all kinds, control characters, and characters of several Unicode planes.
const UNUSUAL: [&str; 16] = [
    "a\nb",
    "a\n",
    "\n",
    "a\r\nb",
    "a\u{85}b",
    "a\u{2028}b",
    "a\u{2029}",
    "\0",
    "\u{7}\u{1b}[0m",
    "\u{7f}",
    "\u{feff}a",
    "a\u{feff}",
    "\u{fffe}\u{ffff}",
    "пароль",
    "🔑 é",
    "\u{200b}\u{a0}",
];

fn email(text: &str, from: &str) -> (String, Value) {
    let smtp = Smtp {
        host: text.to_owned(),
        port: 587,
        user: Some(text.to_owned()),
        password: Some(Secret::new(text)),
        from: from.parse().unwrap(),
    };
    let want = json!({"email": {
        "smtp_host": text,
        "smtp_port": 587,
        "smtp_user": text,
        "smtp_pass": text,
        "force_tls": false,
        "require_transport_security": true,
        "notif_from": from.replace('%', "%%"),
        "enable_notifs": true,
        "notif_for_new_users": false,
        "client_base_url": text,
    }});
    (email_yaml(&smtp, Some(text)).unwrap().expose().to_owned(), want)
}

/// Percent-encodes everything except letters and digits.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn database(text: &str) -> (String, Value) {
    let word = encoded(text);
    let url = Secret::new(format!("postgres://{word}:{word}@{word}:5433/{word}"));
    let want = json!({"database": {"name": "psycopg2", "txn_limit": 10000, "args": {
        "user": text, "password": text, "dbname": text, "host": text, "port": 5433,
        "cp_min": 5, "cp_max": 10,
        "keepalives_idle": 10, "keepalives_interval": 10, "keepalives_count": 3,
    }}});
    (database_yaml(&url).unwrap().expose().to_owned(), want)
}

#[test]
fn ambiguous_texts_survive() {
    let mut pyyaml = PyYaml::new();
    let long = "a b ".repeat(40) + " " + &"x".repeat(200);
    for text in AMBIGUOUS.iter().chain(&UNUSUAL).copied().chain([long.as_str()]) {
        let (yaml, want) = email(text, "a@example.org");
        assert_eq!(pyyaml.read(&yaml), want, "{yaml}");
        if !text.is_empty() && !text.contains('\0') {
            let (yaml, want) = database(text);
            assert_eq!(pyyaml.read(&yaml), want, "{yaml}");
        }
    }
    for from in ["1e3@example.org", "%s@example.org", "a%b+c=d~e/f@example.org", "-@no.example"] {
        let (yaml, want) = email("x", from);
        assert_eq!(pyyaml.read(&yaml), want, "{yaml}");
    }
}

#[test]
fn any_text_survives() {
    let mut pyyaml = PyYaml::new();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(1000));
    // Any character, but more often those that are special in YAML.
    let texts = prop_oneof![any::<String>(), "[-a-z0-9 .:#'\"\\\\%@`&*!|>?,=~\\[\\]{}\t\n]{0,100}"];
    let pyyaml = std::cell::RefCell::new(&mut pyyaml);
    let outcome = runner.run(&texts, |text| {
        let (yaml, want) = email(&text, "a@example.org");
        prop_assert_eq!(pyyaml.borrow_mut().read(&yaml), want);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn server_file_has_the_intended_values() {
    let mut pyyaml = PyYaml::new();
    for name in ["example.org", "1e3", "12.example:30", "0x10", "no", "null"] {
        let mut server = server();
        server.server_name = name.parse().unwrap();
        let read = pyyaml.read(&config::server_yaml(&server).unwrap());
        assert_eq!(read["server_name"], name);
        assert_eq!(read["max_upload_size"], "50M");
        assert_eq!(
            read["listeners"],
            json!([{
                "port": 8008,
                "type": "http",
                "tls": false,
                "x_forwarded": true,
                "bind_addresses": ["0.0.0.0"],
                "resources": [{"names": ["client", "federation"], "compress": false}],
            }])
        );
    }
}

#[test]
fn local_file_examples_are_valid() {
    let mut pyyaml = PyYaml::new();
    assert_eq!(pyyaml.read(config::LOCAL_YAML), Value::Null);
    let read = pyyaml.read(&examples());
    let keys: Vec<&str> = read.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "enable_registration",
            "media_retention",
            "presence",
            "registration_requires_token",
            "room_list_publication_rules",
            "turn_allow_guests",
            "turn_shared_secret",
            "turn_uris",
            "user_directory"
        ]
    );
}

/// The administrator's file with every example enabled.
pub(crate) fn examples() -> String {
    let setting = |line: &str| {
        let rest = line.strip_prefix('#')?;
        (!rest.starts_with(' ') || rest.starts_with("  ")).then(|| format!("{rest}\n"))
    };
    config::LOCAL_YAML.lines().filter_map(setting).collect()
}

#[test]
fn python_accepts_the_log_configuration() {
    let program = "import logging.config, sys, yaml; logging.config.dictConfig(yaml.safe_load(sys.argv[1])); \
        print([type(h).__name__ + ' ' + h.stream.name for h in logging.getLogger().handlers])";
    let actual = super::support::python::python(program, config::LOG_CONFIG);
    assert_eq!(actual, "['StreamHandler <stderr>']");
}

#[test]
fn element_configuration_names_the_server() {
    let mut spec = server();
    let element = ComponentSpec {
        app: "chat".parse().unwrap(),
        domain: "chat.example.org".parse().unwrap(),
        image: "vectorim/element-web:v1".parse().unwrap(),
        created: true,
    };
    spec.components.insert("element".to_owned(), element);
    let homeserver = Homeserver::new(CATALOG, host().env(), spec).unwrap();
    let element = homeserver.component("element").unwrap();
    let text = (element.files[0].text)(host().env(), element).unwrap();
    let read: Value = serde_json::from_str(&text).unwrap();
    let actual = &read["default_server_config"]["m.homeserver"];
    assert_eq!(
        actual,
        &json!({"base_url": "https://matrix.example.org", "server_name": "example.org"})
    );
}
