//! `version`, `plugin:*`, `report`, and forwarding `matrix:*` to the plugin as a real host does.

use std::fs;
use std::process::Command;

use anyhow::Result;
use serde_json::json;

use crate::call::{Call, fail, quit};
use crate::dokku::arg;
use crate::entry::{code, exit_with};
use crate::programs;

const CORE: [(&str, &str); 46] = [
    ("00_dokku-standard", "standard"),
    ("20_events", "events logging"),
    ("app-json", "app-json"),
    ("apps", "apps"),
    ("builder", "builder"),
    ("builder-dockerfile", "builder-dockerfile"),
    ("builder-herokuish", "builder-herokuish"),
    ("builder-lambda", "builder-lambda"),
    ("builder-nixpacks", "builder-nixpacks"),
    ("builder-null", "builder-null"),
    ("builder-pack", "builder-pack"),
    ("builder-railpack", "builder-railpack"),
    ("buildpacks", "buildpacks"),
    ("builds", "builds"),
    ("caddy-vhosts", "caddy-vhosts"),
    ("certs", "certificate management"),
    ("checks", "checks"),
    ("common", "common"),
    ("config", "config"),
    ("cron", "cron"),
    ("docker-options", "docker-options"),
    ("domains", "domains"),
    ("enter", "enter"),
    ("git", "git"),
    ("haproxy-vhosts", "haproxy-vhosts"),
    ("logs", "logs"),
    ("network", "network"),
    ("nginx-vhosts", "nginx-vhosts"),
    ("openresty-vhosts", "openresty-vhosts"),
    ("plugin", "plugin"),
    ("ports", "ports"),
    ("proxy", "proxy"),
    ("ps", "ps"),
    ("registry", "registry"),
    ("repo", "repo"),
    ("resource", "resource"),
    ("run", "run"),
    ("scheduler", "scheduler"),
    ("scheduler-docker-local", "scheduler-docker-local"),
    ("scheduler-k3s", "scheduler-k3s"),
    ("scheduler-null", "scheduler-null"),
    ("shell", "shell"),
    ("ssh-keys", "ssh-keys"),
    ("storage", "storage"),
    ("trace", "trace"),
    ("traefik-vhosts", "traefik-vhosts"),
];

pub(crate) fn serve(call: &Call, area: &str, verb: &str, args: &[String]) -> Result<bool> {
    match (area, verb) {
        ("version" | "--version", "") => {
            call.line(format!("dokku version {}", call.state()?.version));
        }
        ("report", "") => {
            call.app(arg(args, 0))?;
            call.fire("report", &[arg(args, 0)])?;
        }
        ("plugin", "list") => list(call, args)?,
        ("plugin", "installed") if !programs::is_root() => {
            return fail("This command must be run as root");
        }
        ("plugin", "installed") if call.plugins.join(arg(args, 0)).exists() => {}
        ("plugin", "installed") => return quit(1),
        _ => return Ok(false),
    }
    Ok(true)
}

struct Plugin {
    name: String,
    version: String,
    core: bool,
    description: String,
}

fn list(call: &Call, args: &[String]) -> Result<()> {
    let dokku = call.state()?.version;
    let mut plugins: Vec<Plugin> = CORE
        .iter()
        .map(|(name, what)| Plugin {
            name: (*name).to_owned(),
            version: if *name == "builds" { "0.34.0".to_owned() } else { dokku.clone() },
            core: true,
            description: format!("dokku core {what} plugin"),
        })
        .collect();
    for entry in call.plugins.read_dir()?.flatten() {
        let text = fs::read_to_string(entry.path().join("plugin.toml")).unwrap_or_default();
        let field = |key: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
            line.map(|value| value.trim().trim_matches('"').to_owned()).unwrap_or_default()
        };
        plugins.push(Plugin {
            name: entry.file_name().to_string_lossy().into_owned(),
            version: field("version"),
            core: false,
            description: field("description"),
        });
    }
    plugins.sort_by(|a, b| a.name.cmp(&b.name));
    if args.iter().any(|arg| arg == "json" || arg == "--format=json") {
        let rows: Vec<String> = plugins.iter().map(row).collect();
        call.line(format!("[{}]", rows.join(",")));
    } else {
        for Plugin { name, version, description, .. } in plugins {
            call.line(format!("  {name:<20} {version} enabled    {description}"));
        }
    }
    Ok(())
}

fn row(plugin: &Plugin) -> String {
    let source = match plugin.name.as_str() {
        "letsencrypt" | "postgres" => format!("https://github.com/dokku/dokku-{}.git", plugin.name),
        _ => String::new(),
    };
    let Plugin { name, version, core, description } = plugin;
    format!(
        "{{\"name\":{},\"version\":{},\"enabled\":true,\"core\":{core},\"description\":{},\"source_url\":{},\"committish\":\"\",\"branch\":\"\"}}",
        json!(name),
        json!(version),
        json!(description),
        json!(source)
    )
}

/// Runs a subcommand of the plugin. Its program `commands` handles those that have no file.
pub(crate) fn forward(call: &Call, command: &str, args: &[String]) -> Result<()> {
    let dir = call.plugins.join("matrix");
    let name = command.split_once(':').map_or("default", |(_, name)| name);
    let subcommand = dir.join("subcommands").join(name);
    if subcommand.exists() {
        return exit_with(run(call, Command::new(subcommand).arg(command).args(args))?);
    }
    let commands = dir.join("commands");
    if commands.exists() {
        let rc = run(call, Command::new(commands).arg(command).args(args))?;
        if rc != 10 {
            return exit_with(rc);
        }
    }
    let whole: Vec<&str> =
        std::iter::once(command).chain(args.iter().map(String::as_str)).collect();
    fail(format!(
        "`{}` is not a dokku command.\n !     See `dokku help` for a list of available commands.",
        whole.join(" ")
    ))
}

fn run(call: &Call, command: &mut Command) -> Result<i32> {
    call.pass_environment(command);
    Ok(code(command.status()?))
}
