//! Command lines that are refused with a single error, and change nothing.

use super::harness::{TestHost, in_parallel};

/// The command line, the exit code, and the error without Dokku's prefix.
type Case = (&'static str, i32, &'static str);

const WITHOUT_HOMESERVER: &[Case] = &[
    ("matrix:deploy nobody", 20, "App nobody does not exist"),
    ("matrix:report nobody", 20, "App nobody does not exist"),
    ("matrix:register-user nobody alice", 20, "App nobody does not exist"),
    ("matrix:email nobody --off", 20, "App nobody does not exist"),
    ("matrix:enable-element nobody", 20, "App nobody does not exist"),
    ("matrix:disable-element nobody", 20, "App nobody does not exist"),
    (
        "matrix:create Matrix --email a@site.test",
        2,
        r#"invalid value 'Matrix' for '<APP>': "Matrix" is not a valid app name: it must be lower case; type matrix"#,
    ),
    (
        "matrix:create a_b --email a@site.test",
        2,
        r#"invalid value 'a_b' for '<APP>': "a_b" is not a valid app name: only a-z, 0-9, '.', and '-' are allowed"#,
    ),
    (
        "matrix:create ../x --email a@site.test",
        2,
        r#"invalid value '../x' for '<APP>': "../x" is not a valid app name: it is the name of an app of Dokku, such as matrix"#,
    ),
    (
        "matrix:create a..b --email a@site.test",
        2,
        r#"invalid value 'a..b' for '<APP>': "a..b" is not a valid app name: it must not contain '..'"#,
    ),
    (
        "matrix:create -x",
        2,
        "unexpected argument '-x' found
tip: to pass '-x' as a value, use '-- -x'
Usage: dokku matrix:create [OPTIONS] <APP>",
    ),
    (
        "matrix:create",
        2,
        "the following required arguments were not provided: <APP>
Usage: dokku matrix:create <APP>",
    ),
    (
        "matrix:create matrix another",
        2,
        "unexpected argument 'another' found
Usage: dokku matrix:create [OPTIONS] <APP>",
    ),
    (
        "matrix:create matrix --nonsense",
        2,
        "unexpected argument '--nonsense' found
tip: to pass '--nonsense' as a value, use '-- --nonsense'
Usage: dokku matrix:create <APP>",
    ),
    (
        "matrix:create matrix --tls none",
        2,
        "invalid value 'none' for '--tls <HOW>'
[possible values: letsencrypt, provided, off]",
    ),
    (
        "matrix:create matrix --timeout 9",
        2,
        "invalid value '9' for '--timeout <SECONDS>': 9 is not in 10..=86400",
    ),
    (
        "matrix:create matrix --domain Example.org",
        2,
        r#"invalid value 'Example.org' for '--domain <HOST>': "Example.org" is not a valid domain: it must be lower case; type example.org"#,
    ),
    (
        "matrix:create matrix --server-name 10.0.0.1",
        2,
        r#"invalid value '10.0.0.1' for '--server-name <NAME>': "10.0.0.1" is not a valid server name: an IP address is not supported"#,
    ),
    (
        "matrix:create matrix --server-name a.test:08",
        2,
        r#"invalid value 'a.test:08' for '--server-name <NAME>': "a.test:08" is not a valid server name: the port must be a number from 1 to 65535"#,
    ),
    (
        "matrix:create matrix --email a@b",
        2,
        r#"invalid value 'a@b' for '--email <ADDRESS>': "a@b" is not a valid e-mail address: the part after the '@' is not a host name"#,
    ),
    (
        "matrix:create matrix --service a.b",
        2,
        r#"invalid value 'a.b' for '--service <NAME>': "a.b" is not a valid service name: only A-Z, a-z, 0-9, '-', and '_' are allowed"#,
    ),
    (
        "matrix:create matrix --image synapse",
        2,
        r#"invalid value 'synapse' for '--image <REF>': "synapse" is not a valid image reference: it must have a tag or a digest, such as matrixdotorg/synapse:v1.163.2"#,
    ),
    (
        "matrix:create matrix --image a$b:1",
        2,
        r#"invalid value 'a$b:1' for '--image <REF>': "a$b:1" is not a valid image reference: only A-Z, a-z, 0-9, and . _ - / : @ are allowed"#,
    ),
    (
        "matrix:create matrix --element Chat",
        2,
        r#"invalid value 'Chat' for '--element [<APP>]': "Chat" is not a valid app name: it must be lower case; type chat"#,
    ),
    (
        "matrix:create matrix --support-mxid alice",
        2,
        r#"invalid value 'alice' for '--support-mxid <@USER:SERVER>': "alice" is not a valid Matrix user id: it must look like @alice:example.org"#,
    ),
    (
        "matrix:create matrix --support-page javascript:x",
        2,
        "invalid value 'javascript:x' for '--support-page <URL>': it must be an address of the web, https://...",
    ),
    (
        "matrix:create matrix --domain matrix.site.test --element chat --server-name chat.site.test --service a/b",
        2,
        r#"invalid value 'a/b' for '--service <NAME>': "a/b" is not a valid service name: only A-Z, a-z, 0-9, '-', and '_' are allowed"#,
    ),
    (
        "matrix:create matrix",
        2,
        "letsencrypt needs an e-mail address
dokku matrix:create matrix --email you@example.org",
    ),
    (
        "matrix:create chat --email a@site.test --element talk --domain talk.site.test",
        2,
        "Element Web must not have the homeserver's own domain
A page of one could read the other; name another domain.",
    ),
    (
        "matrix:create shop --email a@site.test",
        1,
        "shop is an app that is deployed already, and not this homeserver's
Name another app: dokku matrix:create <app> --email a@site.test",
    ),
    (
        "matrix:create matrix --email a@site.test --element shop",
        1,
        "shop is an app that is deployed already, and not this homeserver's
Name another app: --element <name>, or --app <name> of enable-element",
    ),
    (
        "matrix:create matrix --email a@site.test --domain shop.site.test",
        1,
        "the domain shop.site.test is used by the app shop
Name another one with --domain, or free it: dokku domains:remove shop shop.site.test",
    ),
    (
        "matrix:create matrix --email a@site.test --service shop-db",
        1,
        "the postgres service shop-db is used by the app shop
Name another one: dokku matrix:create matrix --email a@site.test --service <name>",
    ),
    (
        "matrix:create shop --tls off",
        1,
        "shop is an app that is deployed already, and not this homeserver's
Name another app: dokku matrix:create <app> --tls off",
    ),
    ("matrix:deploy shop", 1, "shop is not a Matrix homeserver\ndokku matrix:list"),
    ("matrix:report shop", 1, "shop is not a Matrix homeserver\ndokku matrix:list"),
    (
        "matrix:nonsense",
        1,
        "`matrix:nonsense` is not a dokku command.
See `dokku help` for a list of available commands.",
    ),
];

/// For a host with the homeserver `matrix` and Element Web in `chat`.
const WITH_HOMESERVER: &[Case] = &[
    (
        "matrix:create matrix --server-name other.test",
        2,
        "the server name of matrix is matrix.site.test and cannot become other.test
All its users, rooms, and keys carry the name. For another name create another app:
dokku matrix:create <app> --server-name other.test",
    ),
    (
        "matrix:create matrix --service other",
        2,
        "the database of matrix.site.test is in the postgres service matrix-db
Another service would be an empty server. Leave --service out.",
    ),
    (
        "matrix:create second --tls off --service matrix-db",
        1,
        "the postgres service matrix-db is used by the app matrix
Name another one: dokku matrix:create second --tls off --service <name>",
    ),
    (
        "matrix:create second --tls off --server-name matrix.site.test",
        1,
        "the server name matrix.site.test is that of the app matrix
dokku matrix:report matrix",
    ),
    (
        "matrix:create second --tls off --domain matrix.site.test --server-name second.test",
        1,
        "the domain matrix.site.test is used by the app matrix
Name another one with --domain, or free it: dokku domains:remove matrix matrix.site.test",
    ),
    (
        "matrix:create second --tls off --element",
        1,
        "chat is an app of the homeserver matrix.site.test
dokku matrix:list",
    ),
    (
        "matrix:create matrix --element talk",
        2,
        "Element Web is in the app chat already
dokku matrix:disable-element matrix",
    ),
    (
        "matrix:enable-element matrix --app talk",
        2,
        "Element Web is in the app chat already
dokku matrix:disable-element matrix",
    ),
    (
        "matrix:enable-element matrix --domain matrix.site.test",
        2,
        "Element Web must not have the homeserver's own domain
A page of one could read the other; name another domain.",
    ),
    (
        "matrix:create chat",
        1,
        "chat runs Element Web of the homeserver matrix.site.test
Name another app: dokku matrix:create <app>",
    ),
    (
        "matrix:deploy chat",
        1,
        "chat runs Element Web of the homeserver matrix
dokku matrix:report matrix",
    ),
    (
        "matrix:register-user chat alice",
        1,
        "chat runs Element Web of the homeserver matrix
dokku matrix:report matrix",
    ),
    (
        "matrix:enable-element chat",
        1,
        "chat runs Element Web of the homeserver matrix
dokku matrix:report matrix",
    ),
    (
        "matrix:register-user matrix Alice",
        2,
        r#"invalid value 'Alice' for '<USER>': "Alice" is not a valid user name: it must be lower case; type alice"#,
    ),
];

/// Checks that each command fails with this error and that the host stays unchanged.
fn assert_refused(host: &TestHost, cases: &[Case]) {
    let before = host.dump();
    host.changes();
    for (line, code, expected) in cases {
        let output = host.dokku(line);
        let error = output.stderr.lines().map(|line| line.strip_prefix(" !     ").unwrap_or(line));
        let error = error.collect::<Vec<_>>().join("\n");
        assert_eq!((output.code, error.as_str()), (Some(*code), *expected), "{line}");
        assert_eq!(output.stdout, "", "{line}");
    }
    assert_eq!(host.changes(), [""; 0]);
    assert_eq!(host.dump(), before);
}

#[test]
fn refused_without_a_homeserver() {
    let host = TestHost::new();
    host.website("shop", "shop.site.test");
    host.setup(&["postgres:create shop-db", "postgres:link shop-db shop --no-restart"]);
    let change = |state: &mut stand_in::State| {
        let locale = ["UTF8", "C", "C"].map(str::to_owned);
        state.services.get_mut("shop-db").unwrap().databases.insert("shop_db".into(), locale);
    };
    host.scene.update(change).unwrap();
    assert_refused(&host, WITHOUT_HOMESERVER);
}

#[test]
fn refused_with_a_homeserver() {
    let host = TestHost::after("matrix:create matrix --tls off --element");
    assert_refused(&host, WITH_HOMESERVER);
}

/// Names that look unusual, but that Dokku accepts.
#[test]
fn accepts_unusual_names() {
    in_parallel(
        &[
            ("9lives", "", "9lives.site.test", "9lives-db"),
            ("a.site.test", "", "a.site.test", "a-site-test-db"),
            ("m-1.x", " --domain localhost", "localhost", "m-1-x-db"),
        ],
        |(app, flags, domain, service)| {
            let host = TestHost::new();
            let _synapse = host.homeserver(app);
            host.ok(&format!("matrix:create {app} --tls off{flags}"));
            let state = host.state();
            assert_eq!(state.apps[*app].domains, [*domain]);
            assert!(state.services.contains_key(*service));
            assert_eq!(state.running(app).count(), 1);
            host.changes();
            host.ok(&format!("matrix:create {app}"));
            assert_eq!(host.changes(), [""; 0], "{app}");
        },
    );
}
