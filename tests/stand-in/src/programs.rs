//! The programs of the host other than `dokku` and `docker`: `plugn`, `sudo`, `ufw`, `nginx`,
//! `sigil`.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::call::{Call, fail, quit};
use crate::dokku::arg;
use crate::entry::{code, exit_with};
use crate::{nginx_config, real};

/// The last component of a program's path.
pub(crate) fn basename(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or_default()
}

/// Whether the caller is root.
pub(crate) fn is_root() -> bool {
    env::var_os("STAND_IN_ROOT").is_some()
}

/// `plugn trigger procfile-exists <app>`, `plugn trigger procfile-get-command <app> <process> <port>`.
pub(crate) fn plugn(call: &Call) -> Result<()> {
    let args: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let procfile = |app: &str| -> Result<_> {
        let app = call.state()?.apps.remove(app);
        Ok(app.map(|app| app.procfile).filter(|procfile| !procfile.is_empty()))
    };
    match args.as_slice() {
        ["trigger", "procfile-exists", app] => {
            if procfile(app)?.is_none() {
                return fail("Procfile does not exist");
            }
        }
        ["trigger", "procfile-get-command", app, process, _] => {
            match procfile(app)?.map(|procfile| procfile.get(*process).cloned()) {
                None => {}
                Some(Some(command)) => call.line(command),
                Some(None) => {
                    return fail("Error running procfile-util: no matching process entry found");
                }
            }
        }
        _ => bail!("`plugn {}` is not supported", call.args.join(" ")),
    }
    Ok(())
}

/// `sudo -n <program>...`. Dokku's own sudoers file allows `nginx -t`, the plugin's allows `ufw`.
pub(crate) fn sudo(call: &Call) -> Result<()> {
    let (program, args) = match call.args.as_slice() {
        [flag, program, args @ ..] if flag == "-n" => (basename(program), args),
        args => bail!("`sudo {}` is not supported", args.join(" ")),
    };
    let allowed = match program {
        "nginx" => arg(args, 0) == "-t",
        "ufw" => call.state()?.sudo_ufw,
        _ => bail!("`sudo -n {program}` is not supported"),
    };
    if !allowed {
        call.eprint("sudo: a password is required\n");
        return quit(1);
    }
    if program == "nginx" && call.state()?.parts.is_some() {
        return exit_with(real::engine::call(&[&["nginx".to_owned()], args].concat(), true)?);
    }
    let status = Command::new(program).args(args).env("STAND_IN_ROOT", "1").status()?;
    exit_with(code(status))
}

/// `ufw status`, `ufw allow <rule>`, `ufw delete allow <rule>`.
pub(crate) fn ufw(call: &Call) -> Result<()> {
    if !is_root() {
        call.print("ERROR: You need to be root to run this script\n");
        return quit(1);
    }
    let args: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let firewall = call.state()?.ufw;
    match args.as_slice() {
        ["status"] if firewall.active => {
            call.print("Status: active\n\nTo                         Action      From\n--                         ------      ----\n");
            firewall
                .allowed
                .iter()
                .for_each(|rule| call.line(format!("{rule:<26} ALLOW       Anywhere")));
            call.print("\n");
        }
        ["status"] => call.line("Status: inactive"),
        ["allow", rule] => {
            let new = call.update(|state| Ok(state.ufw.allowed.insert((*rule).to_owned())))?;
            call.line(if !new {
                "Skipping adding existing rule"
            } else if firewall.active {
                "Rule added"
            } else {
                "Rules updated"
            });
        }
        ["delete", "allow", rule] => {
            let removed = call.update(|state| Ok(state.ufw.allowed.remove(*rule)))?;
            call.line(if removed { "Rule deleted" } else { "Could not delete non-existent rule" });
        }
        _ => bail!("`ufw {}` is not supported", call.args.join(" ")),
    }
    Ok(())
}

/// `nginx -v`, `nginx -t [-c <file>]`. `-t` needs root, because nginx opens its pid file.
pub(crate) fn nginx(call: &Call) -> Result<()> {
    if call.state()?.parts.is_some() {
        // Without sudo it runs as the caller.
        let mut nginx = real::program::system("nginx");
        return exit_with(code(nginx.args(&call.args).status()?));
    }
    let args: Vec<&str> = call.args.iter().map(String::as_str).collect();
    if !matches!(args.as_slice(), ["-v" | "-t"] | ["-t", "-c", _]) {
        bail!("`nginx {}` is not supported", call.args.join(" "));
    }
    let has = |flag: &str| call.args.iter().any(|arg| arg == flag);
    if has("-v") {
        call.eprint(format!("nginx version: nginx/{}\n", call.state()?.nginx_version));
        return Ok(());
    }
    let file = call
        .args
        .iter()
        .skip_while(|arg| *arg != "-c")
        .nth(1)
        .map_or("/etc/nginx/nginx.conf", String::as_str);
    if !is_root() {
        call.eprint("nginx: [emerg] open() \"/run/nginx.pid\" failed (13: Permission denied)\n");
        return failed(call, file);
    }
    if !has("-c") {
        nginx_config::validate(call)?;
    } else if let Err(why) = validate_file(Path::new(file), 0) {
        call.eprint(format!("nginx: [emerg] {why}\n"));
        return failed(call, file);
    }
    call.eprint(format!("nginx: the configuration file {file} syntax is ok\nnginx: configuration file {file} test is successful\n"));
    Ok(())
}

fn failed(call: &Call, file: &str) -> Result<()> {
    call.eprint(format!("nginx: configuration file {file} test failed\n"));
    quit(1)
}

/// Validates a file and all files that it includes.
fn validate_file(file: &Path, depth: u32) -> Result<(), String> {
    let Ok(text) = fs::read_to_string(file) else {
        return Err(format!("open() \"{}\" failed (2: No such file or directory)", file.display()));
    };
    for (number, line) in text.lines().enumerate() {
        if line.contains("BROKEN") {
            return Err(format!(
                "unknown directive \"BROKEN\" in {}:{}",
                file.display(),
                number + 1
            ));
        }
        let Some(path) = line.trim().strip_prefix("include ").filter(|_| depth < 8) else {
            continue;
        };
        let path = Path::new(path.trim_end_matches(';').trim());
        let path = file.parent().unwrap_or(Path::new("/")).join(path);
        let name =
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // nginx's idiom for an optional include: `hsts.con[f]`.
        let name = name.replace("[f]", "f*");
        let Some((start, end)) = name.split_once('*') else {
            validate_file(&path, depth + 1)?;
            continue;
        };
        for entry in
            path.parent().and_then(|dir| dir.read_dir().ok()).into_iter().flatten().flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(start) && name.ends_with(end) {
                validate_file(&entry.path(), depth + 1)?;
            }
        }
    }
    Ok(())
}

/// `sigil -v`, `sigil -f <template> KEY=VALUE...`.
pub(crate) fn sigil(call: &Call) -> Result<()> {
    if let Some(parts) = &call.state()?.parts {
        let status = Command::new(real::proxy::sigil(parts)).args(&call.args).status()?;
        return exit_with(code(status));
    }
    if arg(&call.args, 0) == "-v" {
        call.line(call.state()?.sigil_version);
        return Ok(());
    }
    let file = match call.args.as_slice() {
        [flag, file, pairs @ ..] if flag == "-f" && pairs.iter().all(|pair| pair.contains('=')) => {
            file
        }
        args => bail!("`sigil {}` is not supported", args.join(" ")),
    };
    let Ok(text) = fs::read_to_string(file) else {
        call.eprint(format!("open {file}: no such file or directory\n"));
        return quit(1);
    };
    if text.contains("SIGIL_BROKEN") {
        call.eprint(format!("template: {file}:1: stand-in: broken\n"));
        return quit(1);
    }
    let pairs = call.args.iter().filter_map(|arg| arg.split_once('='));
    let pairs: Vec<(String, String)> =
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    call.print(render(&text, &pairs));
    Ok(())
}

/// Replaces only plain variables, `{{ $.NAME }}`, in a template.
pub(crate) fn render(template: &str, values: &[(String, String)]) -> String {
    let mut text = format!("# stand-in: rendered without loops and conditions\n{template}");
    for (key, value) in values {
        for form in [
            format!("{{{{ $.{key} }}}}"),
            format!("{{{{ .{key} }}}}"),
            format!("{{{{$.{key}}}}}"),
            format!("{{{{.{key}}}}}"),
        ] {
            text = text.replace(&form, value);
        }
    }
    text
}
