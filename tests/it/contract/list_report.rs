//! `matrix:list`, `matrix:report`, and `dokku report`.

use super::harness::TestHost;
use insta::assert_snapshot;

#[test]
fn no_homeservers() {
    let host = TestHost::new();
    for line in ["matrix:list", "matrix:report"] {
        let output = host.dokku(line);
        let message = " !     There are no Matrix homeservers\n";
        assert_eq!(
            (output.code, output.stdout.as_str(), output.stderr.as_str()),
            (Some(0), "", message)
        );
    }
}

#[test]
fn reports() {
    let host = TestHost::new();
    host.ok("matrix:create matrix --email a@site.test --element");
    let other = host.homeserver("m2");
    host.ok("matrix:create m2 --tls off --server-name other.test --no-deploy");
    host.setup(&["apps:create other"]);
    let mut text = String::new();
    for line in [
        "matrix:list",
        "--quiet matrix:list",
        "matrix:report",
        "matrix:report m2",
        "matrix:report matrix --format json",
        "matrix:report matrix --format stdout",
        "matrix:report matrix --matrix-domain",
        "--quiet matrix:report matrix --matrix-element-url",
        "matrix:report --app matrix --matrix-tls",
        "matrix:report --matrix-domain",
        "matrix:report --matrix-nothing",
        "matrix:report matrix --matrix-nothing",
        "matrix:report matrix --matrix-domain --format json",
        "matrix:report matrix --format xml",
        "matrix:report nobody",
        "matrix:report other",
        "report matrix",
        "report other",
        "report chat",
    ] {
        text += &host.transcript(line);
        text.push('\n');
    }
    assert_snapshot!(text);
    drop(other);
}
