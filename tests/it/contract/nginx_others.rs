//! Files of others in an app's `nginx.conf.d` that answer in its place: the error names them, and how
//! to turn them off.

use super::harness::{TestHost, in_parallel};
use std::fs;

const MAINTENANCE: &str = "location ~* ^(?!/\\.well-known/acme-challenge).*$ {
  root /home/dokku/matrix/maintenance;
  try_files $uri =533;
}

error_page 533 =503 @maintenance;
";
const HTTP_AUTH: &str = "auth_basic \"Restricted\";\nauth_basic_user_file /x/htpasswd;\n";

const ADDRESSES: &str = "satisfy any;\nallow 10.0.0.1;\ndeny all;\n";

#[test]
fn names_the_file_and_the_command() {
    const HTTP_AUTH_OFF: &str = "To turn that off: dokku http-auth:disable matrix";
    let cases = [
        (
            "maintenance.conf",
            MAINTENANCE,
            503,
            "To turn that off: dokku maintenance:disable matrix",
        ),
        ("http-auth.conf", HTTP_AUTH, 401, HTTP_AUTH_OFF),
        ("http-auth.conf", ADDRESSES, 403, HTTP_AUTH_OFF),
        (
            "closed.conf",
            "# For a while.\nreturn 503;\n",
            503,
            "Correct it, then: dokku proxy:build-config matrix",
        ),
    ];
    in_parallel(&cases, |(name, text, status, command)| {
        let host = TestHost::after("matrix:create matrix --tls off");
        let path = host.scene.root().join("matrix/nginx.conf.d").join(name);
        fs::write(&path, text).unwrap();
        let output = host.dokku("matrix:deploy matrix");
        let expected = format!(
            " !     http://matrix.site.test/_matrix/client/versions on this host: status {status}
 !     <host>/home/matrix/nginx.conf.d/{name} answers in place of matrix
 !     {command}\n"
        );
        assert_eq!((output.code, output.stderr), (Some(1), expected));
        fs::remove_file(&path).unwrap();
        host.ok("matrix:deploy matrix");
    });
}
