//! Validates the nginx configuration of the whole host: one app's broken file breaks all apps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::app::App;
use crate::call::{Call, fail};
use crate::real;

/// `nginx -t` for all apps below `$DOKKU_ROOT`. Ends the call with 1 if nginx rejects the
/// configuration.
pub(crate) fn validate(call: &Call) -> Result<()> {
    if call.state()?.parts.is_some() {
        return match real::proxy::config_error()? {
            None => Ok(()),
            Some(why) => {
                call.eprint(why);
                fail("Failed to validate nginx configuration")
            }
        };
    }
    let Err(why) = validate_apps(call) else { return Ok(()) };
    call.eprint(format!(
        "nginx: [emerg] {why}\nnginx: configuration file /etc/nginx/nginx.conf test failed\n"
    ));
    fail("Failed to validate nginx configuration")
}

fn validate_apps(call: &Call) -> Result<(), String> {
    let apps = call.state().map_err(|error| error.to_string())?.apps;
    let mut upstreams: BTreeMap<String, String> = BTreeMap::new();
    let mut defaults: BTreeMap<String, String> = BTreeMap::new();
    for (name, app) in &apps {
        let Ok(conf) = fs::read_to_string(call.home(name).join("nginx.conf")) else { continue };
        let parts = included(call, name);
        if conf.contains("BROKEN") || parts.contains("BROKEN") {
            return Err(format!(
                "unknown directive \"BROKEN\" in {}",
                call.home(name).join("nginx.conf").display()
            ));
        }
        locations(&conf, &parts)?;
        for upstream in conf.lines().filter_map(|line| line.trim().strip_prefix("upstream ")) {
            if upstreams
                .insert(upstream.to_owned(), name.clone())
                .is_some_and(|other| other != *name)
            {
                return Err(format!("duplicate upstream \"{}\"", upstream.trim_end_matches(" {")));
            }
        }
        for port in default_servers(&conf, app) {
            if defaults.insert(port.clone(), name.clone()).is_some_and(|other| other != *name) {
                return Err(format!("a duplicate default server for 0.0.0.0:{port}"));
            }
        }
    }
    Ok(())
}

fn included(call: &Call, name: &str) -> String {
    let Ok(dir) = call.home(name).join("nginx.conf.d").read_dir() else { return String::new() };
    let conf = |path: &Path| path.extension().is_some_and(|extension| extension == "conf");
    dir.flatten()
        .map(|entry| entry.path())
        .filter(|path| conf(path))
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect()
}

/// Refuses a `location = /x` that occurs twice in the app's own files, or in these and the
/// template.
fn locations(conf: &str, parts: &str) -> Result<(), String> {
    let exact = |line: &str| {
        line.trim()
            .strip_prefix("location =")
            .map(|rest| rest.trim_end_matches('{').trim().to_owned())
    };
    let mut seen: BTreeSet<String> = conf.lines().filter_map(exact).collect();
    for path in parts.lines().filter_map(exact) {
        if !seen.insert(path.clone()) {
            return Err(format!("duplicate location \"{path}\""));
        }
    }
    Ok(())
}

/// The mapped ports on which the app is the default server.
fn default_servers(conf: &str, app: &App) -> BTreeSet<String> {
    let mapped =
        |port: &&String| app.ports.iter().any(|map| map.split(':').nth(1) == Some(port.as_str()));
    let mut ports = BTreeSet::new();
    for line in conf.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let Some((before, _)) = line.split_once("default_server") else { continue };
        let numbers: Vec<String> = before
            .split(|c: char| !c.is_ascii_digit())
            .filter(|digits| digits.len() > 1)
            .map(str::to_owned)
            .collect();
        ports.extend(numbers.iter().filter(mapped).cloned());
    }
    ports
}
