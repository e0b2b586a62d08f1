//! Certificates that exist but are not valid.

use super::harness::{TestHost, in_parallel};
use insta::assert_snapshot;
use std::fs;

const LINE: &str = "matrix:create matrix --email a@site.test";

/// The certificate expired because the cron job did not run. A deploy renews it.
#[test]
fn expired() {
    let host = TestHost::after(LINE);
    let home = host.scene.root().join("matrix");
    let requested = home.join("letsencrypt/certs/current/certificates/matrix.site.test.crt");
    for path in [home.join("tls/server.crt"), home.join("tls/server.letsencrypt.crt"), requested] {
        fs::write(path, include_str!("expired.crt")).unwrap();
    }
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

/// How often a certificate was requested since the last look.
fn requests(host: &TestHost) -> usize {
    host.changes().iter().filter(|call| *call == "dokku letsencrypt:enable matrix").count()
}

/// A certificate that somebody has added is told of, and never replaced: neither at the first create
/// nor later. What is typed then holds.
#[test]
fn keeps_what_somebody_has_added() {
    const KEPT: &str = "matrix has a certificate that dokku-letsencrypt has not made, for *.site.test: it was left as it is.
To keep it: dokku matrix:create matrix --tls provided
To replace it: dokku letsencrypt:enable matrix";
    let kept = KEPT.lines().map(|line| format!(" !     {line}\n")).collect::<String>();
    let host = TestHost::new();
    host.setup(&["apps:create matrix"]);
    host.scene.give_certificate("matrix", &["*.site.test"]).unwrap();
    let output = host.dokku(&format!("{LINE} --dry-run"));
    assert_eq!((output.code, output.stderr), (Some(3), kept.clone()));
    for line in [LINE, "matrix:deploy matrix"] {
        let output = host.dokku(line);
        assert_eq!(output.code, Some(3), "{output:#?}");
        assert!(output.stderr.contains(&kept), "{output:#?}");
        assert_eq!(requests(&host), 0, "{line}");
    }
    host.dns.lead_here(&["matrix.site.test"]);
    let output = host.ok("matrix:create matrix --tls provided");
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    // Or the other way.
    host.setup(&["letsencrypt:enable matrix"]);
    let output = host.dokku("matrix:create matrix --tls letsencrypt");
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert_eq!(requests(&host), 0);
}

/// dokku-letsencrypt does not see that another certificate was added over its own, and would replace
/// that when its own is to be renewed.
#[test]
fn tells_of_a_renewal_to_come() {
    let host = TestHost::after(LINE);
    host.scene.give_certificate("matrix", &["*.site.test"]).unwrap();
    assert_eq!(host.dokku("letsencrypt:active matrix").stdout, "true\n");
    let output = host.dokku("matrix:deploy matrix");
    assert_eq!(output.code, Some(3), "{output:#?}");
    let told = "The next renewal would replace it: dokku-letsencrypt takes it for its own.
 !     To keep it: dokku letsencrypt:disable matrix, which removes it; dokku certs:add matrix < cert-key.tar
 !     Then: dokku matrix:create matrix --tls provided\n";
    assert!(output.stderr.contains(told), "{output:#?}");
    assert_eq!(requests(&host), 0);
    // Typed as it says.
    host.setup(&["letsencrypt:disable matrix"]);
    host.scene.give_certificate("matrix", &["*.site.test"]).unwrap();
    assert_eq!(host.dokku("letsencrypt:active matrix").stdout, "false\n");
    host.dns.lead_here(&["matrix.site.test"]);
    let output = host.dokku("matrix:create matrix --tls provided");
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
}

/// The same after a switch that left dokku-letsencrypt's own files: nothing but this tells of it. And the
/// way back to its certificate is the one that is told.
#[test]
fn a_provided_certificate_is_not_renewed_over() {
    let host = TestHost::after(LINE);
    host.scene.give_certificate("matrix", &["*.site.test"]).unwrap();
    host.dns.lead_here(&["matrix.site.test"]);
    let output = host.dokku("matrix:create matrix --tls provided");
    assert_eq!(output.code, Some(3), "{output:#?}");
    let told = " !     matrix has a certificate of your own.
 !     The next renewal would replace it: dokku-letsencrypt takes it for its own.
 !     To keep it: dokku letsencrypt:disable matrix, which removes it; dokku certs:add matrix < cert-key.tar\n";
    assert!(output.stderr.contains(told), "{output:#?}");
    let output = host.dokku("matrix:create matrix --tls letsencrypt");
    let told = "To replace it: dokku letsencrypt:disable matrix; dokku letsencrypt:enable matrix\n";
    assert!(output.stderr.contains(told), "{output:#?}");
    host.setup(&["letsencrypt:disable matrix", "letsencrypt:enable matrix"]);
    let output = host.dokku("matrix:deploy matrix");
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
}

/// What dokku-letsencrypt has made for other domains of the app, or before a rename, is its own.
#[test]
fn requests_again_in_place_of_its_own() {
    let host = TestHost::after(LINE);
    host.ok("matrix:create matrix --domain m.site.test");
    assert_eq!(requests(&host), 1);
    let _synapse = host.homeserver("synapse");
    host.setup(&["apps:rename matrix synapse"]);
    let home = host.scene.root().join("synapse");
    fs::remove_dir_all(home.join("letsencrypt")).unwrap();
    host.ok("matrix:deploy synapse");
    assert_eq!(host.changes(), ["dokku letsencrypt:enable synapse"]);
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
