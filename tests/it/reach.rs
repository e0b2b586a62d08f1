//! What Synapse needs, asked by its own code: a real PostgreSQL, and an authentication service.

use super::support::{
    directories::{Directories, server},
    postgres::Postgres,
};
use dokku_matrix::synapse::{config::DATABASE_FILE, database, probe::Reach};
use std::{
    io::{Read, Write},
    net::TcpListener,
};

/// What is told of the database.
fn database(reach: &Reach) -> String {
    assert_eq!(reach.authentication_service, None);
    reach.database.clone().unwrap_or_default()
}

#[test]
fn asks_the_database() {
    let mut postgres = Postgres::start();
    let directories = Directories::write(&server(), &postgres.url(), None);
    assert_eq!(directories.reach(), Reach::default());
    // Of another version of Synapse.
    postgres.sql("matrix_db", "CREATE TABLE schema_compat_version (compat_version INTEGER)");
    postgres.sql("matrix_db", "INSERT INTO schema_compat_version VALUES (84)");
    assert_eq!(directories.reach(), Reach::default());
    postgres.sql("matrix_db", "UPDATE schema_compat_version SET compat_version = 100000");
    assert_eq!(
        database(&directories.reach()),
        "ValueError: its tables are of a newer Synapse: schema 100000"
    );
    // It was only read.
    postgres.sql("matrix_db", "SELECT 1 / count(*) FROM schema_compat_version");
    postgres.sql("postgres", "CREATE DATABASE other TEMPLATE template0 LC_COLLATE 'C.UTF-8'");
    let url = |text: &str| {
        let changed = postgres.url().expose().replace("/matrix_db", text);
        let file =
            database::database_yaml(&dokku_matrix::host::secret::Secret::new(changed)).unwrap();
        directories.put(&format!("homeserver.d/{DATABASE_FILE}"), file.expose());
    };
    url("/other");
    let why = database(&directories.reach());
    assert!(why.contains("Database has incorrect collation"), "{why}");
    url("/none");
    let why = database(&directories.reach());
    assert!(why.contains("database \"none\" does not exist"), "{why}");
    postgres.stop();
    let why = database(&directories.reach());
    assert!(why.contains("Connection refused"), "{why}");
    assert!(!why.contains("p@ss"), "{why}");
}

#[test]
fn asks_the_authentication_service() {
    let postgres = Postgres::start();
    let directories = Directories::write(&server(), &postgres.url(), None);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    directories.put_local(&format!(
        "matrix_authentication_service: {{enabled: true, endpoint: 'http://127.0.0.1:{port}/', secret: hunter22}}\n"
    ));
    let answers = [
        (r#"{"issuer": "https://auth.example.org/"}"#, None),
        ("{}", Some("names no issuer")),
        ("<html>", Some("JSONDecodeError")),
    ];
    for (body, wanted) in answers {
        let found = std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 4096];
                let length = stream.read(&mut request).unwrap();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                assert!(request.starts_with("GET /.well-known/openid-configuration "), "{request}");
                write!(stream, "HTTP/1.0 200 OK\r\n\r\n{body}").unwrap();
            });
            directories.reach()
        });
        assert_eq!(found.database, None);
        let why = found.authentication_service;
        assert_eq!(why.is_some(), wanted.is_some(), "{why:?}");
        assert!(why.unwrap_or_default().contains(wanted.unwrap_or_default()), "{body}");
    }
    drop(listener);
    let why = directories.reach().authentication_service.unwrap_or_default();
    assert!(why.contains("Connection refused"), "{why}");
}
