//! `ps:*`, `checks:*`, `git:*`, `network:*`, `logs`: deploys an app, and what runs of it.
//!
//! Owns how Dokku scales, deploys, and finds containers. Does not look at containers itself: that
//! is [`docker`](super::docker)'s.

use super::{change, docker::Container, flag, parse, read, read_cmd, value};
use crate::{
    error::{Error, Result},
    host::{
        Host, Reading,
        cmd::{Cmd, Output},
        env::Env,
        files,
        run::plain,
    },
    names::{AppName, ImageRef},
};
use std::collections::BTreeMap;

/// How many containers each process type is to have.
pub type Scale = BTreeMap<String, u32>;

/// The desired scale of an app; absent if there is no such app.
pub fn scale(host: &Host, app: &AppName) -> Reading<Scale> {
    let cmd = read_cmd(["ps:scale", app.as_str()]);
    read(host, &cmd).and_then(|output| scale_in(&cmd, &output.stdout).into())
}

fn scale_in(cmd: &Cmd, stdout: &str) -> Result<Scale> {
    let lines = parse::lines(cmd, stdout)?;
    // A title, which Dokku may leave out, the names of the columns, and a rule.
    let heading = lines.iter().position(|line| line.starts_with("proctype:"));
    let rows = match heading.map(|at| &lines[at + 1..]) {
        Some([rule, rows @ ..]) if rule.starts_with("---") => rows,
        _ => return Err(parse::malformed(cmd, "a scale without its heading")),
    };
    pairs(rows).ok_or_else(|| parse::malformed(cmd, "a malformed scale"))
}

fn pairs(lines: &[&str]) -> Option<Scale> {
    let pair = |line: &&str| {
        let (kind, count) = line.split_once([':', '='])?;
        let kind = Some(kind.trim()).filter(|kind| !kind.is_empty())?;
        Some((kind.to_owned(), count.trim().parse().ok()?))
    };
    lines.iter().map(pair).collect()
}

/// The desired scale of an app as Dokku's file records it, empty if it was never set: triggers run
/// at each deploy, so they must not run Dokku.
///
/// # Errors
/// The file cannot be read or is malformed.
pub fn recorded_scale(env: &Env, app: &str) -> Result<Scale> {
    let path = env.lib_root().join("config/ps").join(app).join("scale");
    let Some(text) = files::read(&path)? else { return Ok(Scale::new()) };
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    pairs(&lines).ok_or_else(|| {
        Error::new(format!("{path} is malformed")).hint(format!("dokku ps:scale {app} web=1"))
    })
}

/// Records the desired scale without a deploy.
pub fn set_scale(host: &Host, app: &AppName, scale: &[String]) -> Result<()> {
    let words = ["ps:scale", "--skip-deploy", app.as_str()];
    change(host, words.into_iter().chain(scale.iter().map(String::as_str))).map(drop)
}

/// The restart policy that is set for an app, empty if none is; absent if there is no such app.
pub fn restart_policy(host: &Host, app: &AppName) -> Reading<String> {
    value(host, &["ps:report", app.as_str(), "--ps-restart-policy"])
}

/// Sets the restart policy of an app.
pub fn set_restart_policy(host: &Host, app: &AppName, policy: &str) -> Result<()> {
    change(host, ["ps:set", app.as_str(), "restart-policy", policy]).map(drop)
}

/// Whether an app was ever deployed; absent if there is no such app.
pub fn deployed(host: &Host, app: &AppName) -> Reading<bool> {
    flag(host, &["ps:report", app.as_str(), "--deployed"])
}

/// The ids of the web containers that Dokku records for an app. Reads its files, because no
/// command prints them.
///
/// # Errors
/// A file cannot be read.
pub fn recorded_ids(host: &Host, app: &AppName) -> Result<Vec<String>> {
    let home = host.env().dokku_root().join(app.as_str());
    let mut ids = vec![];
    for name in files::list(&home)? {
        if !name.starts_with("CONTAINER.web.") {
            continue;
        }
        let path = home.join(name);
        // It may have been removed since.
        let Some(id) = files::read(&path)? else { continue };
        let id = id.trim();
        // Dokku may have been killed before it wrote the id.
        if id.is_empty() {
            continue;
        }
        if !parse::is_id(id) {
            return Err(
                Error::new(format!("{path} is malformed")).hint(format!("dokku ps:rebuild {app}"))
            );
        }
        ids.push(id.to_owned());
    }
    Ok(ids)
}

/// What a `web` container starts with, in place of its image's command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Nothing: the image's own command.
    OfImage,
    /// This line of shell words.
    Words(String),
    /// The app has a Procfile that does not name the process, so Dokku starts none.
    Missing,
}

/// The command of an app's `web` process in the deploy that is going on.
///
/// # Errors
/// Dokku cannot be asked.
pub fn start_command(host: &Host, app: &AppName) -> Result<Command> {
    // Dokku looks at the Procfile first, and skips a process that is not in it.
    let procfile = procfile_command(host, app, "web")?;
    if procfile == Command::Missing {
        return Ok(procfile);
    }
    let args = ["ps:report", app.as_str(), "--ps-dockerfile-start-cmd"];
    let property = value(host, &args).or_absent(String::new())?;
    Ok(if property.is_empty() { procfile } else { Command::Words(property) })
}

/// The command of a process in an app's Procfile, from Dokku's own triggers: it keeps the file of a
/// deploy that is going on apart from the last one's, by the number of the deploy.
pub fn procfile_command(host: &Host, app: &AppName, process: &str) -> Result<Command> {
    let deploy = host.env().get("DOKKU_PID").unwrap_or_default();
    let deploy = format!("DOKKU_PID={deploy}");
    let trigger = ["plugn", "trigger"];
    let ask = |args: &[&str]| {
        let cmd = Cmd::reads("env").arg(deploy.as_str()).args(trigger).args(args);
        host.run(&cmd).map(|output| (output, cmd))
    };
    let (exists, cmd) = ask(&["procfile-exists", app.as_str()])?;
    match exists.code {
        0 => {}
        1 if exists.says("Procfile does not exist") => return Ok(Command::OfImage),
        _ => return Err(host.failure(&cmd, &exists)),
    }
    let (command, cmd) = ask(&["procfile-get-command", app.as_str(), process, "5000"])?;
    match command.code {
        0 => Ok(Command::Words(command.answer().to_owned())),
        1 if command.says("no matching process entry found") => Ok(Command::Missing),
        _ => Err(host.failure(&cmd, &command)),
    }
}

/// The process types without zero-downtime deploys; absent if there is no such app.
pub fn checks_disabled(host: &Host, app: &AppName) -> Reading<Vec<String>> {
    let text = value(host, &["checks:report", app.as_str(), "--checks-disabled-list"]);
    text.map(|text| text.split(',').map(|word| word.trim().to_owned()).collect())
}

/// Disables zero-downtime deploys: Dokku stops the old web container before it starts the new one.
pub fn disable_checks(host: &Host, app: &AppName) -> Result<()> {
    change(host, ["checks:disable", app.as_str(), "web"]).map(drop)
}

/// The image that an app was last deployed from, empty if from none; absent if there is no such
/// app.
pub fn source_image(host: &Host, app: &AppName) -> Reading<String> {
    value(host, &["git:report", app.as_str(), "--git-source-image"])
}

/// Deploys an image. The caller looks at the exit code.
pub fn from_image(host: &Host, app: &AppName, image: &ImageRef) -> Result<Output> {
    host.run(&Cmd::changes("dokku").args(["git:from-image", app.as_str(), image.as_str()]))
}

/// Rebuilds and deploys what was deployed last. The caller looks at the exit code.
pub fn rebuild(host: &Host, app: &AppName) -> Result<Output> {
    host.run(&Cmd::changes("dokku").args(["ps:rebuild", app.as_str()]))
}

/// Replaces the containers of an app. The caller looks at the exit code.
pub fn restart(host: &Host, app: &AppName) -> Result<Output> {
    host.run(&Cmd::changes("dokku").args(["ps:restart", app.as_str()]))
}

/// Stops an app. The caller looks at the exit code.
pub fn stop(host: &Host, app: &AppName) -> Result<Output> {
    host.run(&Cmd::changes("dokku").args(["ps:stop", app.as_str()]))
}

/// The addresses of an app's web containers, `ip:port`, as Dokku records them: their containers
/// may have stopped since. An empty list if there is no such app.
pub fn listeners(host: &Host, app: &AppName) -> Result<Vec<String>> {
    let cmd = read_cmd(["network:report", app.as_str(), "--network-web-listeners"]);
    let listeners = read(host, &cmd).and_then(|output| listeners_in(&cmd, &output.stdout).into());
    listeners.or_absent(vec![])
}

fn listeners_in(cmd: &Cmd, stdout: &str) -> Result<Vec<String>> {
    let text = parse::value(cmd, stdout)?;
    let listener = |word: &str| {
        let (ip, port) = word.rsplit_once(':')?;
        (!ip.is_empty() && port.parse::<u16>().is_ok()).then(|| word.to_owned())
    };
    let listeners = text.split_whitespace().map(listener).collect::<Option<_>>();
    listeners.ok_or_else(|| parse::malformed(cmd, "a malformed address"))
}

/// The address at which a container listens, as Dokku records it. Absent while its restart is
/// delayed, and if the record is outdated: another container may have that address by now.
pub fn address(host: &Host, app: &AppName, container: &Container) -> Reading<String> {
    let find = || {
        let listeners = listeners(host, app)?;
        if let Some(current) = listeners.iter().find(|listener| container.is_at(listener)) {
            return Ok(Some(current.clone()));
        }
        let is_static = !container.restarting
            && !listeners.is_empty()
            && !static_listener(host, app)?.is_empty();
        Ok(listeners.into_iter().next().filter(|_| is_static))
    };
    find().into()
}

/// The address that the administrator has set in place of a container's; empty if none is.
fn static_listener(host: &Host, app: &AppName) -> Result<String> {
    let args = ["network:report", app.as_str(), "--network-static-web-listener"];
    value(host, &args).or_absent(String::new())
}

/// The last lines of an app's log, without colours and secrets. They only illustrate an error, so
/// the list is empty if they cannot be read.
pub fn log_tail(host: &Host, app: &AppName, lines: u32) -> Vec<String> {
    let cmd = read_cmd(["logs", app.as_str(), "--num", &lines.to_string()]);
    let Ok(output) = host.must(&cmd) else { return vec![] };
    output.stdout.lines().map(|line| host.scrubber().scrub(&message(line))).collect()
}

/// Removes terminal escapes and Dokku's timestamp from a line.
fn message(line: &str) -> String {
    let line = plain(line);
    match line.split_once("]: ") {
        Some((stamp, rest)) if stamp.contains(" app[") => rest.to_owned(),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dokku::parse::tests::{cmd, what};

    #[test]
    fn reads_plain_log_lines() {
        let line = "\u{1b}[36m2026-11-23T00:51:53.300119577Z app[web.1]:\u{1b}[0m 2026 - INFO - x";
        assert_eq!(message(line), "2026 - INFO - x");
        assert_eq!(message("plain [a]: b"), "plain [a]: b");
        assert_eq!(message("\u{1b}[2K\u{1b}[1GERROR - no memory"), "ERROR - no memory");
    }

    #[test]
    fn reads_scales() {
        const HEAD: &str = "-----> Scaling for matrix\nproctype: qty\n--------: ---\n";
        for (stdout, want) in [
            (HEAD.to_owned(), Ok("")),
            (format!("{HEAD}web:  1\nworker: 2\n"), Ok("web=1 worker=2")),
            ("proctype: qty\n--------: ---\nweb:  1\n".to_owned(), Ok("web=1")),
            (String::new(), Err("nothing")),
            ("\n".to_owned(), Err("a scale without its heading")),
            ("web: 1\n".to_owned(), Err("a scale without its heading")),
            (HEAD[..40].to_owned() + "\n", Err("a scale without its heading")),
            (format!("{HEAD}web:  1"), Err("an incomplete line")),
            (format!("{HEAD}web:\n"), Err("a malformed scale")),
            (format!("{HEAD}web: one\n"), Err("a malformed scale")),
            (format!("{HEAD}\n"), Err("a malformed scale")),
        ] {
            let scale = what(scale_in(&cmd(), &stdout)).map(|scale| shown(&scale));
            assert_eq!(scale, want.map(str::to_owned).map_err(str::to_owned), "{stdout:?}");
        }
    }

    fn shown(scale: &Scale) -> String {
        let pairs = scale.iter().map(|(kind, count)| format!("{kind}={count}"));
        pairs.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn reads_recorded_scales() {
        for (lines, want) in [
            (&["web=1", "worker=0"][..], Some("web=1 worker=0")),
            (&[], Some("")),
            (&["web"], None),
            (&["=1"], None),
            (&["web=1", "worker="], None),
        ] {
            let scale = pairs(lines).map(|scale| shown(&scale));
            assert_eq!(scale.as_deref(), want, "{lines:?}");
        }
    }

    #[test]
    fn reads_listeners() {
        for (stdout, want) in [
            ("\n", Ok("")),
            ("172.17.0.3:8008 fd00::3:8008\n", Ok("172.17.0.3:8008 fd00::3:8008")),
            ("", Err("nothing")),
            ("172.17.0.3\n", Err("a malformed address")),
            ("172.17.0.3:\n", Err("a malformed address")),
            (":8008\n", Err("a malformed address")),
            ("172.17.0.3:80", Err("an incomplete line")),
        ] {
            let got = what(listeners_in(&cmd(), stdout)).map(|all| all.join(" "));
            assert_eq!(got, want.map(str::to_owned).map_err(str::to_owned), "{stdout:?}");
        }
    }
}
