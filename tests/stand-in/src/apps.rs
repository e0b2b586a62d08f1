//! `apps:exists`, `apps:list`, `apps:report`, `apps:create`, `apps:destroy`.

use std::fs;
use std::io::{self, BufRead};

use anyhow::{Result, bail};

use crate::app::App;
use crate::call::{Call, fail, stop};
use crate::dokku::{arg, has, positional};
use crate::nginx_config::validate;
use crate::report::{Keys, Report, of_apps};
use crate::{containers, domains, files, links, proxy};

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    match verb {
        "exists" => call.app(arg(args, 0)).map(|_| ())?,
        "list" => {
            let apps = call.visible(call.state()?.apps.into_keys().collect())?;
            if has(args, "--format") {
                call.line(serde_json::to_string(&apps)?);
                return Ok(true);
            }
            if !call.quiet {
                call.info2("My Apps");
            }
            if apps.is_empty() {
                call.warn("You haven't deployed any applications yet");
            }
            apps.iter().for_each(|name| call.line(name));
        }
        "report" => of_apps(call, args, |name| report(call, name))?,
        "create" => {
            if let Some(flag) = args.iter().find(|arg| arg.starts_with('-')) {
                call.eprint("Usage of apps:create:\n");
                let letter = flag.trim_start_matches('-').chars().next().unwrap_or('-');
                call.eprint(format!("unknown shorthand flag: '{letter}' in {flag}\n"));
                return stop(2, "");
            }
            create(call, arg(args, 0))?;
        }
        "destroy" => {
            let names = positional(args);
            call.app(arg(&names, 0))?;
            call.forced.set(call.forced.get() || has(args, "--force"));
            destroy(call, arg(&names, 0))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn report(call: &Call, name: &str) -> Result<Report> {
    let app = call.app(name)?;
    let source = app.deploy_source.clone();
    Ok(Report::new("app", "app-", Keys::Both)
        .row("created-at", app.created_at.to_string())
        .row("deploy-source", source.as_ref().map_or("", |_| "docker-image"))
        .row("deploy-source-metadata", source.unwrap_or_default())
        .row("dir", call.home(name).display().to_string())
        .row("global-disable-autocreation", "")
        .row("locked", "false"))
}

/// Applies Dokku's own check of app names.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let rest =
        name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-');
    if first && rest {
        return Ok(());
    }
    fail(
        "App name must begin with lowercase alphanumeric character, and may only contain lowercase \
         alphanumerics, dots, and hyphens",
    )
}

/// Creates an empty app.
pub(crate) fn create(call: &Call, name: &str) -> Result<()> {
    if name.is_empty() {
        return fail("Please specify an app to run the command on");
    }
    check_name(name)?;
    let state = call.state()?;
    if state.apps.contains_key(name) {
        if call.visible(vec![name.to_owned()])?.is_empty() {
            // Dokku would create it over the app that it hides.
            bail!("`dokku apps:create` of an app that the user may not see is not supported");
        }
        return fail("Name is already taken");
    }
    call.info1(format!("Creating {name}..."));
    let defaults = domains::defaults(&state, name);
    let app = App {
        created_at: now(),
        domains_enabled: !defaults.is_empty(),
        domains: defaults,
        scale: vec![("web".to_owned(), 1)],
        restore: true,
        ..App::default()
    };
    fs::create_dir_all(call.home(name))?;
    call.write_scale(name, &app)?;
    call.write_nginx(name, &app)?;
    call.write_vhost(name, &app)?;
    if app.domains_enabled {
        call.info1("Creating new app virtual host file...");
    } else {
        call.info1("Global server virtual host not set, disabling app vhost...");
    }
    call.update(|state| {
        state.apps.insert(name.to_owned(), app);
        Ok(())
    })?;
    call.fire("post-create", &[name])?;
    proxy::build(call, name)
}

/// The current time in seconds since 1970.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Destroys an app and everything that Dokku stores for it.
pub(crate) fn destroy(call: &Call, name: &str) -> Result<()> {
    if !call.forced.get() {
        confirm(call, name, "app")?;
    }
    call.info1(format!("Destroying {name} (including all add-ons)"));
    let state = call.state()?;
    let tag = if state.apps.get(name).is_some_and(|app| app.deployed) { "latest" } else { "" };
    call.fire("pre-delete", &[name, tag])?;
    for service in state.services.keys() {
        call.verbose(format!("Unlinking from {service}"));
    }
    call.update(|state| {
        state.services.values_mut().for_each(|service| {
            service.links.remove(name);
        });
        Ok(())
    })?;
    state.services.keys().try_for_each(|service| links::write_links(call, service))?;
    call.fire("scheduler-stop", &["docker-local", name, "true"])?;
    containers::remove_all(call, name)?;
    call.fire("scheduler-post-delete", &["docker-local", name, tag])?;
    // `config/<app>` holds the app's environment. The plugin `config` runs before ours and removes
    // the whole directory, including files that it did not write.
    files::remove(&call.lib.join("config").join(name))?;
    call.fire("post-delete", &[name, tag])?;
    // The post-delete trigger of nginx-vhosts runs after ours and reloads nginx while the app's
    // nginx.conf is still there.
    validate(call)?;
    print_schedule_updated(call)?;
    print_schedule_updated(call)?;
    for plugin in ["nginx", "ps", "storage"] {
        files::remove(&call.lib.join("config").join(plugin).join(name))?;
    }
    call.info1("Cleaning up...");
    call.info1("Retiring old containers and images");
    call.fire("scheduler-retire", &["docker-local", name])?;
    files::remove(&call.home(name))?;
    call.update(|state| {
        state.apps.remove(name);
        Ok(())
    })
}

/// Prints what Dokku prints when it writes its crontab, which it does only if there is a cron job.
pub(crate) fn print_schedule_updated(call: &Call) -> Result<()> {
    if call.state()?.letsencrypt.cron {
        call.info1("Updated schedule file");
    }
    Ok(())
}

/// Asks the user to type the name, as Dokku does before it destroys something.
pub(crate) fn confirm(call: &Call, name: &str, kind: &str) -> Result<()> {
    call.warn("WARNING: Potentially Destructive Action");
    call.warn(format!("This command will destroy {kind} {name}."));
    call.warn(format!("To proceed, type \"{name}\""));
    call.print("> ");
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line)?;
    *call.stdin.borrow_mut() = Some(line.clone());
    if read == 0 {
        return fail("EOF");
    }
    if line.trim() == name {
        Ok(())
    } else {
        fail(format!("Confirmation did not match {kind}. Aborted."))
    }
}
