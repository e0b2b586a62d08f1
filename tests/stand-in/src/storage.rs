//! `storage:*`: mounts directories and files of the host in the containers of an app.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};

use crate::app::Mount;
use crate::call::{Call, fail};
use crate::containers::hex;
use crate::dokku::{arg, has, positional};

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    let names = positional(args);
    match verb {
        "list" => list(
            call,
            arg(&names, 0),
            args.iter().any(|arg| arg == "json" || arg == "--format=json"),
        )?,
        "mount" => {
            let dir = args.iter().skip_while(|arg| *arg != "--container-dir").nth(1);
            mount(call, arg(&names, 0), arg(&names, 1), dir.map(String::as_str))?;
        }
        "unmount" => unmount(call, arg(&names, 0), arg(&names, 1))?,
        "create" => create(call, arg(&names, 0), arg(&names, 1))?,
        "destroy" if has(args, "--force") => {
            call.update(|state| Ok(state.storage_entries.remove(arg(&names, 0))))?;
            call.info1(format!("Storage entry {} destroyed", arg(&names, 0)));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn list(call: &Call, name: &str, as_json: bool) -> Result<()> {
    let app = call.app(name)?;
    readable(call, name)?;
    if !as_json {
        call.info1(format!("{name} volume bind-mounts:"));
        app.mounts.iter().for_each(|mount| call.verbose(mount.spec()));
        return Ok(());
    }
    let rows: Vec<String> = app.mounts.iter().map(row).collect();
    call.line(format!("[{}]", rows.join(",")));
    Ok(())
}

/// Dokku reads its own files; one that is damaged ends the call.
fn readable(call: &Call, app: &str) -> Result<()> {
    let path = call.lib.join("config/storage").join(app).join("mounts");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if serde_json::from_str::<Value>(line).is_err() {
            return fail(format!(
                "unable to parse storage attachment for \"{app}\": unexpected end of JSON input"
            ));
        }
    }
    Ok(())
}

fn row(mount: &Mount) -> String {
    let text = |value: &str| Value::from(value).to_string();
    let readonly = if mount.readonly { ",\"readonly\":true" } else { "" };
    format!(
        "{{\"entry_name\":{},\"host_path\":{},\"container_path\":{}{readonly}}}",
        text(&mount.entry),
        text(&mount.host),
        text(&mount.container)
    )
}

fn parse(spec: &str) -> Result<Mount> {
    let mut parts = spec.splitn(3, ':');
    let host = parts.next().unwrap_or_default().to_owned();
    let Some(container) = parts.next().filter(|path| path.starts_with('/')) else {
        return fail("Storage path must be two valid paths divided by colon.");
    };
    let volume = if host.starts_with('/') { "" } else { "vol:" };
    let readonly =
        parts.next().is_some_and(|options| options.split(',').any(|option| option == "ro"));
    Ok(Mount {
        entry: format!("legacy-{}", &hex(&format!("{volume}{host}"))[..10]),
        host,
        container: container.to_owned(),
        readonly,
    })
}

fn mount(call: &Call, name: &str, what: &str, dir: Option<&str>) -> Result<()> {
    let app = call.app(name)?;
    let Some(dir) = dir else {
        let desired = parse(what)?;
        if app.mounts.iter().any(|mount| mount.spec() == desired.spec()) {
            return fail("Mount path already exists.");
        }
        return add(call, name, desired);
    };
    let Some(host) = call.state()?.storage_entries.get(what).cloned() else {
        return fail(format!("Storage entry {what} does not exist"));
    };
    let desired =
        Mount { entry: what.to_owned(), host, container: dir.to_owned(), readonly: false };
    if app.mounts.contains(&desired) {
        call.info1(format!("Storage entry {what} mount at {dir} on {name} updated"));
        return Ok(());
    }
    add(call, name, desired)?;
    call.info1(format!("Storage entry {what} mounted at {dir} on {name}"));
    Ok(())
}

fn add(call: &Call, name: &str, mount: Mount) -> Result<()> {
    let app = call.change(name, |app| {
        app.mounts.push(mount);
        app.mounts.sort();
        app.clone()
    })?;
    call.write_mounts(name, &app)
}

fn unmount(call: &Call, name: &str, what: &str) -> Result<()> {
    let app = call.app(name)?;
    let same = |mount: &Mount| mount.spec() == what || mount.entry == what;
    if !app.mounts.iter().any(same) {
        return fail("Mount path does not exist.");
    }
    let app = call.change(name, |app| {
        app.mounts.retain(|mount| !same(mount));
        app.clone()
    })?;
    call.write_mounts(name, &app)
}

fn create(call: &Call, name: &str, path: &str) -> Result<()> {
    let host = if path.is_empty() {
        call.lib.join("data/storage").join(name).display().to_string()
    } else {
        path.to_owned()
    };
    let exists = call.state()?.storage_entries.contains_key(name);
    if exists {
        call.info1(format!("Storage entry {name} already exists, leaving in place"));
    } else if path.is_empty() {
        fs::create_dir_all(&host)?;
        call.verbose(format!("Created {host}"));
    }
    call.update(|state| {
        state.storage_entries.entry(name.to_owned()).or_insert(host);
        Ok(())
    })?;
    call.info1(format!("Storage entry {name} created"));
    Ok(())
}

/// A mount as `docker inspect` shows it.
pub(crate) fn inspected(spec: &str) -> Value {
    let mut parts = spec.split(':');
    let (source, destination) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let writable = parts.next() != Some("ro");
    json!({ "Type": "bind", "Source": source, "Destination": destination, "Mode": if writable { "" } else { "ro" }, "RW": writable })
}
