//! `nginx:set`, `nginx:report`, `nginx:validate-config`: the nginx properties of an app.

use anyhow::Result;

use crate::app::App;
use crate::call::{Call, fail};
use crate::dokku::arg;
use crate::report::{Keys, Report, of_apps};

/// The properties in Dokku's order, with their defaults.
const PROPERTIES: [(&str, &str); 31] = [
    ("access-log-format", ""),
    ("access-log-path", "/var/log/nginx/{app}-access.log"),
    ("bind-address-ipv4", ""),
    ("bind-address-ipv6", "::"),
    ("client-body-timeout", "60s"),
    ("client-header-timeout", "60s"),
    ("client-max-body-size", "1m"),
    ("disable-custom-config", "false"),
    ("error-log-path", "/var/log/nginx/{app}-error.log"),
    ("hsts", "true"),
    ("hsts-include-subdomains", "true"),
    ("hsts-preload", "false"),
    ("hsts-max-age", "15724800"),
    ("keepalive-timeout", "75s"),
    ("lingering-timeout", "5s"),
    ("nginx-conf-sigil-path", "nginx.conf.sigil"),
    ("nginx-service-command", ""),
    ("proxy-buffer-size", "4k"),
    ("proxy-buffering", "on"),
    ("proxy-buffers", "8 4k"),
    ("proxy-busy-buffers-size", "8k"),
    ("proxy-connect-timeout", "60s"),
    ("proxy-read-timeout", "60s"),
    ("proxy-send-timeout", "60s"),
    ("proxy-keepalive", ""),
    ("send-timeout", "60s"),
    ("underscore-in-headers", "off"),
    ("x-forwarded-for-value", "$remote_addr"),
    ("x-forwarded-port-value", "$server_port"),
    ("x-forwarded-proto-value", "$scheme"),
    ("x-forwarded-ssl", ""),
];

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    match verb {
        "set" => set(call, arg(args, 0), arg(args, 1), arg(args, 2))?,
        "report" => of_apps(call, args, |name| report(call, name))?,
        "validate-config" => crate::nginx_config::validate(call)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn report(call: &Call, name: &str) -> Result<Report> {
    let app = call.app(name)?;
    let mut report = Report::new("nginx", "nginx-", Keys::Plain);
    for (property, default) in PROPERTIES {
        report =
            report.property(property, app.nginx.get(property), &default.replace("{app}", name));
    }
    Ok(report.row("last-visited-at", ""))
}

/// The value of a property, or its default.
pub(crate) fn in_force(name: &str, app: &App, property: &str) -> String {
    let usual = PROPERTIES.iter().find(|(known, _)| *known == property);
    let usual = || usual.map_or("", |(_, usual)| usual).replace("{app}", name);
    app.nginx.get(property).cloned().unwrap_or_else(usual)
}

fn set(call: &Call, name: &str, property: &str, value: &str) -> Result<()> {
    call.app(name)?;
    if !PROPERTIES.iter().any(|(known, _)| *known == property) {
        let known: Vec<&str> = PROPERTIES.iter().map(|(known, _)| *known).collect();
        return fail(format!("Invalid key specified, valid keys include: {}", known.join(", ")));
    }
    if value.is_empty() {
        call.info2(format!("Unsetting {property}"));
        call.change(name, |app| app.nginx.remove(property))?;
    } else {
        call.info2(format!("Setting {property} to {value}"));
        call.change(name, |app| app.nginx.insert(property.to_owned(), value.to_owned()))?;
    }
    call.write_nginx(name, &call.app(name)?)
}
