//! `proxy:*`: writes an app's `nginx.conf` and validates the configuration of the whole host
//! afterwards.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::app::App;
use crate::call::{Call, quit};
use crate::dokku::arg;
use crate::nginx_config::validate;
use crate::report::{Keys, Report, of_apps};
use crate::{files, network, ports, programs, real};

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    let name = arg(args, 0);
    match verb {
        "report" => of_apps(call, args, |name| report(call, name))?,
        "build-config" => {
            call.app(name)?;
            rebuild(call, name)?;
        }
        "clear-config" => {
            call.app(name)?;
            files::remove(&call.home(name).join("nginx.conf"))?;
            reload(call)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Validates the configuration of the host, then reloads nginx.
pub(crate) fn reload(call: &Call) -> Result<()> {
    validate(call)?;
    if call.state()?.parts.is_some() { real::proxy::reload() } else { Ok(()) }
}

fn report(call: &Call, name: &str) -> Result<Report> {
    let report = Report::new("proxy", "proxy-", Keys::Both);
    if name.is_empty() {
        return Ok(report
            .property("proxy-port", None, "")
            .property("proxy-ssl-port", None, "")
            .property("type", None, "nginx"));
    }
    let app = call.app(name)?;
    Ok(report
        .row("computed-disabled", app.proxy_disabled.to_string())
        .row("computed-proxy-port", "80")
        .row("computed-proxy-ssl-port", if app.cert.is_some() { "443" } else { "" })
        .row("computed-type", "nginx")
        .row("disabled", if app.proxy_disabled { "true" } else { "" })
        .row("enabled", (!app.proxy_disabled).to_string())
        .row("global-proxy-port", "")
        .row("global-proxy-ssl-port", "")
        .row("global-type", "")
        .row("proxy-port", "80")
        .row("proxy-ssl-port", if app.cert.is_some() { "443" } else { "" })
        .row("type", ""))
}

/// `proxy-build-config`: for all changes except those of domains and ports.
pub(crate) fn rebuild(call: &Call, name: &str) -> Result<()> {
    call.fire("proxy-build-config", &[name])?;
    // Dokku prints this only if the app has a container.
    if call.app(name)?.deployed && !network::listeners(call, &call.state()?, name).is_empty() {
        call.info1(format!("Ensuring network configuration is in sync for {name}"));
    }
    build(call, name)
}

/// Writes the app's `nginx.conf` from its template and validates the configuration of the host.
pub(crate) fn build(call: &Call, name: &str) -> Result<()> {
    let template = call.query("nginx-app-template-source", &[name, "app-config"])?;
    let state = call.state()?;
    let app = call.app(name)?;
    if app.proxy_disabled {
        call.info1(format!("Nginx support is disabled for app ({name})"));
        return Ok(());
    }
    let ssl = app.cert.is_some();
    let mut map = ports::effective(&state, &app);
    map.retain(|port| {
        let ignored = port.starts_with("https:") && !ssl;
        if ignored {
            call.warn(format!(
                "Ignoring detected https port mapping without an accompanying ssl certificate ({port})"
            ));
        }
        !ignored
    });
    warn_domain_mismatch(call, name, &app);
    let running = !network::listeners(call, &state, name).is_empty();
    if !running {
        call.warn(format!("No web listeners specified for {name}"));
    }
    if if running { !app.deployed } else { map.is_empty() } {
        return Ok(());
    }
    warn_missing_vhost(call, name, &app);
    let source = if template.is_empty() { "built-in" } else { "plugin-supplied" };
    let text = match (template.as_str(), &state.parts) {
        (path, Some(parts)) => {
            let listeners = network::listeners(call, &state, name).join(" ");
            real::proxy::render(call, parts, (name, &app), path, &listeners, &map)?
        }
        ("", None) => built_in(call, name, &map),
        (path, None) => {
            let text = fs::read_to_string(path).unwrap_or_default();
            let listens = default_server(&text, &map);
            programs::render(&text, &vars(call, name)) + &listens
        }
    };
    let mut domains = app.domains.clone();
    domains.sort();
    for domain in &domains {
        call.info1(format!("Configuring {domain}...(using {source} template)"));
    }
    if text.contains("SIGIL_BROKEN") || (!template.is_empty() && !Path::new(&template).exists()) {
        call.eprint("template: nginx.conf.sigil: stand-in: broken\n");
        return quit(1);
    }
    call.info1(format!("Creating {} nginx.conf", if ssl { "https" } else { "http" }));
    let dir = call.home(name).join("nginx.conf.d");
    fs::create_dir_all(&dir)?;
    fs::write(call.home(name).join("nginx.conf"), text)?;
    if running {
        call.query("nginx-app-template-source", &[name, "hsts-config"])?;
        if ssl && app.nginx.get("hsts").is_none_or(|hsts| hsts != "false") {
            call.verbose("Enabling HSTS (using built-in template)");
            fs::write(dir.join("hsts.conf"), real::proxy::hsts(name, &app))?;
        } else {
            crate::files::remove(&dir.join("hsts.conf"))?;
        }
    }
    call.fire("nginx-pre-reload", &[name, "", ""])?;
    call.verbose("Reloading nginx");
    reload(call)
}

/// The part of the plugin's template that depends on its loop: the port on which the app is the
/// default server, if it is mapped.
fn default_server(template: &str, map: &[String]) -> String {
    let port = template
        .split_once("$default_server_port := \"")
        .and_then(|(_, rest)| rest.split('"').next())
        .filter(|port| map.iter().any(|mapped| mapped.starts_with(&format!("https:{port}:"))));
    port.map(|port| format!("listen {port} ssl default_server;\n")).unwrap_or_default()
}

/// Dokku's variables in a template, `{{ $.NAME }}`.
fn vars(call: &Call, name: &str) -> Vec<(String, String)> {
    [
        ("APP", name.to_owned()),
        ("DOKKU_ROOT", call.root.display().to_string()),
        ("DOKKU_LIB_ROOT", call.lib.display().to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec()
}

fn built_in(call: &Call, name: &str, map: &[String]) -> String {
    let mut text = format!("# stand-in: the built-in template for {name}\n");
    for port in map {
        let host = port.split(':').nth(1).unwrap_or_default();
        let parts = call.home(name).join("nginx.conf.d");
        let _ = writeln!(
            text,
            "server {{\n  listen {host};\n  include {}/*.conf;\n}}",
            parts.display()
        );
    }
    let upstreams: BTreeSet<&str> = map.iter().filter_map(|port| port.rsplit(':').next()).collect();
    for upstream in upstreams {
        let _ = writeln!(text, "upstream {name}-{upstream} {{\n}}");
    }
    text
}

/// Prints grep's error about a missing `VHOST`, once for each check of the certificate's names.
fn warn_missing_vhost(call: &Call, name: &str, app: &App) {
    if app.cert.is_some() && app.domains.is_empty() {
        let vhost = call.home(name).join("VHOST");
        call.eprint(format!("grep: {}: No such file or directory\n", vhost.display()));
    }
}

/// Prints Dokku's warning if no domain of the app is in its certificate.
fn warn_domain_mismatch(call: &Call, name: &str, app: &App) {
    let Some(cert) = &app.cert else { return };
    warn_missing_vhost(call, name, app);
    if !app.domains.iter().any(|domain| cert.hostnames.contains(domain)) {
        call.info1(format!(
            "No matching configured domains for {name} found in SSL certificate. Your app will show as insecure in a browser if accessed via SSL"
        ));
        call.info1("Please add appropriate domains via the dokku domains command");
        if !app.domains.is_empty() {
            call.info1("Configured domains for app:");
            app.domains.iter().for_each(|domain| call.info2(domain));
        }
        call.info1("Domains found in SSL certificate:");
        cert.hostnames.iter().for_each(|domain| call.info2(domain));
    }
}
