//! `config:*`: the environment of an app.

use anyhow::Result;
use serde_json::Value;

use crate::call::{Call, fail, quit};
use crate::deploy;
use crate::dokku::{arg, has};

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    let positional = positional(args);
    let name = arg(&positional, 0);
    match verb {
        "get" => match call.app(name)?.config.get(arg(&positional, 1)) {
            Some(value) => call.line(value),
            None => return quit(1),
        },
        "keys" => call.app(name)?.config.keys().for_each(|key| call.line(key)),
        "export" => export(call, name, args)?,
        "show" => {
            let config = call.app(name)?.config;
            call.info2(format!("{name} env vars"));
            let width = config.keys().map(String::len).max().unwrap_or_default() + 3;
            for (key, value) in config {
                call.line(format!("{:<width$}{value}", format!("{key}:")));
            }
        }
        "set" => {
            call.app(name)?;
            let pairs = positional
                .get(1..)
                .unwrap_or_default()
                .iter()
                .filter_map(|pair| pair.split_once('='));
            let pairs: Vec<(String, String)> =
                pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            set(call, name, &pairs, !has(args, "--no-restart"))?;
        }
        "unset" => {
            call.app(name)?;
            unset(call, name, positional.get(1..).unwrap_or_default(), !has(args, "--no-restart"))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The positional arguments: without flags and their values. A value may contain dashes after its
/// `=`.
fn positional(args: &[String]) -> Vec<String> {
    let mut positional = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--format" => drop(args.next()),
            flag if flag.starts_with("--") => {}
            word => positional.push(word.to_owned()),
        }
    }
    positional
}

fn export(call: &Call, name: &str, args: &[String]) -> Result<()> {
    let config = call.app(name)?.config;
    if args.iter().any(|arg| arg == "json" || arg == "--format=json") {
        call.line(Value::from_iter(config));
    } else {
        for (key, value) in config {
            call.line(format!("export {key}='{}'", value.replace('\'', "'\\''")));
        }
    }
    Ok(())
}

/// Sets variables and redeploys a deployed app. Prints the values unless Dokku is quiet.
pub(crate) fn set(
    call: &Call,
    name: &str,
    pairs: &[(String, String)],
    restart: bool,
) -> Result<()> {
    for (key, _) in pairs {
        let first = key.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !first || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return fail(format!("Invalid key name: '{key}'"));
        }
    }
    if !call.quiet {
        call.info1("Setting config vars");
        let width = pairs.iter().map(|(key, _)| key.len()).max().unwrap_or_default() + 3;
        let mut sorted = pairs.to_vec();
        sorted.sort();
        for (key, value) in sorted {
            call.verbose(format!("{:<width$}{value}", format!("{key}:")));
        }
    }
    call.change(name, |app| app.config.extend(pairs.iter().cloned()))?;
    let mut args = vec![name, "set"];
    args.extend(pairs.iter().map(|(key, _)| key.as_str()));
    call.fire("post-config-update", &args)?;
    redeploy(call, name, restart)
}

/// Removes variables.
pub(crate) fn unset(call: &Call, name: &str, keys: &[String], restart: bool) -> Result<()> {
    let mut changed = false;
    for key in keys {
        let existed = call.change(name, |app| app.config.remove(key))?.is_some();
        changed |= existed;
        if call.quiet {
            continue;
        }
        if existed {
            call.info1(format!("Unsetting {key}"));
        } else {
            call.info1(format!("Skipping {key}, it is not set in the environment"));
        }
    }
    if !changed {
        return Ok(());
    }
    let mut args = vec![name, "unset"];
    args.extend(keys.iter().map(String::as_str));
    call.fire("post-config-update", &args)?;
    redeploy(call, name, restart)
}

fn redeploy(call: &Call, name: &str, restart: bool) -> Result<()> {
    if !restart || !call.app(name)?.deployed {
        return Ok(());
    }
    call.info1(format!("Restarting app {name}"));
    deploy::release(call, name, "- config-redeploy")
}
