//! Certificates that exist but are not valid.

use super::harness::{TestHost, in_parallel};
use insta::assert_snapshot;
use std::fs;

const LINE: &str = "matrix:create matrix --email a@site.test";

/// The certificate expired because the cron job did not run. A deploy renews it.
#[test]
fn expired() {
    let host = TestHost::after(LINE);
    fs::write(host.scene.root().join("matrix/tls/server.crt"), include_str!("expired.crt"))
        .unwrap();
    host.scene
        .update(|state| {
            state.apps.get_mut("matrix").unwrap().cert.as_mut().unwrap().expires_at = 1_585_699_200;
        })
        .unwrap();
    host.changes();
    let transcript = host.transcript("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0], "`transcript` has read the changes");
    host.dokku("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0]);
    assert_snapshot!(transcript);
}

/// An untrusted certificate does not stop anything else.
#[test]
fn untrusted() {
    let host = TestHost::new();
    assert_snapshot!(host.transcript(&format!("{LINE} --domain matrix.elsewhere.test")));
}

/// Without an e-mail address of its own, an app uses the host's. A question about that which fails is
/// not a host without one.
#[test]
fn global_email_that_is_not_told() {
    const NONE: &str = " !     letsencrypt needs an e-mail address\n";
    let json = |email: &str| format!(r#"echo '{{"global-email":"{email}"}}'"#);
    let no_apps = "echo \" !     You haven't deployed any applications yet\" >&2; exit";
    let cases = [
        (json(""), 2, NONE),
        (format!("{no_apps} 1"), 2, NONE),
        (format!("{no_apps} 2"), 1, "` ended with exit code 2\n"),
        ("exit 1".to_owned(), 1, "` ended with exit code 1\n"),
        (json("a@site.test") + "; exit 1", 1, "` ended with exit code 1\n"),
        ("exit 0".to_owned(), 1, "` ended with exit code 0 and printed nothing\n"),
        ("echo '{\"global-em'".to_owned(), 1, "printed incomplete JSON\n"),
        ("echo '{}'".to_owned(), 1, "printed JSON without the field \"global-email\"\n"),
        ("echo a@site.test".to_owned(), 1, "printed something else than JSON\n"),
    ];
    in_parallel(&cases, |(action, code, error)| {
        let host = TestHost::new();
        let question = r#"[[ $* == "letsencrypt:report --global --format json" ]]"#;
        host.override_program("dokku", question, &format!("{action}; exit 0"));
        let output = host.dokku("matrix:create matrix");
        assert_eq!(output.code, Some(*code), "{output:#?}");
        assert!(output.stderr.contains(error), "{output:#?}");
        assert_eq!(host.changes(), [""; 0]);
    });
    let host = TestHost::new();
    host.setup(&["letsencrypt:set --global email a@site.test"]);
    host.ok("matrix:create matrix");
}

/// A request for a name that does not exist would fail, and few failed ones are allowed in an hour.
#[test]
fn not_requested_for_a_missing_name() {
    const REQUEST: &str = "dokku letsencrypt:enable matrix";
    let requests = |host: &TestHost| host.changes().iter().filter(|call| *call == REQUEST).count();
    let message = |names: &[&str]| {
        let record = |name: &&str| format!(" !     {name}.  A  <address of this host>\n");
        format!(
            " !     No certificate was requested for matrix.site.test: the request would fail, and few failed ones are allowed in an hour.
 !     These DNS records are needed:\n{} !     Then: dokku matrix:deploy matrix\n",
            names.iter().map(record).collect::<String>()
        )
    };
    let host = TestHost::new();
    host.dns.deny(&["matrix.site.test"]);
    for line in [LINE, "matrix:deploy matrix"] {
        let output = host.dokku(line);
        assert_eq!(output.code, Some(3), "{output:#?}");
        assert!(output.stderr.contains(&message(&["matrix.site.test"])), "{output:#?}");
        assert_eq!(requests(&host), 0, "{line}");
    }
    // It is requested for all domains of the app; a wildcard is none that a request is about.
    host.setup(&["domains:add matrix chat.site.test", "domains:add matrix *.site.test"]);
    host.dns.deny(&["chat.site.test"]);
    host.dns.lead_here(&["matrix.site.test"]);
    let output = host.dokku("matrix:deploy matrix");
    assert!(output.stderr.contains(&message(&["chat.site.test"])), "{output:#?}");
    assert_eq!(requests(&host), 0);
    // A private address may be right: the authority may be in the same network.
    host.dns.lead_here(&["chat.site.test"]);
    assert_eq!(host.dokku("matrix:deploy matrix").code, Some(0));
    assert_eq!(requests(&host), 1);
    // A DNS that does not answer says nothing about the name.
    let host = TestHost::new();
    host.ok(LINE);
    assert_eq!(requests(&host), 1);
    // A certificate that is there stays in use.
    host.dns.deny(&["matrix.site.test"]);
    let output = host.ok("matrix:deploy matrix");
    assert!(!output.stderr.contains("No certificate was requested"), "{output:#?}");
    assert_eq!(host.changes(), [""; 0]);
}
