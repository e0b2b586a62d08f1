//! `ps:*`, `checks:*`, `git:*`, `network:*`, `logs`: what runs.

use super::{NO_APP, docker::Container, reading, tell, value};
use crate::{
    error::Result,
    host::{
        Host,
        cmd::{Cmd, Ran},
        files,
        run::plain,
    },
    names::{AppName, ImageRef},
};
use std::collections::BTreeMap;

/// How many containers of each process type are wished; `None` if there is no such app.
pub fn scale(host: &Host, app: &AppName) -> Result<Option<BTreeMap<String, u32>>> {
    let cmd = reading(["ps:scale", app.as_str()]);
    let ran = host.run(&cmd)?;
    match ran.code {
        0 => Ok(Some(
            ran.stdout
                .lines()
                .filter_map(|line| line.split_once(':'))
                .filter_map(|(kind, count)| {
                    Some((kind.trim().to_owned(), count.trim().parse().ok()?))
                })
                .collect(),
        )),
        NO_APP => Ok(None),
        _ => Err(host.failure(&cmd, &ran)),
    }
}

/// Records how many containers are wished, without starting or stopping any.
pub fn set_scale(host: &Host, app: &AppName, scale: &[String]) -> Result<()> {
    let words = ["ps:scale", "--skip-deploy", app.as_str()];
    tell(host, words.into_iter().chain(scale.iter().map(String::as_str))).map(drop)
}

/// The restart policy of an app's own; empty if it has none. `None` if there is no such app.
pub fn restart_policy(host: &Host, app: &AppName) -> Result<Option<String>> {
    value(host, &["ps:report", app.as_str(), "--ps-restart-policy"])
}

/// Sets the restart policy of an app.
pub fn set_restart_policy(host: &Host, app: &AppName, policy: &str) -> Result<()> {
    tell(host, ["ps:set", app.as_str(), "restart-policy", policy]).map(drop)
}

/// Whether an app has ever been deployed; `None` if there is no such app.
pub fn deployed(host: &Host, app: &AppName) -> Result<Option<bool>> {
    Ok(value(host, &["ps:report", app.as_str(), "--deployed"])?.map(|text| text == "true"))
}

/// The ids of the web containers that Dokku takes for an app's, from its own files: there is no
/// command that tells all of an id.
pub fn noted(host: &Host, app: &AppName) -> Result<Vec<String>> {
    let home = host.env().dokku_root().join(app.as_str());
    let mut ids = vec![];
    for name in files::list(&home)? {
        if name.starts_with("CONTAINER.web.") {
            ids.extend(files::read(&home.join(name))?.map(|id| id.trim().to_owned()));
        }
    }
    Ok(ids)
}

/// The process types without zero-downtime deploys; `None` if there is no such app.
pub fn checks_disabled(host: &Host, app: &AppName) -> Result<Option<Vec<String>>> {
    let text = value(host, &["checks:report", app.as_str(), "--checks-disabled-list"])?;
    Ok(text.map(|text| text.split(',').map(|word| word.trim().to_owned()).collect()))
}

/// Has the old container of a process type stopped before the new one starts.
pub fn disable_checks(host: &Host, app: &AppName) -> Result<()> {
    tell(host, ["checks:disable", app.as_str(), "web"]).map(drop)
}

/// The image that an app was last deployed from; empty if from none. `None` if there is no such app.
pub fn source_image(host: &Host, app: &AppName) -> Result<Option<String>> {
    value(host, &["git:report", app.as_str(), "--git-source-image"])
}

/// Deploys an image. The exit code is the caller's to judge.
pub fn from_image(host: &Host, app: &AppName, image: &ImageRef) -> Result<Ran> {
    host.run(&Cmd::changes("dokku").args(["git:from-image", app.as_str(), image.as_str()]))
}

/// Builds what was deployed last anew and deploys it.
pub fn rebuild(host: &Host, app: &AppName) -> Result<Ran> {
    host.run(&Cmd::changes("dokku").args(["ps:rebuild", app.as_str()]))
}

/// Makes an app's containers anew.
pub fn restart(host: &Host, app: &AppName) -> Result<Ran> {
    host.run(&Cmd::changes("dokku").args(["ps:restart", app.as_str()]))
}

/// Stops an app.
pub fn stop(host: &Host, app: &AppName) -> Result<Ran> {
    host.run(&Cmd::changes("dokku").args(["ps:stop", app.as_str()]))
}

/// The addresses of an app's web containers, `ip:port`. They may be those of stopped ones.
pub fn listeners(host: &Host, app: &AppName) -> Result<Vec<String>> {
    let text = value(host, &["network:report", app.as_str(), "--network-web-listeners"])?;
    Ok(text.unwrap_or_default().split_whitespace().map(str::to_owned).collect())
}

/// Where a container listens, as Dokku has it noted; `None` if it pauses, and if the note is an old
/// one: then another's container may be there by now.
pub fn address(host: &Host, app: &AppName, container: &Container) -> Result<Option<String>> {
    let listeners = listeners(host, app)?;
    if let Some(true_one) = listeners.iter().find(|listener| container.is_at(listener)) {
        return Ok(Some(true_one.clone()));
    }
    let is_static = !container.pauses && !listeners.is_empty();
    let is_static = is_static && !static_listener(host, app)?.is_empty();
    Ok(listeners.into_iter().next().filter(|_| is_static))
}

/// The address that the administrator has Dokku use in place of a container's; empty if none.
fn static_listener(host: &Host, app: &AppName) -> Result<String> {
    let words = ["network:report", app.as_str(), "--network-static-web-listener"];
    Ok(value(host, &words)?.unwrap_or_default())
}

/// The last lines of an app's log, without colours, scrubbed; none if there is no log.
pub fn log_tail(host: &Host, app: &AppName, lines: u32) -> Vec<String> {
    let cmd = reading(["logs", app.as_str(), "--num", &lines.to_string()]);
    let Ok(ran) = host.run(&cmd) else { return vec![] };
    if ran.code != 0 {
        return vec![];
    }
    ran.stdout.lines().map(|line| host.scrubber().scrub(&message(line))).collect()
}

/// Takes terminal escapes, and the stamp that Dokku puts in front, out of a line.
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

    #[test]
    fn log_lines_are_plain() {
        let line = "\u{1b}[36m2026-11-23T00:51:53.300119577Z app[web.1]:\u{1b}[0m 2026 - INFO - x";
        assert_eq!(message(line), "2026 - INFO - x");
        assert_eq!(message("plain [a]: b"), "plain [a]: b");
        assert_eq!(message("\u{1b}[2K\u{1b}[1GERROR - no memory"), "ERROR - no memory");
    }
}
