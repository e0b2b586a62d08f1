//! `matrix:create --federation`: with all servers, with none, or with some.

use super::delegation::{add_locations, create_host, errors, well_known_file};
use super::harness::TestHost;
use serde_json::json;
use std::fs;

const CREATE: &str = "matrix:create matrix --email a@site.test";

fn server_yaml(host: &TestHost) -> String {
    host.read("config/homeserver.d/10-server.yaml")
}

fn recorded(host: &TestHost) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(&host.read("server.json")).unwrap()["federation"]
        .clone()
}

fn ports(host: &TestHost) -> Vec<String> {
    host.state().apps["matrix"].ports.clone()
}

/// The line of the summary.
fn summary(stdout: &str) -> &str {
    stdout.lines().find_map(|line| line.trim().strip_prefix("Federation     ")).unwrap_or("none")
}

fn matrix_conf(host: &TestHost) -> String {
    let path = host.scene.root().join("matrix/nginx.conf.d/matrix.conf");
    fs::read_to_string(path).unwrap()
}

#[test]
fn closes_and_opens_again() {
    let host = TestHost::new();
    host.dns.lead_here(&["matrix.site.test"]);
    host.scene.update(|state| state.ufw.active = true).unwrap();
    let output = host.dokku(CREATE);
    assert_eq!(output.code, Some(0), "{output:#?}");
    assert_eq!(summary(&output.stdout), "https://matrix.site.test:443, :8448");
    assert_eq!(recorded(&host), json!(null), "an older version of the plugin reads it");
    assert_eq!(host.default_8448().as_deref(), Some("matrix.site.test"));
    assert!(matrix_conf(&host).contains("/.well-known/matrix/server"));
    host.changes();

    let output = host.dokku("matrix:create matrix --federation off");
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:#?}");
    assert_eq!(summary(&output.stdout), "off");
    let changes = host.changes();
    for call in ["dokku ps:restart matrix", "ufw delete allow 8448/tcp"] {
        assert!(changes.iter().any(|change| change == call), "{call}: {changes:#?}");
    }
    assert_eq!(recorded(&host), json!("off"));
    assert_eq!(ports(&host), ["http:80:8008", "https:443:8008"]);
    assert_eq!(host.default_8448(), None);
    let text = matrix_conf(&host);
    assert!(!text.contains("matrix/server") && text.contains("matrix/client"), "{text}");
    let text = server_yaml(&host);
    assert!(text.contains("federation_domain_whitelist: []\n"), "{text}");
    let report = host.dokku("matrix:report matrix --matrix-federation");
    assert_eq!(report.stdout, "off\n");
    assert_eq!(host.dokku("matrix:report matrix --matrix-port-8448").stdout, "false\n");
    host.changes();
    let output = host.dokku("matrix:deploy matrix");
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert_eq!(host.changes(), [""; 0]);

    let output = host.dokku("matrix:create matrix --federation b.test,a.test,b.test");
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    let wanted = "https://matrix.site.test:443, :8448, with a.test, b.test only";
    assert_eq!(summary(&output.stdout), wanted);
    assert_eq!(recorded(&host), json!("a.test,b.test"));
    let text = server_yaml(&host);
    assert!(text.contains("federation_domain_whitelist:\n- a.test\n- b.test\n"), "{text}");
    assert_eq!(host.default_8448().as_deref(), Some("matrix.site.test"));
    assert!(matrix_conf(&host).contains("/.well-known/matrix/server"));

    // What is left out stays; open again is as it was.
    host.ok("matrix:create matrix --no-8448");
    assert_eq!(recorded(&host), json!("a.test,b.test"));
    host.ok("matrix:create matrix --federation open --8448");
    assert_eq!(recorded(&host), json!(null));
    assert!(!server_yaml(&host).contains("whitelist"));
    assert_eq!(ports(&host).len(), 3);
}

/// Nobody asks other servers' questions, and nobody needs their answers: not the file, not a record of
/// SRV, not port 8448.
#[test]
fn asks_nothing_of_other_servers() {
    let host = create_host();
    host.dns.lead_here(&["matrix.site.test", "site.test"]);
    add_locations(&host, "site", &[("server", "200 '{\"m.server\":\"elsewhere.test:443\"}'")]);
    let line = &format!("{CREATE} --server-name site.test --federation off");
    for _ in 0..2 {
        let output = host.dokku(line);
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:#?}");
        let text = well_known_file(&host).unwrap();
        assert!(!text.contains("matrix/server {") && text.contains("matrix/client {"), "{text}");
    }
    // With other servers, the app's own file is wrong.
    let output = host.dokku("matrix:create matrix --federation open");
    let errors = errors(&output.stderr);
    let cause = "https://site.test/.well-known/matrix/server on this host, in the app site: it names another server";
    assert!(output.code == Some(3) && errors.contains(cause), "{output:#?}");
}

/// The plugin's file in another app goes with what it is for.
#[test]
fn withdraws_the_file_for_servers() {
    let host = create_host();
    host.dns.lead_here(&["matrix.site.test", "site.test"]);
    let line = format!("{CREATE} --server-name site.test");
    assert_eq!(host.dokku(&line).code, Some(0));
    assert!(well_known_file(&host).unwrap().contains("matrix/server {"));
    host.changes();
    assert_eq!(host.dokku("matrix:create matrix --federation off").code, Some(0));
    assert!(!well_known_file(&host).unwrap().contains("matrix/server {"));
    assert!(host.changes().iter().any(|call| call == "dokku proxy:build-config site"));
    // Where the app has the other one itself, nothing is left.
    let host = create_host();
    host.dns.lead_here(&["matrix.site.test", "site.test"]);
    let client = r#"200 '{"m.homeserver":{"base_url":"https://matrix.site.test"}}'"#;
    add_locations(&host, "site", &[("client", client)]);
    assert_eq!(host.dokku(&line).code, Some(0));
    assert!(well_known_file(&host).is_some());
    assert_eq!(host.dokku("matrix:create matrix --federation off").code, Some(0));
    assert_eq!(well_known_file(&host), None);
}

/// Nobody federates without TLS, unless something in front of the host ends it.
#[test]
fn is_off_without_tls() {
    let host = TestHost::new();
    host.dns.lead_here(&["matrix.site.test"]);
    let output = host.dokku("matrix:create matrix --tls off");
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert_eq!(summary(&output.stdout), "off");
    assert_eq!(recorded(&host), json!("off"));
    assert!(!matrix_conf(&host).contains("matrix/server"));
    let output = host.dokku("matrix:create matrix --federation open");
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    let wanted = "https://matrix.site.test:443, where something in front must end TLS";
    assert_eq!(summary(&output.stdout), wanted);
    assert!(matrix_conf(&host).contains("{\"m.server\":\"matrix.site.test:443\"}"));
    assert_eq!(ports(&host), ["http:80:8008"]);
    // What was recorded before there was such a choice stays as it was.
    let host = TestHost::new();
    host.dns.lead_here(&["matrix.site.test"]);
    host.ok("matrix:create matrix --tls off --federation open");
    assert_eq!(recorded(&host), json!(null));
    host.changes();
    let output = host.dokku("matrix:create matrix --tls off");
    assert_eq!((output.code, host.changes()), (Some(0), vec![]));
    assert_eq!(recorded(&host), json!(null));
}

/// A port in the server name is for other servers only.
#[test]
fn needs_no_port_of_the_server_name() {
    let host = TestHost::new();
    host.dns.lead_here(&["matrix.site.test", "site.test"]);
    let line = format!("{CREATE} --server-name site.test:9999");
    assert_eq!(host.dokku(&line).code, Some(2));
    let output = host.dokku(&format!("{line} --federation off"));
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    // It must not be opened later, when nobody could connect.
    let output = host.dokku("matrix:create matrix --federation open");
    assert_eq!(output.code, Some(2), "{output:#?}");
    let error =
        "matrix would not be served on port 9999, which the server name site.test:9999 requires";
    assert!(output.stderr.contains(error), "{output:#?}");
}

#[test]
fn refuses_what_is_no_list_of_servers() {
    let host = TestHost::new();
    for (given, error) in [
        ("--federation=", "it must be open, off, or names of servers with commas between"),
        ("--federation a.test,,b.test", "\"\" is not a valid server name: it is empty"),
        ("--federation https://a.test", "is not a valid server name"),
        ("--federation Off", "it must be lower case"),
    ] {
        let output = host.dokku(&format!("{CREATE} {given}"));
        assert_eq!(output.code, Some(2), "{given}: {output:#?}");
        assert!(output.stderr.contains(error), "{given}: {output:#?}");
        assert_eq!(host.changes(), [""; 0]);
    }
}

/// What the administrator has written counts as much: nothing is asked that Synapse does not answer.
#[test]
fn follows_the_own_settings() {
    const LISTENER: &str = "listeners:
  - {port: 8008, type: http, x_forwarded: true, bind_addresses: ['0.0.0.0'], resources: [{names: [client]}]}
";
    let lines = [CREATE.to_owned(), format!("{CREATE} --server-name site.test")];
    for (line, local) in lines
        .iter()
        .flat_map(|line| ["federation_domain_whitelist: []\n", LISTENER].map(|local| (line, local)))
    {
        let host = create_host();
        host.dns.lead_here(&["matrix.site.test", "site.test"]);
        assert_eq!(host.dokku(line).code, Some(0));
        let name = if line == CREATE { "matrix.site.test" } else { "site.test" };
        let path = host.lib(&format!("data/matrix/{name}/config/homeserver.d/90-local.yaml"));
        fs::write(path, local).unwrap();
        for (run, changed) in [(1, true), (2, false)] {
            host.changes();
            let output = host.dokku("matrix:deploy matrix");
            let case = format!("{line} {local} {run}: {output:#?}");
            assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{case}");
            assert_eq!(summary(&output.stdout), "off, as your own settings say", "{case}");
            assert_eq!(!host.changes().is_empty(), changed, "{case}");
            assert!(!matrix_conf(&host).contains("matrix/server"), "{case}");
            let other = well_known_file(&host).unwrap_or_default();
            assert!(!other.contains("matrix/server {"), "{case}");
        }
    }
}
