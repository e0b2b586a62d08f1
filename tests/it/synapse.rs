//! The files for Synapse, validated and used by the real one.

use super::{
    readme::{blocks, repository_file, section},
    support::{
        Shared,
        directories::{Directories, server},
        homeserver::{ARGS, Homeserver, put_port},
        host,
        python::python,
    },
    yaml::examples,
};
use dokku_matrix::{
    host::secret::Secret,
    state::{Spec, Tls},
    synapse::{
        config,
        email::Smtp,
        health::{self, Readiness},
        users::{self, NewUser, Registered},
    },
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    process::Command,
    time::{Duration, Instant},
};

static SHARED: Shared<Homeserver> = Shared::new();

/// Validation of a configuration does not connect to the database.
fn unused_database_url() -> Secret {
    Secret::new("postgres://postgres:0123abc@dokku-postgres-matrix-db:5432/matrix_db")
}

#[test]
fn accepts_the_written_configuration() {
    let smtp = |port| Smtp {
        host: "mail.example.org".to_owned(),
        port,
        user: Some("12:30".to_owned()),
        password: Some(Secret::new("it's \"no\" #1")),
        from: "a%b@example.org".parse().unwrap(),
    };
    let mut plain = server();
    plain.server_name = "example.org:8448".parse().unwrap();
    plain.tls = Tls::Off;
    let accepted = |server: &Spec, port, local: &str| {
        let directories = Directories::write(server, &unused_database_url(), Some(&smtp(port)));
        directories.put_local(local);
        let errors = directories.validate();
        assert!(errors.is_empty(), "{port}: {errors:?}");
    };
    accepted(&server(), 465, config::LOCAL_YAML);
    accepted(&server(), 587, config::LOCAL_YAML);
    accepted(&plain, 25, &examples());
}

#[test]
fn names_the_broken_file() {
    let directories = Directories::write(&server(), &unused_database_url(), None);
    let config = directories.config();
    let local = format!("{config}/homeserver.d/90-local.yaml");
    let rejection = |file: &str| format!("Synapse does not accept its configuration: see {file}");
    let again = "Fix it, then: dokku matrix:deploy matrix";
    for (text, expected) in [
        (
            "a: b: c\n",
            vec![
                rejection(&local),
                "  | yaml.scanner.ScannerError: mapping values are not allowed here".to_owned(),
                format!("  |   in \"{local}\", line 1, column 5"),
            ],
        ),
        (
            "email: {smtp_host: mail.example.org}\n",
            vec![
                rejection(&local),
                "  | Password reset emails are enabled on this homeserver due to a partial"
                    .to_owned(),
                "  | 'email' block. However, the following required keys are missing:".to_owned(),
                "  |     email.notif_from".to_owned(),
            ],
        ),
        (
            "max_upload_size: lots\n",
            vec![
                rejection(&local),
                "  | ValueError: invalid literal for int() with base 10: 'lots'".to_owned(),
            ],
        ),
        (
            "- max_upload_size\n",
            vec![format!("Synapse ignores {local}: it must consist of `key: value` pairs")],
        ),
    ] {
        directories.put_local(text);
        let expected: Vec<_> = expected.into_iter().chain([again.to_owned()]).collect();
        assert_eq!(directories.validate(), expected, "{text}");
    }
}

/// The commands of docs/element-web.md: they cover each template with a picture of somebody else's, and
/// Synapse accepts what they make of it.
#[test]
fn templates_without_the_pictures_of_others() {
    const PROGRAM: &str = "import glob, json, os, synapse; \
        files = glob.glob(synapse.__path__[0] + '/res/templates/*'); \
        print(json.dumps({os.path.basename(f): open(f).read() for f in files}))";
    let docs = repository_file("docs/element-web.md");
    let section = section(&docs, "## What others learn");
    let commands = blocks(section, "sh").concat();
    let between = |start: &str, end: char| {
        let rest = commands.iter().find_map(|line| line.trim().split_once(start)).unwrap().1;
        rest.split(end).next().unwrap()
    };
    let names: Vec<&str> = between("for name in ", ';').split(' ').collect();
    let expression = between("sed '", '\'');
    let templates: BTreeMap<String, String> = serde_json::from_str(&python(PROGRAM, "")).unwrap();
    let is_foreign = |text: &str| {
        let mut pictures = text.split("<img ").skip(1);
        pictures.any(|rest| rest.split('>').next().unwrap().contains("src=\"https:"))
    };
    let foreign: Vec<&str> = templates
        .iter()
        .filter(|(_, text)| is_foreign(text))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(foreign, names);
    let directories = Directories::write(&server(), &unused_database_url(), None);
    let directory = directories.config().join("templates");
    std::fs::create_dir(&directory).unwrap();
    for name in names {
        let source = directory.join(name);
        std::fs::write(&source, &templates[name]).unwrap();
        let output = Command::new("sed").args([expression, source.as_str()]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!is_foreign(&text) && text.contains("{%"), "{name}: {text}");
        std::fs::write(&source, text).unwrap();
    }
    let local = blocks(section, "yaml").concat().join("\n");
    directories.put_local(&local);
    assert_eq!(directories.validate(), [""; 0]);
    // It reads these files: a mistake in one is found.
    std::fs::write(directory.join("_base.html"), "{% if %}").unwrap();
    assert_ne!(directories.validate(), [""; 0]);
}

#[test]
fn never_generates_a_missing_signing_key() {
    let directories = Directories::write(&server(), &unused_database_url(), None);
    let key = directories.config().join("secrets/signing.key");
    std::fs::remove_file(&key).unwrap();
    put_port(&directories, 1);
    let output = directories.run("python", &ARGS);
    assert_eq!(output.code, 1, "{:?}", output.lines);
    assert!(
        output.says("Read-only file system: '/config/secrets/signing.key'"),
        "{:?}",
        output.lines
    );
    let errors = directories.validate();
    assert_eq!(errors[0], format!("Synapse does not accept its configuration: see {key}"));
    assert!(!key.exists());
}

#[test]
fn closed_port_is_not_ready() {
    let probe = health::probe(&host(), "127.0.0.1:1").unwrap();
    assert!(matches!(&probe, Readiness::Starting(why) if why.contains("refused")), "{probe:?}");
}

#[test]
fn publishes_the_generated_key() {
    let homeserver = SHARED.get(Homeserver::start);
    let public = python(
        "import sys, signedjson.key as k; key, = k.read_signing_keys([sys.argv[1]]); \
         print('ed25519:' + key.version, k.encode_verify_key_base64(k.get_verify_key(key)))",
        &homeserver.directories.read("secrets/signing.key"),
    );
    let (name, public) = public.split_once(' ').unwrap();
    let response = homeserver.get("/_matrix/key/v2/server", None).json();
    assert_eq!(response["server_name"], "example.org");
    assert_eq!(response["verify_keys"], json!({ name: {"key": public} }));
}

#[test]
fn well_known_names_the_domain() {
    let homeserver = SHARED.get(Homeserver::start);
    let response = homeserver.get("/.well-known/matrix/client", None).json();
    assert_eq!(response["m.homeserver"]["base_url"], "https://matrix.example.org/");
    assert_eq!(homeserver.get("/.well-known/matrix/server", None).status, 404);
}

#[test]
fn users_log_in_with_their_password() {
    let homeserver = SHARED.get(Homeserver::start);
    let longest = "é'\" ".repeat(128);
    let passwords =
        ["x", " ", "it's", "say \"x\"", " a  b ", "пароль 🔑", "\\n%s$x`y`\t", longest.as_str()];
    for (number, password) in passwords.into_iter().enumerate() {
        let name = format!("user{number}").parse().unwrap();
        let password = users::password(password).unwrap();
        let user = NewUser { name: &name, password: &password, admin: false };
        let id = format!("@{name}:example.org");
        assert_eq!(register(&homeserver, &user), Registered::Created(id.clone()));
        assert_eq!(log_in(&homeserver, &id, password.expose()).0, 200, "{password:?}");
    }
}

#[test]
fn only_admins_use_the_admin_api() {
    let homeserver = SHARED.get(Homeserver::start);
    let password = Secret::new("hunter22");
    for (name, admin, status) in [("root.one", true, 200), ("plain=one", false, 403)] {
        let name = name.parse().unwrap();
        register(&homeserver, &NewUser { name: &name, password: &password, admin });
        let id = format!("@{name}:example.org");
        let (_, token) = log_in(&homeserver, &id, "hunter22");
        let devices = format!("/_synapse/admin/v2/users/{id}/devices");
        let reply = homeserver.get(&devices, Some(&token));
        assert_eq!(reply.status, status, "{}", reply.body);
        if admin {
            // The device of the login: the registration did not leave one.
            assert_eq!(reply.json()["total"], 1);
        }
    }
}

#[test]
fn taken_name_keeps_its_password() {
    let homeserver = SHARED.get(Homeserver::start);
    let name = "taken".parse().unwrap();
    let (first, second) = (Secret::new("first password"), Secret::new("second password"));
    let created = Registered::Created("@taken:example.org".to_owned());
    for (password, want) in [(&first, created), (&second, Registered::Taken)] {
        let user = NewUser { name: &name, password, admin: false };
        assert_eq!(register(&homeserver, &user), want);
    }
    assert_eq!(log_in(&homeserver, "@taken:example.org", first.expose()).0, 200);
    assert_eq!(log_in(&homeserver, "@taken:example.org", second.expose()).0, 403);
}

#[test]
fn wrong_secret_registers_nobody() {
    let homeserver = SHARED.get(Homeserver::start);
    let (name, password) = ("mallory".parse().unwrap(), Secret::new("hunter22"));
    let user = NewUser { name: &name, password: &password, admin: true };
    let wrong = Secret::new("wrong");
    let error = users::register(&host(), &homeserver.address(), &wrong, &user).unwrap_err();
    assert_eq!(error.lines(), ["Synapse refuses to register mallory: HMAC incorrect"]);
    assert_eq!(log_in(&homeserver, "@mallory:example.org", "hunter22").0, 403);
}

/// It needs a server of its own, because it stops the server and its database.
#[test]
fn recovers_after_a_database_outage() {
    let mut homeserver = Homeserver::start();
    let files = homeserver.directories.snapshot();
    let keys = |homeserver: &Homeserver| {
        homeserver.get("/_matrix/key/v2/server", None).json()["verify_keys"].clone()
    };
    let key = keys(&homeserver);
    assert_eq!(homeserver.probe(), Readiness::Ready);
    homeserver.postgres.stop();
    assert_eq!(homeserver.probe(), Readiness::NoDatabase);
    assert_eq!(homeserver.get("/health", None).status, 200);
    homeserver.postgres.resume();
    let deadline = Instant::now() + Duration::from_secs(20);
    while homeserver.probe() != Readiness::Ready {
        assert!(Instant::now() < deadline, "Synapse is not ready again");
        std::thread::sleep(Duration::from_millis(50));
    }
    homeserver.stop();
    assert!(matches!(homeserver.probe(), Readiness::Starting(_)));
    homeserver.resume();
    assert_eq!(keys(&homeserver), key);
    assert_eq!(homeserver.directories.snapshot(), files);
}

fn register(homeserver: &Homeserver, user: &NewUser<'_>) -> Registered {
    users::register(&host(), &homeserver.address(), &homeserver.secret(), user).unwrap()
}

/// The status and the access token.
fn log_in(homeserver: &Homeserver, user: &str, password: &str) -> (u16, String) {
    let identifier = json!({"type": "m.id.user", "user": user});
    let body = json!({"type": "m.login.password", "identifier": identifier, "password": password});
    let reply = homeserver.post("/_matrix/client/v3/login", body);
    (reply.status, reply.json()["access_token"].as_str().unwrap_or_default().to_owned())
}
