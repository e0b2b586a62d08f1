//! A well-known file that was written is no answer that is served: the last step asks the server
//! name, whoever serves it.

use super::delegation::{
    BUILD, CREATE, add_locations, add_nginx, create_host, errors, well_known_file,
};
use super::harness::{TestHost, in_parallel};

const SERVER: &str = r#"200 '{"m.server":"matrix.site.test:443"}'"#;
const CLIENT: &str = r#"200 '{"m.homeserver":{"base_url":"https://matrix.site.test/"}}'"#;
const OTHER_SERVER: &str = r#"200 '{"m.server":"elsewhere.test:443"}'"#;
const OTHER_CLIENT: &str = r#"200 '{"m.homeserver":{"base_url":"https://elsewhere.test"}}'"#;

/// What to serve.
const SERVE_SERVER: &str =
    "site.test must serve this file over https, so that others find site.test:
https://site.test/.well-known/matrix/server
  {\"m.server\": \"matrix.site.test:443\"}
";
const SERVE_CLIENT: &str =
    "site.test must serve this file over https, so that others find site.test:
https://site.test/.well-known/matrix/client (with the header Access-Control-Allow-Origin: *)
  {\"m.homeserver\": {\"base_url\": \"https://matrix.site.test\"}}
";
const SERVE_BOTH: &str =
    "site.test must serve these two files over https, so that others find site.test:
https://site.test/.well-known/matrix/server
  {\"m.server\": \"matrix.site.test:443\"}
https://site.test/.well-known/matrix/client (with the header Access-Control-Allow-Origin: *)
  {\"m.homeserver\": {\"base_url\": \"https://matrix.site.test\"}}
";

/// Everything is in the DNS.
fn with_dns(host: TestHost) -> TestHost {
    let names = ["", "www.", "matrix.", "a.", "b.", "c.", "d.", "e."];
    let names = names.map(|name| format!("{name}site.test"));
    host.dns.lead_here(&names.each_ref().map(String::as_str));
    host
}

/// Runs a command twice: the same exit code and the same errors, and nothing is changed by the second
/// run. Returns what was said of the well-known files.
fn twice(host: &TestHost, line: &str, code: i32, case: &str) -> String {
    let said = [(); 2].map(|()| {
        host.changes();
        let output = host.dokku(line);
        assert_eq!(output.code, Some(code), "{case}: {output:#?}");
        let text = errors(&output.stderr);
        let end = text.find("Other servers do not find").unwrap_or(text.len());
        text[..end].to_owned()
    });
    assert_eq!(host.changes(), [""; 0], "{case}");
    assert_eq!(said[0], said[1], "{case}");
    said[0].clone()
}

/// A line for each file: what is wrong with it, as the app `site` answers.
fn both(cause: &str) -> String {
    let line = |file: &str| {
        let cause = cause.replace("<file>", file);
        format!(
            "https://site.test/.well-known/matrix/{file} on this host, in the app site: {cause}\n"
        )
    };
    line("server") + &line("client")
}

#[test]
fn tells_of_a_sibling_with_a_certificate_for_other_names() {
    let host = with_dns(create_host());
    host.scene.give_certificate("site", &["www.site.test"]).unwrap();
    let said = twice(&host, CREATE, 3, "");
    let cause = "invalid peer certificate: it is for certificate.test, and not for site.test";
    let wanted = both(cause) + "To look at its certificate: dokku certs:report site\n";
    assert_eq!(said, wanted);
    // The file is there, and so it is served as soon as the certificate is right.
    host.scene.give_certificate("site", &["site.test"]).unwrap();
    assert_eq!(twice(&host, CREATE, 0, ""), "");
}

/// An app redirects its names before nginx looks at any location: what others find in the end counts.
#[test]
fn follows_a_sibling_that_redirects() {
    let redirect = |from: &str, to: &str| {
        format!("if ($host = {from}.test) {{\n  return 301 {to}$request_uri;\n}}\n")
    };
    let to_www = redirect("site", "https://www.site.test");
    let letters = ["site", "a.site", "b.site", "c.site", "d.site", "e.site", "www.site"];
    let chain: String = letters
        .windows(2)
        .map(|pair| redirect(pair[0], &format!("https://{}.test", pair[1])))
        .collect();
    let cases = [
        ("to www", to_www, 0, String::new()),
        ("more than five", chain, 3, both("it redirects more than 5 times") + SERVE_BOTH),
        (
            "to itself",
            redirect("site", "https://site.test"),
            3,
            both("it redirects in a circle, back to https://site.test/.well-known/matrix/<file>")
                + SERVE_BOTH,
        ),
        (
            "to http",
            redirect("site", "http://www.site.test"),
            3,
            both(
                "it redirects to http://www.site.test/.well-known/matrix/<file>, and only https is followed",
            ) + SERVE_BOTH,
        ),
    ];
    in_parallel(&cases, |(case, redirects, code, wanted)| {
        let host = with_dns(create_host());
        let domains = letters.map(|letter| format!("{letter}.test"));
        let domains = domains.each_ref().map(String::as_str);
        host.setup(&[&format!("domains:set site {}", domains.join(" "))]);
        host.scene.give_certificate("site", &domains).unwrap();
        add_nginx(&host, "site", redirects);
        assert_eq!(twice(&host, CREATE, *code, case), *wanted, "{case}");
        assert!(well_known_file(&host).is_some(), "{case}");
    });
}

/// The other end of the redirect is an app of this host as well. This host is asked, even if the DNS
/// knows neither name.
#[test]
fn follows_a_redirect_to_another_app() {
    let prepared = || {
        let host = create_host();
        host.website("pages", "www.site.test");
        let redirect =
            "if ($host = site.test) {\n  return 302 https://www.site.test$request_uri;\n}\n";
        add_nginx(&host, "site", redirect);
        host
    };
    let host = prepared();
    let cause = "it redirects to https://www.site.test/.well-known/matrix/<file>: status 502";
    assert_eq!(twice(&host, CREATE, 3, ""), both(cause) + SERVE_BOTH);
    let host = prepared();
    add_locations(&host, "pages", &[("server", SERVER), ("client", CLIENT)]);
    let output = host.dokku(CREATE);
    assert_eq!((output.code, errors(&output.stderr).as_str()), (Some(3), ""));
    assert_eq!(well_known_file(&host), None, "the other app's files are enough");
}

/// Only what is missing is written, and what the app has itself stays. nginx refuses a second
/// location of the same name.
#[test]
fn writes_only_the_file_that_is_missing() {
    let refusal = |file: &str| {
        format!(
            "nginx rejects <host>/home/site/nginx.conf.d/matrix-well-known.conf; the change was undone
  | nginx: [emerg] duplicate location \"/.well-known/matrix/{file}\"
  | nginx: configuration file /etc/nginx/nginx.conf test failed
  | Failed to validate nginx configuration
Look for the same location in <host>/home/site/nginx.conf.d/
"
        )
    };
    let wrong = |file: &str, cause: &str| {
        format!(
            "https://site.test/.well-known/matrix/{file} on this host, in the app site: {cause}\n"
        )
    };
    let server = wrong("server", "it names another server, \"elsewhere.test:443\"");
    let client = wrong("client", "it names another homeserver, \"https://elsewhere.test\"");
    let cases: [(&[(&str, &str)], &[&str], String); 6] = [
        (&[("client", CLIENT)], &["server"], String::new()),
        (&[("server", SERVER)], &["client"], String::new()),
        (&[("server", SERVER), ("client", CLIENT)], &[], String::new()),
        (&[("server", OTHER_SERVER)], &["client"], refusal("server") + &server + SERVE_SERVER),
        (
            &[("server", SERVER), ("client", OTHER_CLIENT)],
            &[],
            refusal("client") + &client + SERVE_CLIENT,
        ),
        (
            &[("server", OTHER_SERVER), ("client", OTHER_CLIENT)],
            &[],
            refusal("server") + &refusal("client") + &server + &client + SERVE_BOTH,
        ),
    ];
    in_parallel(&cases, |(own, written, wanted)| {
        for address in ["", "127.0.0.9"] {
            let host = with_dns(create_host());
            add_locations(&host, "site", own);
            if !address.is_empty() {
                // The DNS leads to an address that nginx does not bind.
                host.setup(&[
                    &format!("nginx:set site bind-address-ipv4 {address}"),
                    "proxy:build-config site",
                ]);
            }
            let output = host.dokku(CREATE);
            let text = errors(&output.stderr);
            let end = text.find("Other servers do not find").unwrap_or(text.len());
            assert_eq!(text[..end], *wanted, "{own:?} {address}");
            let code = if wanted.is_empty() && address.is_empty() { 0 } else { 3 };
            assert_eq!(output.code, Some(code), "{own:?} {address}: {output:#?}");
            let builds = host.changes().into_iter().filter(|call| call == BUILD).count();
            assert_eq!(builds, usize::from(!written.is_empty()), "{own:?}");
            let text = well_known_file(&host).unwrap_or_default();
            let has = |file: &&str| text.contains(&format!("/.well-known/matrix/{file} {{"));
            let files: Vec<_> = ["server", "client", "support"].into_iter().filter(has).collect();
            assert_eq!(files, *written, "{own:?}");
            // The second run changes nothing.
            host.dokku(CREATE);
            assert_eq!(host.changes(), [""; 0], "{own:?}");
            assert_eq!(well_known_file(&host).unwrap_or_default(), text);
            assert_eq!(host.dokku("nginx:validate-config").code, Some(0));
        }
    });
}

/// An app that loses its own file gets the plugin's.
#[test]
fn replaces_a_file_that_the_app_has_lost() {
    let host = with_dns(create_host());
    add_locations(&host, "site", &[("client", CLIENT)]);
    assert_eq!(twice(&host, CREATE, 0, ""), "");
    add_locations(&host, "site", &[]);
    host.ok("matrix:deploy matrix --dry-run");
    let output = host.dokku("matrix:deploy matrix");
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert_eq!(host.changes(), [BUILD]);
    let text = well_known_file(&host).unwrap();
    assert!(text.contains("matrix/server {") && text.contains("matrix/client {"), "{text}");
}

/// The server name leads to a web server that has nothing to do with this host.
#[test]
fn asks_whoever_serves_the_server_name() {
    const WWW: &str =
        "if ($host = site.test) {\n  return 301 https://www.site.test$request_uri;\n}\n";
    let location = |name: &str, returns: &str, cors: &str| {
        let cors = if cors.is_empty() {
            String::new()
        } else {
            format!("  add_header Access-Control-Allow-Origin {cors};\n")
        };
        format!("location = /.well-known/matrix/{name} {{\n{cors}  return {returns};\n}}\n")
    };
    let server = |returns: &str| location("server", returns, "");
    let client = |returns: &str| location("client", returns, "*");
    let right = server(SERVER) + &client(CLIENT);
    let wrong =
        |file: &str, cause: &str| format!("https://site.test/.well-known/matrix/{file}: {cause}\n");
    let cases = [
        ("right", right.clone(), String::new(), String::new()),
        ("redirects to www", WWW.to_owned(), right.clone(), String::new()),
        (
            "redirects to nothing",
            WWW.to_owned(),
            server("404 ''") + &client(CLIENT),
            wrong(
                "server",
                "it redirects to https://www.site.test/.well-known/matrix/server: status 404",
            ) + SERVE_SERVER,
        ),
        (
            "nothing",
            server("404 ''") + &client("404 ''"),
            String::new(),
            wrong("server", "status 404") + &wrong("client", "status 404") + SERVE_BOTH,
        ),
        (
            "another page",
            server("200 '<html>'") + &client(CLIENT),
            String::new(),
            wrong("server", "the answer is not JSON") + SERVE_SERVER,
        ),
        (
            "another server",
            server(OTHER_SERVER) + &client(CLIENT),
            String::new(),
            wrong("server", "it names another server, \"elsewhere.test:443\"") + SERVE_SERVER,
        ),
        (
            "no header",
            server(SERVER) + &location("client", CLIENT, ""),
            String::new(),
            wrong("client", "the answer has no header Access-Control-Allow-Origin") + SERVE_CLIENT,
        ),
        (
            "a header for some",
            server(SERVER) + &location("client", CLIENT, "https://app.test"),
            String::new(),
            wrong(
                "client",
                "its header Access-Control-Allow-Origin is \"https://app.test\", and not *",
            ) + SERVE_CLIENT,
        ),
    ];
    in_parallel(&cases, |(case, apex, www, wanted)| {
        for flags in ["", " --no-8448"] {
            let host = with_dns(TestHost::new());
            host.elsewhere("site.test", apex);
            host.elsewhere("www.site.test", www);
            let code = if wanted.is_empty() { 0 } else { 3 };
            assert_eq!(twice(&host, &format!("{CREATE}{flags}"), code, case), *wanted, "{case}");
        }
    });
}

/// Whatever the homeserver's own certificate is.
#[test]
fn asks_for_both_files_with_a_certificate_of_ones_own() {
    let host = with_dns(TestHost::new());
    let nothing =
        |file: &str| format!("location = /.well-known/matrix/{file} {{\n  return 404 '';\n}}\n");
    host.elsewhere("site.test", &(nothing("server") + &nothing("client")));
    let said = twice(&host, "matrix:create matrix --server-name site.test --tls provided", 3, "");
    let wanted = "matrix.site.test has no certificate yet; until then it is http only:
dokku certs:add matrix < cert-key.tar
https://site.test/.well-known/matrix/server: status 404
https://site.test/.well-known/matrix/client: status 404
";
    assert_eq!(said, wanted.to_owned() + SERVE_BOTH);
}

/// The name of the server needs a record as well.
#[test]
fn lists_the_record_of_the_server_name() {
    const RECORD: &str = "site.test.  A  <address of ";
    for (line, needed) in [
        (CREATE, true),
        ("matrix:create matrix --email a@site.test", false),
        ("matrix:create matrix --email a@site.test --server-name site.test:8448", true),
        ("matrix:create matrix --server-name site.test --tls off", false),
    ] {
        for sibling in [false, true] {
            let host = if sibling { create_host() } else { TestHost::new() };
            let output = host.dokku(&format!("{line} --dry-run"));
            let whose = if sibling || line.contains(":8448") {
                "this host>"
            } else {
                "the host that serves its well-known files>"
            };
            let listed = format!("       {RECORD}{whose}  (now: unknown)\n");
            assert_eq!(output.stdout.contains(&listed), needed, "{line}: {output:#?}");
            let output = host.ok(line);
            let listed = format!(" !     {RECORD}{whose}\n");
            assert_eq!(output.stderr.contains(&listed), needed, "{line}: {output:#?}");
        }
    }
}
