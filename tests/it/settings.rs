//! What people bring in `90-local.yaml`, read by the real Synapse: each setting is honoured, told, or
//! refused with its place and what to do instead.

use super::support::directories::{Directories, server};
use dokku_matrix::{
    host::secret::Secret,
    state::Settings,
    synapse::{
        config::{DATABASE_FILE, LOCAL_FILE},
        email::Smtp,
    },
};
use serde_json::json;

/// A configuration that connects nowhere.
fn directories() -> Directories {
    let url = "postgres://postgres:0123abc@dokku-postgres-matrix-db:5432/matrix_db";
    Directories::write(&server(), &Secret::new(url), None)
}

/// What is told of a setting in the administrator's file: all but the first line and the last.
fn refusal(directories: &Directories, local: &str) -> String {
    directories.put_local(local);
    let lines = directories.validate();
    let directory = directories.config().join("homeserver.d");
    let first = format!("{directory} has settings that this homeserver cannot use");
    assert_eq!(lines.first(), Some(&first), "{local}: {lines:?}");
    assert_eq!(lines.last().unwrap(), "Fix it, then: dokku matrix:deploy matrix");
    lines[1..lines.len() - 1].join("\n").replace(directories.config().as_str(), "<config>")
}

#[test]
fn refuses_settings_that_break_the_homeserver() {
    const LISTENER: &str = "  - {port: 8008, type: http, x_forwarded: true, bind_addresses: ['0.0.0.0'], resources: [{names: [client, federation]}]}";
    const NO_LISTENER: &str = "nginx asks on port 8008, and no listener of type http is there";
    let listeners = |why: &str| {
        format!(
            "listeners: {why}. Keep this one in the list, beside those of your own:\n{LISTENER}"
        )
    };
    let ours = "port: 8008, type: http, resources: [{names: [client]}]";
    let secret = |name: &str| {
        format!(
            "this secret is in <config>/secrets/{name}. Remove it; to keep that of an old server, replace the content of that file"
        )
    };
    let key = "the signing key is in <config>/secrets/signing.key. Remove it; the key of an old server belongs into that file, before this server has talked to any other";
    let process = "this homeserver is one process, and nobody else would do that. Remove it";
    let url = "links in e-mails would lead elsewhere than to https://matrix.example.org/. Remove it; for another address: dokku matrix:create matrix --domain <host>";
    let cases = [
        (
            "database: {name: sqlite3, args: {database: /data/homeserver.db}}".to_owned(),
            "database: a database in SQLite would be an empty second server, or an old copy. Remove it: the database is in the postgres service matrix-db".to_owned(),
        ),
        (
            "database: {name: psycopg2, args: {user: synapse, password: hidden, dbname: synapse, host: db}}".to_owned(),
            "database: another database would be an empty second server, or an old copy. Remove it: the database is in the postgres service matrix-db".to_owned(),
        ),
        (
            "listeners: [{type: metrics, port: 9000, bind_addresses: ['0.0.0.0']}]".to_owned(),
            listeners(NO_LISTENER),
        ),
        (
            "listeners: [{port: 7073, type: http, x_forwarded: true, resources: [{names: [client]}]}]".to_owned(),
            listeners(NO_LISTENER),
        ),
        (
            format!("listeners: [{{{ours}, x_forwarded: true, bind_addresses: ['::1', '127.0.0.1']}}]"),
            listeners("the listener on port 8008 does not listen on 0.0.0.0, and nginx is outside the container"),
        ),
        (
            format!("listeners: [{{{ours}}}]"),
            listeners("the listener on port 8008 has no `x_forwarded: true`, so all clients would share one address and its rate limit"),
        ),
        (
            format!("listeners: [{{{ours}, x_forwarded: true, tls: true}}]"),
            listeners("the listener on port 8008 expects TLS, and nginx talks http with it"),
        ),
        (
            "listeners: [{port: 8008, type: http, x_forwarded: true, resources: [{names: [federation]}]}]".to_owned(),
            listeners("the listener on port 8008 does not serve `client`"),
        ),
        (
            "server_name: other.example".to_owned(),
            "server_name: the server name is example.org and can never be changed. Remove it; for another server: dokku matrix:create <app> --server-name <name>".to_owned(),
        ),
        ("signing_key_path: /data/my.signing.key".to_owned(), format!("signing_key_path: {key}")),
        ("signing_key: ed25519 a_x hidden".to_owned(), format!("signing_key: {key}")),
        ("public_baseurl: https://example.org/".to_owned(), format!("public_baseurl: {url}")),
        ("media_store_path: /media_store".to_owned(), "media_store_path: media would be stored where no backup finds them. Remove it; media of an old server belong into the directory data/media of this one. For another disk: dokku storage:mount <app> <path>:/data/media".to_owned()),
        ("registration_shared_secret: hidden".to_owned(), format!("registration_shared_secret: {}", secret("registration_shared_secret"))),
        ("macaroon_secret_key: hidden".to_owned(), format!("macaroon_secret_key: {}", secret("macaroon_secret_key"))),
        ("form_secret: hidden".to_owned(), format!("form_secret: {}", secret("form_secret"))),
        ("form_secret_path: /data/form".to_owned(), format!("form_secret_path: {}", secret("form_secret"))),
        ("daemonize: true".to_owned(), "daemonize: Synapse would leave its container, which then ends. Remove it".to_owned()),
        ("worker_app: synapse.app.generic_worker".to_owned(), format!("worker_app: {process}")),
        ("app_service_config_files: [/data/x.yaml]".to_owned(), "app_service_config_files: there is no file /data/x.yaml".to_owned()),
        ("log_config: /data/none".to_owned(), "log_config: there is no file /data/none. Remove it; Synapse then logs to standard error, which `dokku logs` shows".to_owned()),
        ("start_pushers: false".to_owned(), format!("start_pushers: {process}")),
        ("federation_sender_instances: [sender1]".to_owned(), format!("federation_sender_instances: {process}")),
        ("redis: {enabled: true}".to_owned(), "redis: only other processes of Synapse use Redis, and this homeserver is one process. Remove it".to_owned()),
    ];
    let directories = directories();
    // Those of one key each take a run of their own, all others share one.
    let key = |local: &str| local.split(':').next().unwrap().to_owned();
    let mut rounds: Vec<Vec<(String, String)>> = vec![];
    for (local, wanted) in cases {
        let fits = |round: &&mut Vec<(String, String)>| {
            round.iter().all(|(other, _)| key(other) != key(&local))
        };
        match rounds.iter_mut().find(fits) {
            Some(round) => round.push((local, wanted)),
            None => rounds.push(vec![(local, wanted)]),
        }
    }
    for round in rounds {
        let local: String = round.iter().map(|(local, _)| format!("{local}\n")).collect();
        let told = refusal(&directories, &local);
        let mut wanted = round
            .iter()
            .enumerate()
            .map(|(line, (_, wanted))| format!("{LOCAL_FILE}, line {}, {wanted}\n", line + 1));
        assert!(wanted.all(|wanted| format!("{told}\n").contains(&wanted)), "{local}: {told}");
        let others = round.iter().map(|(_, wanted)| wanted.lines().count()).sum::<usize>();
        assert_eq!(told.lines().count(), others, "{told}");
        assert!(!told.contains("hidden"), "{told}");
    }
}

#[test]
fn refuses_hidden_keys_and_large_answers() {
    let directories = directories();
    // A merge key sets a key without naming it.
    let merged = refusal(&directories, "x: &x {daemonize: true}\n<<: *x\n");
    assert!(merged.starts_with(&format!("{LOCAL_FILE}, line 2, daemonize: ")), "{merged}");
    let large = format!("extra_well_known_client_content: {{a: {}}}", "x".repeat(3000));
    assert_eq!(
        refusal(&directories, &large),
        format!(
            "{LOCAL_FILE}, line 1, extra_well_known_client_content: it is larger than nginx can serve, 3000 bytes"
        )
    );
}

/// Everything that the plugin lets pass, Synapse honours.
#[test]
fn reads_what_the_settings_say() {
    let directories = directories();
    let ours = "port: 8008, type: http, x_forwarded: true, bind_addresses: ['0.0.0.0'], resources: [{names: [client, federation]}]";
    let client = json!({ "im.vector.riot.jitsi": { "preferredDomain": "meet.example" }, "m.identity_server": { "base_url": "https://id.example" } });
    let connection = directories.read(&format!("homeserver.d/{DATABASE_FILE}"));
    directories.put(
        "own-log.config",
        "version: 1\nhandlers: {file: {class: logging.handlers.WatchedFileHandler, filename: /logs/x}, net: {class: logging.handlers.SysLogHandler, address: [loghost, 514]}}\nroot: {handlers: [file, net]}\n",
    );
    let more_connections = connection.replace("cp_max: 10", "cp_max: 50");
    assert_ne!(connection, more_connections);
    let default = Settings::default;
    for (local, wanted) in [
        ("# nothing\n".to_owned(), default()),
        (format!("listeners: [{{{ours}}}, {{type: metrics, port: 9000}}]\nenable_metrics: true\n"), default()),
        (format!("listeners: [{{{}}}]\n", ours.replace(", federation", "")), Settings { federates: false, ..default() }),
        ("federation_domain_whitelist: []\n".to_owned(), Settings { federates: false, ..default() }),
        ("federation_domain_whitelist: [a.example]\n".to_owned(), default()),
        ("max_upload_size: 200M\n".to_owned(), Settings { max_upload_size: 200 << 20, ..default() }),
        ("enable_registration: true\nregistration_requires_token: true\n".to_owned(), Settings { registration: true, ..default() }),
        ("email: {smtp_host: mail.example, notif_from: a@b.example}\n".to_owned(), Settings { email: true, ..default() }),
        (
            "extra_well_known_client_content: {im.vector.riot.jitsi: {preferredDomain: meet.example}}\ndefault_identity_server: https://id.example\n".to_owned(),
            Settings { well_known_client: client.as_object().unwrap().clone(), ..default() },
        ),
        ("public_baseurl: https://matrix.example.org\n".to_owned(), default()),
        (
            format!("listeners: [{{{}}}]\nmedia_store_path: /data/media/\n", ours.replace("0.0.0.0", "::")),
            default(),
        ),
        (format!("{connection}    sslmode: disable\n"), default()),
        // Handlers are not opened: their files are not for the container that validates.
        ("log_config: /config/own-log.config\n".to_owned(), default()),
        (more_connections, default()),
    ] {
        directories.put_local(&local);
        let settings = directories.settings().unwrap_or_else(|error| panic!("{local}: {:?}", error.lines()));
        assert_eq!(settings, wanted, "{local}");
    }
}

#[test]
fn tells_what_has_no_effect() {
    let directories = directories();
    for (local, wanted) in [
        ("max_uplod_size: 3\n", vec!["line 1: max_uplod_size is no setting that Synapse knows"]),
        (
            "email:\n  smtp_host: a.example\n  notif_from: a@b.example\n  smtp_pasword: hidden\n",
            vec!["line 1: email.smtp_pasword is no setting that Synapse knows"],
        ),
        (
            "url_preview_ip_range_blacklist: ['10.0.0.0/8']\n",
            vec!["line 1: url_preview_ip_range_blacklist has no effect here"],
        ),
        (
            "max_upload_size: 1M\n\nmax_upload_size: 2M\n",
            vec!["lines 1 and 3: max_upload_size stands there 2 times, and the last one counts"],
        ),
        ("extra_well_known_client_content: {a: {b: c}}\n", vec![]),
        ("password_config: {policy: {enabled: true, minimum_length: 15}}\n", vec![]),
        (
            "presence: {enabled: false}\nrc_login: {address: {per_second: 1, burst_count: 3}}\n",
            vec![],
        ),
    ] {
        directories.put_local(local);
        let settings = directories.settings().unwrap_or_else(|error| panic!("{:?}", error.lines()));
        let wanted: Vec<_> = wanted.iter().map(|note| format!("{LOCAL_FILE}, {note}")).collect();
        assert_eq!(settings.notes, wanted, "{local}");
    }
}

/// The file of `matrix:email` stays, and has no effect any more.
#[test]
fn tells_of_two_settings_for_email() {
    let smtp = Smtp {
        host: "mail.example.org".to_owned(),
        port: 587,
        user: None,
        password: None,
        from: "a@example.org".parse().unwrap(),
    };
    let url = Secret::new("postgres://postgres:0123abc@dokku-postgres-matrix-db:5432/matrix_db");
    let directories = Directories::write(&server(), &url, Some(&smtp));
    assert_eq!(directories.settings().unwrap().notes, [""; 0]);
    directories.put_local("email: {smtp_host: b.example.org, notif_from: b@example.org}\n");
    assert_eq!(
        directories.settings().unwrap().notes,
        ["90-local.yaml, line 1: email replaces what dokku matrix:email has set"]
    );
}

/// What Synapse reads only when it starts.
#[test]
fn finds_what_would_end_a_start() {
    let directories = directories();
    let config = directories.config();
    for (name, text) in [
        ("no-tokens.yaml", "id: bridge\nurl: null\n"),
        ("no-yaml.yaml", "a: [\n"),
        (
            "bad-log.config",
            "version: 1\nhandlers: {file: {class: no.such.Handler}}\nroot: {handlers: [file]}\n",
        ),
    ] {
        directories.put(name, text);
    }
    for (local, place, shown) in [
        (
            "app_service_config_files: [/config/no-tokens.yaml]",
            "../no-tokens.yaml".to_owned(),
            "KeyError: \"Required string field: 'as_token'",
        ),
        (
            "app_service_config_files: [/config/no-yaml.yaml]",
            "../no-yaml.yaml".to_owned(),
            "yaml.parser.ParserError: while parsing a flow node",
        ),
        (
            "log_config: /config/bad-log.config",
            "90-local.yaml, line 1: log_config".to_owned(),
            "ValueError: Cannot resolve 'no.such.Handler'",
        ),
        (
            "tls_certificate_path: /data/a.crt\ntls_private_key_path: /data/a.key\nlisteners: [{port: 8008, type: http, x_forwarded: true, resources: [{names: [client]}]}, {port: 8448, type: http, tls: true, resources: [{names: [federation]}]}]",
            "90-local.yaml, line 2: tls_private_key_path".to_owned(),
            "Error accessing file '",
        ),
        (
            "listeners: [{port: 8008, type: http, x_forwarded: true, resources: [{names: [client]}]}, {port: 9000, type: manhole}, {port: 9000, type: http, resources: []}]",
            "90-local.yaml, line 1: listeners".to_owned(),
            "two listeners on port 9000",
        ),
        (
            "listeners: [{port: 8008, type: http, x_forwarded: true, resources: [{names: [client, consent]}]}]",
            "90-local.yaml, line 1: listeners".to_owned(),
            "the resource consent needs the setting user_consent",
        ),
        (
            "enable_registration: true",
            "90-local.yaml".to_owned(),
            "You have enabled open registration without any verification.",
        ),
        (
            "modules: [{module: nowhere.Module, config: {}}]",
            "90-local.yaml".to_owned(),
            "ModuleNotFoundError: No module named 'nowhere'",
        ),
        (
            "listeners: [{port: 8008, type: http, x_forwarded: true, resources: [{names: [client]}], additional_resources: {/x: {module: nowhere.X, config: {}}}}]",
            "90-local.yaml, line 1: listeners".to_owned(),
            "ModuleNotFoundError: No module named 'nowhere'",
        ),
    ] {
        directories.put_local(&format!("{local}\n"));
        let lines = directories.validate();
        let place = match place.strip_prefix("../") {
            Some(name) => format!("{config}/{name}"),
            None => format!("{config}/homeserver.d/{place}"),
        };
        assert_eq!(
            lines[0],
            format!("Synapse does not accept its configuration: see {place}"),
            "{lines:?}"
        );
        assert!(lines[1].starts_with(&format!("  | {shown}")), "{lines:?}");
        assert_eq!(lines.last().unwrap(), "Fix it, then: dokku matrix:deploy matrix");
    }
}
