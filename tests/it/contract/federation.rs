//! The last step finds the homeserver as another server would.

use super::delegation::add_locations;
use super::harness::{TestHost, in_parallel};
use crate::support::dns::{Dns, Records};
use dokku_matrix::host::{Host, env::Env, net, run::Nowhere};
use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;

const CREATE: &str = "matrix:create matrix --email a@site.test";
const DELEGATED: &str = "matrix:create matrix --email a@site.test --server-name site.test";

#[test]
fn finds_the_homeserver() {
    let cases: [(&str, fn(&TestHost)); 4] = [
        (CREATE, |_| ()),
        ("matrix:create matrix --email a@site.test --server-name matrix.site.test:8448", |_| ()),
        (DELEGATED, |host| host.website("site", "site.test")),
        // The page of the server name redirects to other pages, which have the files.
        (DELEGATED, |host| {
            host.website("site", "site.test");
            host.website("pages", "pages.site.test");
            add_locations(
                host,
                "site",
                &[
                    ("server", "301 https://pages.site.test/.well-known/matrix/server"),
                    ("client", "301 https://pages.site.test/.well-known/matrix/client"),
                ],
            );
            add_locations(
                host,
                "pages",
                &[
                    ("server", r#"200 '{"m.server":"matrix.site.test:443"}'"#),
                    ("client", r#"200 '{"m.homeserver":{"base_url":"https://matrix.site.test"}}'"#),
                ],
            );
        }),
    ];
    in_parallel(&cases, |(line, prepare)| {
        let host = TestHost::new();
        host.dns.lead_here(&["matrix.site.test", "site.test", "pages.site.test"]);
        prepare(&host);
        let output = host.dokku(line);
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{line}");
        let file = host.scene.root().join("site/nginx.conf.d/own.conf");
        let ours = host.scene.root().join("site/nginx.conf.d/matrix-well-known.conf");
        assert!(!(file.exists() && ours.exists()), "the app's own files are enough");
    });
}

/// Another homeserver, or none, answers under our name.
#[test]
fn tells_of_other_servers() {
    let m2 = |key: &str| format!("200 '{{\"{key}\":\"matrix2.site.test:443\"}}'");
    let cases = [
        (
            m2("m.server"),
            "They are led to matrix2.site.test:443 (by its well-known file), and there:
 !     another server answers there, \"matrix2.site.test\"\n",
        ),
        (
            m2("m.other"),
            "They are led to site.test:8448 (by port 8448, without a well-known file and SRV records), and there:
 !     /_matrix/federation/v1/version: ",
        ),
        (
            "301 https://site.test/.well-known/matrix/server".to_owned(),
            "They are led to site.test:8448 (by port 8448, without a well-known file and SRV records), and there:
 !     /_matrix/federation/v1/version: ",
        ),
    ];
    in_parallel(&cases, |(returns, error)| {
        let host = TestHost::new();
        let _second = host.homeserver("matrix2");
        host.dns.lead_here(&["matrix.site.test", "matrix2.site.test", "site.test"]);
        host.website("site", "site.test");
        assert_eq!(host.dokku("matrix:create matrix2 --email a@site.test").code, Some(0));
        add_locations(&host, "site", &[("server", returns)]);
        let output = host.dokku(DELEGATED);
        assert_eq!(output.code, Some(3), "{output:#?}");
        let text = format!(" !     Other servers do not find site.test. {error}");
        assert!(output.stderr.contains(&text), "{output:#?}");
    });
    // The same name with another key: another installation.
    let host = TestHost::new();
    host.dns.lead_here(&["matrix.site.test"]);
    assert_eq!(host.dokku(CREATE).code, Some(0));
    host.changes();
    let keys = r#"{"server_name":"matrix.site.test","verify_keys":{"ed25519:a_else":{}}}"#;
    let location = format!("location = /_matrix/key/v2/server {{\n  return 200 '{keys}';\n}}\n");
    let path = host.scene.root().join("matrix/nginx.conf.d/own.conf");
    fs::write(path, location).unwrap();
    let output = host.dokku("matrix:deploy matrix");
    let error = "another server answers there: it does not sign with <id>:a_";
    assert!(output.stderr.contains(error), "{output:#?}");
    assert_eq!((output.code, host.changes().len()), (Some(3), 0));
}

#[test]
fn reads_srv_records() {
    for truncates in [false, true] {
        let dns = Dns::start_with(truncates);
        let vars = [("DOKKU_MATRIX_DNS", dns.address.to_string())];
        let vars = vars.each_ref().map(|(name, value)| (*name, value.as_str()));
        let host = Host::new(Env::of(&vars), Arc::new(Nowhere), false);
        let srv = |name: &str| {
            let found = net::srv(&host, name);
            found.map(|all| all.into_iter().map(|srv| (srv.target, srv.port)).collect::<Vec<_>>())
        };
        let records = vec![
            (20, 8448, "last.test".to_owned()),
            (10, 443, "First.test".to_owned()),
            (15, 1, String::new()),
        ];
        dns.put("_matrix-fed._tcp.a.test", Records { a: vec![], srv: records });
        let wanted = vec![("first.test".to_owned(), 443), ("last.test".to_owned(), 8448)];
        assert_eq!(srv("_matrix-fed._tcp.a.test"), Ok(wanted), "{truncates}");
        dns.deny(&["_matrix-fed._tcp.b.test"]);
        assert_eq!(srv("_matrix-fed._tcp.b.test"), Ok(vec![]));
        let error = "the DNS does not answer for _matrix._tcp.c.test: ServerFailure";
        assert_eq!(srv("_matrix._tcp.c.test"), Err(error.to_owned()));
        // Addresses: some, none, and no answer.
        dns.lead_here(&["a.test"]);
        dns.deny(&["b.test"]);
        let address = |name| net::resolve(&host, name).option().map_err(|error| error.lines());
        assert_eq!(address("a.test"), Ok(Some(vec![Ipv4Addr::LOCALHOST.into()])));
        assert_eq!(address("b.test"), Ok(None));
        let error = "the DNS does not answer for c.test: ServerFailure".to_owned();
        assert_eq!(address("c.test"), Err(vec![error]));
    }
}
