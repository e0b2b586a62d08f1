//! `storage:*`: mounts directories and files of the host in the containers of an app.

use anyhow::Result;
use serde_json::{Value, json};

use crate::app::Mount;
use crate::call::{Call, fail};
use crate::containers::hex;
use crate::dokku::{arg, has, positional};
use crate::storage_entries as entries;

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    let names = positional(args);
    let value = |flag: &str| {
        let prefix = format!("{flag}=");
        let next = args.iter().skip_while(|arg| *arg != flag).nth(1);
        next.map(String::as_str).or(args.iter().find_map(|arg| arg.strip_prefix(&prefix)))
    };
    let as_json = value("--format") == Some("json");
    match verb {
        "list" => list(call, arg(&names, 0), as_json)?,
        "mount" => {
            let readonly = has(args, "--volume-readonly");
            mount(call, arg(&names, 0), arg(&names, 1), value("--container-dir"), readonly)?;
        }
        "unmount" => unmount(call, arg(&names, 0), arg(&names, 1), value("--container-dir"))?,
        "create" => {
            entries::create(call, arg(&names, 0), arg(&names, 1), value("--reclaim-policy"))?;
        }
        "info" => entries::info(call, arg(&names, 0), as_json)?,
        "destroy" if has(args, "--force") => entries::destroy(call, arg(&names, 0))?,
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
        let Ok(attachment) = serde_json::from_str::<Value>(line) else {
            return fail(format!(
                "unable to parse storage attachment for \"{app}\": unexpected end of JSON input"
            ));
        };
        let entry = attachment["entry_name"].as_str().unwrap_or_default();
        if !entries::path(call, entry).exists() {
            return fail(format!(
                "attachment on {app:?} references missing entry {entry:?}: storage entry {entry:?} \
                 does not exist"
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

fn mount(call: &Call, name: &str, what: &str, dir: Option<&str>, readonly: bool) -> Result<()> {
    let app = call.app(name)?;
    let same = |mount: &Mount, other: &Mount| {
        mount.entry == other.entry && mount.container == other.container
    };
    if what.contains(':') {
        let desired = parse(what)?;
        if app.mounts.iter().any(|mount| same(mount, &desired)) {
            return fail("Mount path already exists.");
        }
        return set(call, name, |mounts| mounts.push(desired));
    }
    let Some(entry) = call.state()?.storage_entries.get(what).cloned() else {
        return fail(format!(
            "storage entry {what:?} does not exist; create it first with `dokku storage:create`"
        ));
    };
    let Some(dir) = dir else {
        return fail("--container-dir is required when mounting a named storage entry");
    };
    let desired =
        Mount { entry: what.to_owned(), host: entry.host, container: dir.to_owned(), readonly };
    let is_there = app.mounts.iter().any(|mount| same(mount, &desired));
    set(call, name, |mounts| {
        mounts.retain(|mount| !same(mount, &desired));
        mounts.push(desired);
    })?;
    call.info1(if is_there {
        format!("Storage entry {what} mount at {dir} on {name} updated")
    } else {
        format!("Storage entry {what} mounted at {dir} on {name}")
    });
    Ok(())
}

/// Changes the mounts of an app.
fn set(call: &Call, name: &str, change: impl FnOnce(&mut Vec<Mount>)) -> Result<()> {
    let app = call.change(name, |app| {
        change(&mut app.mounts);
        app.mounts.sort();
        app.clone()
    })?;
    call.write_mounts(name, &app)
}

/// `host:container` names the entry that Dokku made for it, and never a named entry of that path.
fn unmount(call: &Call, name: &str, what: &str, dir: Option<&str>) -> Result<()> {
    let app = call.app(name)?;
    let (entry, dir) = if what.contains(':') {
        let mount = parse(what)?;
        (mount.entry, Some(mount.container))
    } else {
        (what.to_owned(), dir.map(str::to_owned))
    };
    let is_meant = |mount: &Mount| {
        mount.entry == entry && dir.as_ref().is_none_or(|dir| mount.container == *dir)
    };
    let found: Vec<&str> = app
        .mounts
        .iter()
        .filter(|mount| is_meant(mount))
        .map(|mount| mount.container.as_str())
        .collect();
    match (&found[..], &dir) {
        ([], _) if what.contains(':') => fail("Mount path does not exist."),
        ([], Some(dir)) => {
            fail(format!("storage entry {what:?} is not mounted at {dir:?} on app {name:?}"))
        }
        ([], None) => fail(format!("storage entry {what:?} is not mounted on app {name:?}")),
        ([_, _, ..], None) => fail(format!(
            "storage entry {what:?} is mounted at multiple paths on app {name:?} ({}); pass \
             --container-dir to disambiguate",
            found.join(", ")
        )),
        _ => set(call, name, |mounts| mounts.retain(|mount| !is_meant(mount))),
    }
}

/// A mount as `docker inspect` shows it.
pub(crate) fn inspected(spec: &str) -> Value {
    let mut parts = spec.split(':');
    let (source, destination) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let writable = parts.next() != Some("ro");
    json!({ "Type": "bind", "Source": source, "Destination": destination, "Mode": if writable { "" } else { "ro" }, "RW": writable })
}
