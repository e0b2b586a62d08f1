//! The sigil template of a homeserver's app, with the one difference between two servers filled in.

const TEMPLATE: &str = include_str!("../../templates/nginx.conf.sigil");

/// Stands once in the template, as the port on which the app is nginx's `default_server`.
const MARKER: &str = "@DEFAULT_SERVER_PORT@";

/// The template for one homeserver.
///
/// With `default_server_8448` it answers on 8448 for the names that no app claims, too. Two such
/// servers on a host stop nginx for every app, so the caller sees to it that there is one at most.
pub fn template(default_server_8448: bool) -> String {
    TEMPLATE.replace(MARKER, if default_server_8448 { "8448" } else { "none" })
}

/// Whether a template that was written before is that of the default server on 8448.
pub fn is_default(text: &str) -> bool {
    text.contains(r#"{{- $default_server_port := "8448" }}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_stands_once_and_is_filled_in() {
        assert_eq!(TEMPLATE.matches(MARKER).count(), 1);
        for (default_server, line) in [
            (true, r#"{{- $default_server_port := "8448" }}"#),
            (false, r#"{{- $default_server_port := "none" }}"#),
        ] {
            let filled = template(default_server);
            assert_eq!(filled.matches(line).count(), 1);
            assert_eq!(is_default(&filled), default_server);
            assert_eq!(filled.matches('@').count(), TEMPLATE.matches('@').count() - 2);
        }
    }

    /// Dokku greps templates for these and prints the lines with a warning at every build.
    #[test]
    fn nothing_that_dokku_warns_about() {
        for line in TEMPLATE.lines() {
            for name in ["DOKKU_APP_LISTENERS", "NGINX_SSL_PORT", "NGINX_PORT"] {
                assert!(!line.contains(name), "{line}");
            }
            // listen[[:space:]]+.*[[:space:]]http2[;[:space:]]
            let after = line.split_once("listen ").map_or("", |(_, after)| after);
            assert!(!after.contains(" http2;") && !after.contains(" http2 "), "{line}");
        }
    }
}
