//! The forms of an app's nginx configuration, from never deployed to every property set.
//!
//! A form is the list of variables that Dokku passes to sigil (`fn-nginx-vhosts-render-template`),
//! complete and in Dokku's order. The template is verified if sigil renders every form and nginx
//! accepts every result; the caller does both. Must not run anything.

/// The app and the directories that the forms are for.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The name of the app.
    pub app: &'a str,
    /// Its domain.
    pub domain: &'a str,
    /// nginx reads `<dokku_root>/<app>/nginx.conf.d/*.conf`. To verify the template this is a temporary
    /// directory with the files that are to be verified together with it.
    pub dokku_root: &'a str,
    /// Dokku's library root.
    pub lib_root: &'a str,
    /// The directory of `server.crt` and `server.key`. nginx reads both, so the caller provides a
    /// pair: the app's own or one made for this purpose.
    pub tls_dir: &'a str,
    /// Whether Dokku uses the directive `http2` for this host's nginx: see [`http2_directive`].
    pub http2_directive: bool,
}

/// One form of an app's nginx configuration.
#[derive(Clone, Debug)]
pub struct Form {
    /// Its name, for error messages.
    pub name: &'static str,
    /// The variables and their values.
    pub variables: Vec<(&'static str, String)>,
}

impl Form {
    /// The arguments of sigil, after `-f <template>`.
    pub fn arguments(&self) -> impl Iterator<Item = String> {
        self.variables.iter().map(|(key, value)| format!("{key}={value}"))
    }

    /// The same form with other values. A new variable is added.
    #[must_use]
    pub fn with(mut self, changes: &[(&'static str, &str)]) -> Self {
        for &(key, value) in changes {
            match self.variables.iter_mut().find(|(known, _)| *known == key) {
                Some((_, old)) => value.clone_into(old),
                None => self.variables.push((key, value.to_owned())),
            }
        }
        self
    }
}

const HTTP: &str = "http:80:8008";
const HTTPS: &str = "http:80:8008 https:443:8008";
const HTTPS_8448: &str = "http:80:8008 https:443:8008 https:8448:8008";
const LISTENER: &str = "127.0.0.1:8008";

/// All forms. Dokku omits https mappings while there is no certificate.
pub fn forms(site: &Site<'_>) -> Vec<Form> {
    let both_names = format!("{} also.{}", site.domain, site.domain);
    let form = |name, port_map, certificate, listeners| {
        let ssl_in_use = if certificate { "true" } else { "" };
        Form { name, variables: variables(site) }.with(&[
            ("PROXY_PORT_MAP", port_map),
            ("SSL_INUSE", ssl_in_use),
            ("DOKKU_APP_LISTENERS", listeners),
            ("DOKKU_APP_WEB_LISTENERS", listeners),
        ])
    };
    vec![
        form("never deployed", HTTP, false, ""),
        form("never deployed, certificate", HTTPS_8448, true, ""),
        form("http", HTTP, false, LISTENER),
        form("https", HTTPS, true, LISTENER),
        form("https and 8448", HTTPS_8448, true, LISTENER),
        form("two domains", HTTPS_8448, true, LISTENER).with(&[("NOSSL_SERVER_NAME", &both_names)]),
        form("names of the certificate", HTTPS_8448, true, LISTENER)
            .with(&[("NOSSL_SERVER_NAME", ""), ("SSL_SERVER_NAME", &both_names)]),
        form("no domain", HTTP, false, LISTENER).with(&[("NOSSL_SERVER_NAME", "")]),
        form("nothing to serve", "", false, LISTENER).with(&[("PROXY_UPSTREAM_PORTS", "")]),
        form("properties set", HTTPS_8448, true, LISTENER).with(&[
            ("NGINX_ACCESS_LOG_PATH", "off"),
            ("NGINX_ACCESS_LOG_FORMAT", "combined"),
            ("NGINX_BIND_ADDRESS_IP4", "127.0.0.1"),
            ("NGINX_UNDERSCORE_IN_HEADERS", "on"),
            ("PROXY_BUFFERING", "off"),
            ("PROXY_KEEPALIVE", "8"),
            ("PROXY_SSL_PORT", "8443"),
            ("PROXY_X_FORWARDED_FOR", "$http_x_forwarded_for"),
            ("PROXY_X_FORWARDED_SSL", "on"),
        ]),
    ]
}

/// What Dokku passes for an app with the plugin's properties and no others. Except for the logs:
/// `nginx -t` would create them in nginx's directory.
fn variables(site: &Site<'_>) -> Vec<(&'static str, String)> {
    [
        ("APP", site.app),
        ("DOKKU_ROOT", site.dokku_root),
        ("NOSSL_SERVER_NAME", site.domain),
        ("DOKKU_APP_LISTENERS", ""),
        ("DOKKU_LIB_ROOT", site.lib_root),
        ("PASSED_LISTEN_IP_PORT", ""),
        ("SPDY_SUPPORTED", "false"),
        ("TLS13_SUPPORTED", "true"),
        ("HTTP2_SUPPORTED", "true"),
        ("NGINX_LOG_ROOT", "/var/log/nginx"),
        ("NGINX_ACCESS_LOG_FORMAT", ""),
        ("NGINX_ACCESS_LOG_PATH", "/dev/null"),
        ("NGINX_ERROR_LOG_PATH", "/dev/null"),
        ("NGINX_BIND_ADDRESS_IP4", ""),
        ("NGINX_BIND_ADDRESS_IP6", "::"),
        ("HTTP2_DIRECTIVE_SUPPORTED", if site.http2_directive { "true" } else { "false" }),
        ("HTTP2_PUSH_SUPPORTED", if site.http2_directive { "false" } else { "true" }),
        ("GRPC_SUPPORTED", "true"),
        ("DOKKU_APP_LISTEN_PORT", ""),
        ("DOKKU_APP_LISTEN_IP", ""),
        ("APP_SSL_PATH", site.tls_dir),
        ("SSL_INUSE", ""),
        ("SSL_SERVER_NAME", ""),
        ("CLIENT_BODY_TIMEOUT", "60s"),
        ("CLIENT_HEADER_TIMEOUT", "60s"),
        ("CLIENT_MAX_BODY_SIZE", "50m"),
        ("KEEPALIVE_TIMEOUT", "75s"),
        ("LINGERING_TIMEOUT", "5s"),
        ("PROXY_CONNECT_TIMEOUT", "60s"),
        ("PROXY_READ_TIMEOUT", "180s"),
        ("PROXY_SEND_TIMEOUT", "60s"),
        ("SEND_TIMEOUT", "60s"),
        ("PROXY_BUFFER_SIZE", "4k"),
        ("PROXY_BUFFERING", "on"),
        ("PROXY_BUFFERS", "8 4k"),
        ("PROXY_BUSY_BUFFERS_SIZE", "8k"),
        ("PROXY_KEEPALIVE", ""),
        ("NGINX_UNDERSCORE_IN_HEADERS", "off"),
        ("NGINX_PORT", "80"),
        ("NGINX_SSL_PORT", "443"),
        ("PROXY_PORT", "80"),
        ("PROXY_SSL_PORT", "443"),
        ("PROXY_PORT_MAP", HTTP),
        ("PROXY_UPSTREAM_PORTS", "8008"),
        ("PROXY_X_FORWARDED_FOR", "$remote_addr"),
        ("PROXY_X_FORWARDED_PORT", "$server_port"),
        ("PROXY_X_FORWARDED_PROTO", "$scheme"),
        ("PROXY_X_FORWARDED_SSL", ""),
        ("DOKKU_APP_WEB_LISTENERS", ""),
    ]
    .map(|(key, value)| (key, value.to_owned()))
    .into()
}

/// Whether Dokku sets `HTTP2_DIRECTIVE_SUPPORTED` for an nginx with this output of `nginx -v`: since
/// 1.25.1, which introduced the directive.
pub fn http2_directive(nginx_version: &str) -> bool {
    let number = nginx_version.split_once('/').map_or(nginx_version, |(_, number)| number);
    let mut parts =
        number.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0u32);
    [next(), next(), next()] >= [1, 25, 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detects_the_http2_directive_by_version() {
        for (version, supported) in [
            ("nginx version: nginx/1.22.1\n", false),
            ("nginx version: nginx/1.24.0 (Ubuntu)", false),
            ("nginx/1.25.0", false),
            ("nginx/1.25.1", true),
            ("1.26.0", true),
            ("nginx version: nginx/2.0", true),
            ("nginx version: openresty/1.21.4.1", false),
            ("", false),
        ] {
            assert_eq!(http2_directive(version), supported, "{version}");
        }
    }

    #[test]
    fn replaces_and_adds_variables() {
        let form = Form { name: "x", variables: vec![("A", "1".to_owned())] };
        let arguments = form.with(&[("A", "2"), ("B", "3 4")]).arguments().collect::<Vec<_>>();
        assert_eq!(arguments, ["A=2", "B=3 4"]);
    }
}
