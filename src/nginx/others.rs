//! Files of others in an app's `nginx.conf.d` that answer in the app's place: a maintenance page, a
//! password. Only looks for them: nothing is changed.

use crate::{
    error::Result,
    host::{Host, files},
};

/// What answers with a status without naming it. Each directive that names it counts as well.
const ANSWERS: [(u16, &[&str]); 3] = [
    (401, &["auth_basic", "auth_request"]),
    (403, &["auth_request", "deny"]),
    (503, &["limit_conn", "limit_req"]),
];

/// The directives that answer with a status that they name, and what stands before it there. Without
/// the sign, `error_page 503 /x` only dresses an answer that arises elsewhere.
const NAMING: [(&str, &str); 3] = [("error_page", "="), ("return", ""), ("try_files", "=")];

/// The files that Dokku plugins write, and the command that removes each.
const PLUGINS: [(&str, &str); 2] =
    [("http-auth.conf", "http-auth:disable"), ("maintenance.conf", "maintenance:disable")];

/// The plugin's own files.
const OURS: [&str; 2] = ["matrix.conf", "matrix-well-known.conf"];

/// What explains that nginx answers with this status in the app's place, and what to do; no line if
/// no file there does that.
///
/// # Errors
/// The directory cannot be read.
pub fn that_answer(host: &Host, app: &str, status: u16) -> Result<Vec<String>> {
    let directory = host.env().dokku_root().join(app).join("nginx.conf.d");
    let mut lines = vec![];
    for name in files::list(&directory)? {
        // nginx reads no other names there.
        let path = directory.join(&name);
        let is_read = path.extension() == Some("conf") && !name.starts_with('.');
        if !is_read || OURS.contains(&name.as_str()) {
            continue;
        }
        match files::read(&path) {
            Ok(Some(text)) if answers(&text, status) => {
                lines.push(format!("{path} answers in place of {app}"));
            }
            Ok(_) => continue,
            Err(error) => lines.push(format!("Perhaps it is this file: {error}")),
        }
        lines.push(match PLUGINS.iter().find(|(file, _)| *file == name) {
            Some((_, command)) => format!("To turn that off: dokku {command} {app}"),
            None => format!("Correct it, then: dokku proxy:build-config {app}"),
        });
    }
    Ok(lines)
}

/// Whether a configuration has a directive that answers with this status.
fn answers(text: &str, status: u16) -> bool {
    let silent = ANSWERS.iter().find(|(other, _)| *other == status).map_or(&[][..], |(_, by)| by);
    let code = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let code = code.collect::<Vec<_>>().join(" ");
    code.split([';', '{', '}']).any(|directive| {
        let mut words = directive.split_whitespace();
        let Some(name) = words.next() else { return false };
        let values: Vec<&str> = words.collect();
        let is_off = values == ["off"];
        let is_named = match NAMING.iter().find(|(naming, _)| *naming == name) {
            Some((_, prefix)) => values.contains(&format!("{prefix}{status}").as_str()),
            None => false,
        };
        silent.contains(&name) && !is_off || is_named
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What dokku-maintenance and dokku-http-auth write, and what people write by hand.
    #[test]
    fn finds_what_answers() {
        const MAINTENANCE: &str = "location ~* ^(?!/\\.well-known/acme-challenge).*$ {
  root /home/dokku/matrix/maintenance;
  try_files $uri =533;
}

error_page 533 =503 @maintenance;

location @maintenance {
  root /home/dokku/matrix/maintenance;
  rewrite ^(.*)$ /maintenance.html break;
}
";
        const HTTP_AUTH: &str = "satisfy any;
allow 10.0.0.0/8;
deny all;

auth_basic           \"Restricted\";
auth_basic_user_file /home/dokku/matrix/htpasswd;
";
        for (text, wanted) in [
            (MAINTENANCE, &[503][..]),
            (HTTP_AUTH, &[401, 403]),
            ("return 503;", &[503]),
            ("error_page 502 503 504 /50x.html;", &[]),
            ("try_files $uri =503;", &[503]),
            ("location / { return 403 'no'; }", &[403]),
            ("if ($x) { return 401; } # return 503;", &[401]),
            ("location / {\n  deny\n    all;\n}", &[403]),
            ("location /.well-known/acme-challenge { allow all; auth_basic off; }", &[]),
            ("limit_req zone=one burst=503;", &[503]),
            ("location /x { proxy_pass http://a:503; }", &[]),
            ("add_header X-Status 503;", &[]),
            ("client_max_body_size 503m;", &[]),
            ("return 301 https://example.org/503;", &[]),
        ] {
            let found: Vec<_> = [401, 403, 503].into_iter().filter(|s| answers(text, *s)).collect();
            assert_eq!(found, wanted, "{text}");
        }
        assert!(answers("location = /_matrix { return 404; }", 404));
        assert!(answers("return 301 https://example.org$request_uri;", 301));
    }
}
