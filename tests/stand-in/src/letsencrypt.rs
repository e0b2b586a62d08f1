//! `letsencrypt:*`, dokku-letsencrypt: certificates and their renewal.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::app::{App, Cert};
use crate::apps::now;
use crate::call::{Call, fail, quit};
use crate::dokku::{arg, has, positional};
use crate::report::{Keys, Report, of_apps};
use crate::{certs, files, proxy, real};

const PROPERTIES: [&str; 6] =
    ["dns-provider", "email", "graceperiod", "server", "lego-args", "lego-docker-options"];
const DAYS: i64 = 24 * 60 * 60;

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    let names = positional(args);
    let name = arg(&names, 0);
    match verb {
        "set" => set(call, arg(args, 0), arg(args, 1), arg(args, 2))?,
        "active" => call.line(active(call, name, &call.app(name)?)),
        "report" => of_apps(call, args, |name| report(call, name))?,
        "list" => list(call)?,
        "enable" => enable(call, name, has(args, "--force"))?,
        "disable" => {
            call.app(name)?;
            call.info1("Disabling letsencrypt for app");
            call.verbose(format!("Removing letsencrypt files for {name}"));
            files::remove(&call.home(name).join("letsencrypt"))?;
            call.verbose(format!("Removing SSL endpoint from {name}"));
            certs::remove(call, name)?;
            call.info1("Done");
        }
        "cron-job" => cron(call, arg(args, 0))?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Whether dokku-letsencrypt takes the certificate for its own, which it stores under the app's first
/// domain. It compares the copy beside the certificate, which `certs:add` leaves as it is.
fn active(call: &Call, name: &str, app: &App) -> bool {
    let (home, read) = (call.home(name), |path: PathBuf| fs::read(path).ok());
    let (Some(_), Some(first)) = (&app.cert, app.domains.first()) else { return false };
    let installed =
        read(home.join("tls/server.letsencrypt.crt")).or_else(|| read(home.join("tls/server.crt")));
    let current = home.join("letsencrypt/certs/current/certificates");
    let requested = read(current.join(format!("{}.crt", file_name(first))));
    installed.is_some() && installed == requested
}

/// The name of a domain in names of files.
fn file_name(domain: &str) -> String {
    domain.replacen('*', "_", 1)
}

/// Stores a new certificate as lego does, before dokku-letsencrypt installs it.
fn keep(call: &Call, name: &str, settings: &[String]) -> Result<()> {
    let (home, Some(first)) = (call.home(name), settings.first()) else { return Ok(()) };
    let mut hasher = DefaultHasher::new();
    settings.hash(&mut hasher);
    let certs = home.join("letsencrypt/certs");
    let request = format!("{:040x}", hasher.finish());
    let directory = certs.join(&request).join("certificates");
    fs::create_dir_all(&directory)?;
    let (tls, first) = (home.join("tls"), file_name(first));
    let (crt, key) = (fs::read(tls.join("server.crt"))?, fs::read(tls.join("server.key"))?);
    fs::write(directory.join(format!("{first}.crt")), &crt)?;
    fs::write(directory.join(format!("{first}.pem")), [crt.as_slice(), &key].concat())?;
    fs::write(directory.join(format!("{first}.key")), &key)?;
    fs::remove_file(certs.join("current")).ok();
    symlink(&request, certs.join("current"))?;
    Ok(())
}

fn set(call: &Call, name: &str, key: &str, value: &str) -> Result<()> {
    let global = name == "--global";
    if !global {
        call.app(name)?;
    }
    if !PROPERTIES.contains(&key) && !key.starts_with("dns-provider-") {
        return fail(
            "Invalid key specified, valid keys include: dns-provider, dns-provider-*, email, graceperiod, server, lego-args, lego-docker-options",
        );
    }
    if value.is_empty() {
        call.info2(format!("Unsetting {key}"));
    } else {
        call.info2(format!("Setting {key} to {value}"));
    }
    if global {
        // The plugin reads this file on a host without apps.
        let path = call.lib.join("config/letsencrypt/--global").join(key);
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        fs::write(path, value)?;
    }
    call.update(|state| {
        let properties = if global {
            &mut state.letsencrypt.properties
        } else {
            &mut state.apps.entry(name.to_owned()).or_default().letsencrypt
        };
        if value.is_empty() {
            properties.remove(key);
        } else {
            properties.insert(key.to_owned(), value.to_owned());
        }
        Ok(())
    })
}

fn report(call: &Call, name: &str) -> Result<Report> {
    let state = call.state()?;
    // It lists the apps first, also for a report on the host.
    if state.apps.is_empty() {
        return fail("You haven't deployed any applications yet");
    }
    let app = if name.is_empty() { App::default() } else { call.app(name)? };
    let global = state.letsencrypt.properties;
    let get = |key: &str| app.letsencrypt.get(key).cloned().unwrap_or_default();
    let whole = |key: &str| global.get(key).cloned().unwrap_or_default();
    let expiration = app
        .cert
        .as_ref()
        .filter(|cert| cert.letsencrypt.is_some())
        .map(|cert| cert.expires_at.to_string());
    let mut report = Report::new("letsencrypt", "letsencrypt-", Keys::Ordered)
        .row("active", active(call, name, &app).to_string())
        .row("autorenew", state.letsencrypt.cron.to_string());
    for property in
        ["dns-provider", "email", "graceperiod", "lego-args", "lego-docker-options", "server"]
    {
        if property == "graceperiod" {
            report = report.row("expiration", expiration.clone().unwrap_or_default());
        }
        let default = match property {
            "graceperiod" => "2592000",
            "server" => "https://acme-v02.api.letsencrypt.org/directory",
            _ => "",
        };
        let computed = [get(property), whole(property)].into_iter().find(|value| !value.is_empty());
        report = report
            .row(&format!("computed-{property}"), computed.unwrap_or_else(|| default.to_owned()))
            .row(&format!("global-{property}"), whole(property))
            .row(property, get(property));
    }
    Ok(report)
}

fn list(call: &Call) -> Result<()> {
    let heads = ["Certificate Expiry", "Time before expiry", "Time before renewal"]
        .map(|head| format!("{head:<25}"));
    call.info1(format!("{:<18} {}", "App name", heads.join(" ")));
    let mut rows: Vec<(i64, String)> = Vec::new();
    for (name, app) in call.state()?.apps {
        if let Some(cert) = app.cert.filter(|cert| cert.letsencrypt.is_some()) {
            rows.push((cert.expires_at, name));
        }
    }
    rows.sort();
    for (at, name) in rows {
        let date = jiff::Timestamp::from_second(at)?.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let left = at - now();
        call.line(format!(
            "{name:<25} {date:<25} {:<25} {:<25}",
            span(left),
            span(left - 30 * DAYS)
        ));
    }
    Ok(())
}

fn span(seconds: i64) -> String {
    let (days, hours) = (seconds / DAYS, seconds % DAYS / 3600);
    format!("{days}d, {hours}h, {}m, {}s", seconds % 3600 / 60, seconds % 60)
}

fn enable(call: &Call, name: &str, force: bool) -> Result<()> {
    let app = call.app(name)?;
    let state = call.state()?;
    if app.domains.is_empty() {
        call.warn(format!("No domains detected for {name}"));
        return quit(1);
    }
    call.info2(format!("Enabling letsencrypt for {name}"));
    let property =
        |key: &str| app.letsencrypt.get(key).or_else(|| state.letsencrypt.properties.get(key));
    let Some(email) = property("email") else {
        call.warn("ERROR: Cannot request a certificate without an e-mail address!");
        call.warn("  please provide your e-mail address using");
        call.warn(format!("  dokku letsencrypt:set {name} email <e-mail>"));
        return quit(1);
    };
    let previous = app.cert.as_ref().and_then(|cert| cert.letsencrypt.clone());
    let server = property("server").cloned().unwrap_or_default();
    // dokku-letsencrypt compares a hash of the settings: other domains or another server cause a
    // new request.
    let settings: Vec<String> =
        app.domains.iter().cloned().chain([email.clone(), server.clone()]).collect();
    if !force
        && active(call, name, &app)
        && previous.as_ref() == Some(&settings)
        && app.cert.as_ref().is_some_and(|cert| cert.expires_at > now() + 30 * DAYS)
    {
        call.info1(format!("Certificate is still valid for {name}, skipping certificate request"));
        call.info1("Pass --force to letsencrypt:enable to request a new certificate anyway");
        return Ok(());
    }
    http_port(call, name)?;
    call.info1(format!("Enabling ACME proxy for {name}..."));
    let dir = call.home(name).join("nginx.conf.d");
    fs::create_dir_all(&dir)?;
    let real = state.parts.as_ref();
    let location = match real {
        Some(_) => real::acme::location(call, name)?,
        None => "location /.well-known/acme-challenge { allow all; }\n".to_owned(),
    };
    fs::write(dir.join("letsencrypt.conf"), location)?;
    if real.is_some() {
        proxy::reload(call)?;
    }
    call.info1(format!("Getting letsencrypt certificate for {name} via HTTP-01"));
    app.domains.iter().for_each(|domain| call.eprint(format!("        - Domain '{domain}'\n")));
    let fails = &state.letsencrypt.fails;
    // Port 9 is the discard service, which never answers.
    let failed = fails.contains(name)
        || app.domains.iter().any(|domain| fails.contains(domain))
        || server.contains(":9/")
        || match real {
            Some(parts) => {
                let server = if server.is_empty() { &parts.directory } else { &server };
                !real::acme::request(call, name, &app.domains, email, server)?
            }
            None => false,
        };
    if failed {
        call.info1("Certificate retrieval failed!");
    } else {
        call.info1("Certificate retrieved successfully.");
        call.info1("Installing let's encrypt certificates");
        let cert = match real {
            Some(_) => real::acme::read(&call.home(name).join("tls/server.crt"))?,
            None => issue(&app.domains),
        };
        let cert = Cert { letsencrypt: Some(settings.clone()), ..cert };
        certs::write(call, name, &cert)?;
        keep(call, name, &settings)?;
        let tls = call.home(name).join("tls");
        let (plain, key) = (fs::read(tls.join("server.crt"))?, fs::read(tls.join("server.key"))?);
        // It adds the bundle, and takes the key out of it afterwards.
        fs::remove_file(tls.join("server.letsencrypt.crt")).ok();
        fs::write(tls.join("server.crt"), [plain.as_slice(), &key].concat())?;
        certs::put(call, name, cert)?;
        for file in ["server.letsencrypt.crt", "server.crt"] {
            fs::write(tls.join(file), &plain)?;
        }
        proxy::rebuild(call, name)?;
    }
    files::remove(&dir.join("letsencrypt.conf"))?;
    if real.is_some() {
        proxy::reload(call)?;
    }
    call.info1(format!("Disabling ACME proxy for {name}..."));
    if failed {
        call.warn("Failed to setup letsencrypt");
        return fail("Check log output for further information on failure");
    }
    call.info1("Done");
    Ok(())
}

fn issue(domains: &[String]) -> Cert {
    let mut hostnames = domains.to_vec();
    hostnames.sort();
    Cert {
        hostnames,
        issuer: "CN = Pebble Intermediate CA 57a9d1".to_owned(),
        starts_at: now(),
        expires_at: now() + 90 * DAYS,
        letsencrypt: None,
    }
}

/// The ACME challenge needs port 80: adds a mapping for it if there is none.
fn http_port(call: &Call, name: &str) -> Result<()> {
    let ports = crate::ports::effective(&call.state()?, &call.app(name)?);
    if ports.iter().any(|port| port.starts_with("http:80:")) {
        return Ok(());
    }
    let first = |scheme: &str| {
        ports.iter().find(|port| port.starts_with(scheme)).and_then(|port| port.rsplit(':').next())
    };
    let Some(port) = first("http:").or_else(|| first("https:")) else {
        call.warn(format!(
            "Cannot enable letsencrypt for {name}: no http or https proxy port mapping was found."
        ));
        return quit(1);
    };
    call.info1(format!(
        "Adding http:80:{port} port mapping to {name} for ACME HTTP-01 challenge..."
    ));
    crate::ports::serve(call, "add", &[name.to_owned(), format!("http:80:{port}")]).map(|_| ())
}

fn enable_cron(call: &Call, on: bool) -> Result<()> {
    call.update(|state| {
        state.letsencrypt.cron = on;
        Ok(())
    })
}

fn cron(call: &Call, flag: &str) -> Result<()> {
    match flag {
        "--add" => {
            enable_cron(call, true)?;
            call.info1("Added cron job to dokku's crontab.");
        }
        "--remove" => {
            enable_cron(call, false)?;
            call.info1("Removed cron job from dokku's crontab.");
        }
        "" if call.state()?.letsencrypt.cron => {
            call.info2("Auto-renew cron job is enabled");
            call.verbose("Run 'dokku letsencrypt:cron-job --remove' to disable.");
        }
        "" => {
            call.info2("Auto-renew cron job is not enabled");
            call.verbose("Run 'dokku letsencrypt:cron-job --add' to enable.");
        }
        other => bail!("`dokku letsencrypt:cron-job {other}` is not supported"),
    }
    Ok(())
}
