//! The sigil template of a homeserver's app. Text only: writes and verifies nothing.

const TEMPLATE: &str = include_str!("../../templates/nginx.conf.sigil");

/// The last line of every configuration that is rendered from it: without it the output is cut.
pub(super) const END: &str = "# End of the configuration by dokku-matrix";

/// The placeholder for the port on which the app is nginx's `default_server`.
const PLACEHOLDER: &str = "@DEFAULT_SERVER_PORT@";

/// The template for one homeserver.
///
/// With `default_server_8448` it is the default server on port 8448: it also serves names that no
/// app has. nginx refuses to start with two of them, so the caller makes sure that there is at most
/// one on the host.
pub fn template(default_server_8448: bool) -> String {
    TEMPLATE.replace(PLACEHOLDER, if default_server_8448 { "8448" } else { "none" })
}

/// Whether a template is that of the default server on port 8448.
pub fn is_default(text: &str) -> bool {
    text.contains(r#"{{- $default_server_port := "8448" }}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_placeholder() {
        assert_eq!(TEMPLATE.matches(PLACEHOLDER).count(), 1);
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

    #[test]
    fn ends_with_the_line_that_shows_that_it_is_whole() {
        assert!(TEMPLATE.ends_with(&format!("{END}\n")));
        assert_eq!(TEMPLATE.matches(END).count(), 1);
    }

    /// Dokku greps templates for these and prints a warning with the line at every build.
    #[test]
    fn avoids_what_dokku_warns_about() {
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
