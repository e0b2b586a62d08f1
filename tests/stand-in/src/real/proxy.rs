//! The nginx of a host with real parts: its configuration, rendering templates with sigil, and
//! validating all files.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::engine;
use super::machine::Parts;
use crate::app::App;
use crate::call::{Call, quit};
use crate::nginx;

/// The template of apps for which no plugin supplies one.
const BUILT_IN: &str = "nginx.conf.sigil";

/// Writes the nginx files of a fresh Dokku host: the built-in template, and nginx.conf, which
/// includes all apps and rejects unknown names.
pub(super) fn prepare(dir: &Path) -> Result<()> {
    let homes = dir.join("home");
    let own = dir.join("nginx");
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path {}/{name};\n", own.display()));
    let conf = format!(
        "user www-data;\npid /run/nginx.pid;\nerror_log /var/log/nginx/error.log;\n\
         events {{ worker_connections 512; }}\nhttp {{\n  \
         include /etc/nginx/mime.types;\n  access_log /var/log/nginx/access.log;\n  \
         server_names_hash_bucket_size 512;\n{}  \
         server {{ listen 80 default_server; listen [::]:80 default_server; return 444; }}\n  \
         server {{ listen 443 ssl default_server; listen [::]:443 ssl default_server; \
         ssl_reject_handshake on; return 444; }}\n  \
         include {}/*/nginx.conf;\n}}\n",
        temporary.concat(),
        homes.display()
    );
    fs::write(own.join(BUILT_IN), include_str!("nginx.conf.sigil"))?;
    Ok(fs::write(own.join("nginx.conf"), conf)?)
}

/// Renders an app's configuration from the plugin's template or, if the path is empty, from the
/// built-in one.
pub(crate) fn render(
    call: &Call,
    parts: &Parts,
    app: (&str, &App),
    template: &str,
    listeners: &str,
    map: &[String],
) -> Result<String> {
    let own = call.store.root().with_file_name("nginx").join(BUILT_IN);
    let file = if template.is_empty() { own.as_path() } else { Path::new(template) };
    let sigil = sigil(parts);
    let mut command = Command::new(&sigil);
    command.arg("-f").arg(file).args(variables(call, app, listeners, map));
    let output = command.output().with_context(|| format!("{}: run dev/setup", sigil.display()))?;
    if !output.status.success() {
        call.eprint(String::from_utf8_lossy(&output.stderr));
        return quit(1);
    }
    let mut text = String::from_utf8(output.stdout)?;
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    Ok(text)
}

pub(crate) fn sigil(parts: &Parts) -> std::path::PathBuf {
    parts.tools.join("bin/sigil")
}

/// The variables that Dokku passes to sigil.
fn variables(call: &Call, of: (&str, &App), listeners: &str, map: &[String]) -> Vec<String> {
    let (name, app) = of;
    let home = call.home(name);
    let names = app.domains.join(" ");
    let ports: std::collections::BTreeSet<&str> =
        map.iter().filter_map(|port| port.rsplit(':').next()).collect();
    let mut all: Vec<(&str, String)> = vec![
        ("APP", name.to_owned()),
        ("DOKKU_ROOT", call.root.display().to_string()),
        ("DOKKU_LIB_ROOT", call.lib.display().to_string()),
        ("NOSSL_SERVER_NAME", names),
        ("SSL_SERVER_NAME", String::new()),
        ("SSL_INUSE", if app.cert.is_some() { "true" } else { "" }.to_owned()),
        ("APP_SSL_PATH", home.join("tls").display().to_string()),
        ("PROXY_PORT", "80".to_owned()),
        ("PROXY_SSL_PORT", "443".to_owned()),
        ("PROXY_PORT_MAP", map.join(" ")),
        ("PROXY_UPSTREAM_PORTS", ports.into_iter().collect::<Vec<_>>().join(" ")),
        ("DOKKU_APP_LISTENERS", listeners.to_owned()),
        ("DOKKU_APP_WEB_LISTENERS", listeners.to_owned()),
        ("NGINX_LOG_ROOT", "/var/log/nginx".to_owned()),
        ("HTTP2_SUPPORTED", "true".to_owned()),
        ("HTTP2_DIRECTIVE_SUPPORTED", "false".to_owned()),
        ("HTTP2_PUSH_SUPPORTED", "true".to_owned()),
        ("TLS13_SUPPORTED", "true".to_owned()),
        ("GRPC_SUPPORTED", "true".to_owned()),
    ];
    for (variable, property) in [
        ("NGINX_ACCESS_LOG_PATH", "access-log-path"),
        ("NGINX_ACCESS_LOG_FORMAT", "access-log-format"),
        ("NGINX_ERROR_LOG_PATH", "error-log-path"),
        ("NGINX_BIND_ADDRESS_IP4", "bind-address-ipv4"),
        ("NGINX_BIND_ADDRESS_IP6", "bind-address-ipv6"),
        ("NGINX_UNDERSCORE_IN_HEADERS", "underscore-in-headers"),
        ("CLIENT_BODY_TIMEOUT", "client-body-timeout"),
        ("CLIENT_HEADER_TIMEOUT", "client-header-timeout"),
        ("CLIENT_MAX_BODY_SIZE", "client-max-body-size"),
        ("KEEPALIVE_TIMEOUT", "keepalive-timeout"),
        ("LINGERING_TIMEOUT", "lingering-timeout"),
        ("SEND_TIMEOUT", "send-timeout"),
        ("PROXY_CONNECT_TIMEOUT", "proxy-connect-timeout"),
        ("PROXY_READ_TIMEOUT", "proxy-read-timeout"),
        ("PROXY_SEND_TIMEOUT", "proxy-send-timeout"),
        ("PROXY_BUFFERING", "proxy-buffering"),
        ("PROXY_BUFFER_SIZE", "proxy-buffer-size"),
        ("PROXY_BUFFERS", "proxy-buffers"),
        ("PROXY_BUSY_BUFFERS_SIZE", "proxy-busy-buffers-size"),
        ("PROXY_KEEPALIVE", "proxy-keepalive"),
        ("PROXY_X_FORWARDED_FOR", "x-forwarded-for-value"),
        ("PROXY_X_FORWARDED_PORT", "x-forwarded-port-value"),
        ("PROXY_X_FORWARDED_PROTO", "x-forwarded-proto-value"),
        ("PROXY_X_FORWARDED_SSL", "x-forwarded-ssl"),
    ] {
        all.push((variable, nginx::in_force(name, app, property)));
    }
    all.into_iter().map(|(key, value)| format!("{key}={value}")).collect()
}

/// The Strict-Transport-Security header, as the app's properties define it.
pub(crate) fn hsts(name: &str, app: &App) -> String {
    let age = nginx::in_force(name, app, "hsts-max-age");
    let mut value = format!("max-age={age}");
    for (property, word) in
        [("hsts-include-subdomains", "; includeSubdomains"), ("hsts-preload", "; preload")]
    {
        if nginx::in_force(name, app, property) == "true" {
            value += word;
        }
    }
    format!("add_header Strict-Transport-Security \"{value}\" always;\n")
}

/// Validates the nginx configuration of the host; returns nginx's error, if any.
pub(crate) fn config_error() -> Result<Option<String>> {
    let output = Command::new(engine::PATH).args(["nginx", "-t"]).output()?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((!output.status.success()).then_some(stderr))
}

/// Makes nginx reload its configuration.
pub(crate) fn reload() -> Result<()> {
    engine::run(&["nginx", "-s", "reload"])
}
