//! Runs the triggers of the enabled plugins, as plugn does: in alphabetical order, until the first
//! failure.

use std::env;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::call::{Call, quit};
use crate::entry::code;

/// Starts a program. A test that has just written it may be starting another one at this moment, which
/// keeps the file open for an instant.
fn spawn(command: &mut Command) -> io::Result<Child> {
    for _ in 0..500 {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
    command.spawn()
}

impl Call {
    /// Fires a trigger with the output of the call. A failure ends the call with its exit code.
    pub(crate) fn fire(&self, name: &str, args: &[&str]) -> Result<()> {
        for program in self.implementors(name) {
            let child = spawn(self.trigger(&program, name, args)?.stdout(Stdio::inherit()));
            let rc = code(child.with_context(|| program.display().to_string())?.wait()?);
            if rc != 0 {
                return quit(rc);
            }
        }
        Ok(())
    }

    /// Fires a trigger and returns its output. A failure ends the call with its exit code.
    pub(crate) fn query(&self, name: &str, args: &[&str]) -> Result<String> {
        let mut answer = String::new();
        for program in self.implementors(name) {
            let mut child = spawn(self.trigger(&program, name, args)?.stdout(Stdio::piped()))?;
            if let Some(mut stdout) = child.stdout.take() {
                stdout.read_to_string(&mut answer)?;
            }
            let rc = code(child.wait()?);
            if rc != 0 {
                return quit(rc);
            }
        }
        Ok(answer.trim().to_owned())
    }

    /// The apps that the user may see, as plugins with the trigger `user-auth-app` decide. Without one
    /// these are all; one that prints nothing hides every app. The exit code has no meaning.
    pub(crate) fn visible(&self, apps: Vec<String>) -> Result<Vec<String>> {
        const NAME: &str = "user-auth-app";
        // Dokku does not count its own plugin for events.
        let events = self.plugins.join("20_events").join(NAME);
        let programs = self.implementors(NAME);
        if programs.iter().all(|program| *program == events) {
            return Ok(apps);
        }
        let first = |names: [&str; 2]| names.iter().find_map(|name| env::var(name).ok());
        let user = first(["SSH_USER", "USER"]).unwrap_or_default();
        let name = first(["SSH_NAME", "NAME"]).unwrap_or_else(|| "default".to_owned());
        let mut args = vec![user.as_str(), name.as_str()];
        args.extend(apps.iter().map(String::as_str));
        let mut visible = String::new();
        for program in programs {
            let mut command = self.trigger(&program, NAME, &args)?;
            command.stdout(Stdio::piped()).stderr(Stdio::inherit());
            let output = spawn(&mut command)?.wait_with_output()?;
            visible += &String::from_utf8_lossy(&output.stdout);
        }
        Ok(visible.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    fn implementors(&self, name: &str) -> Vec<PathBuf> {
        let Ok(dir) = self.plugins.read_dir() else { return Vec::new() };
        let mut programs: Vec<PathBuf> =
            dir.filter_map(|entry| Some(entry.ok()?.path().join(name))).collect();
        programs.retain(|path| {
            path.metadata()
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        });
        programs.sort();
        programs
    }

    fn trigger(&self, program: &PathBuf, name: &str, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(program);
        command.args(args).env("STAND_IN_TRIGGER", name).stdin(Stdio::null());
        self.pass_environment(&mut command);
        if self.skip_deploy.get() {
            command.env("SKIP_REBUILD", "true");
        }
        if self.merged.get() {
            command.stderr(Stdio::from(io::stdout().as_fd().try_clone_to_owned()?));
        }
        Ok(command)
    }

    /// Sets the environment that Dokku passes to the programs of plugins: how Dokku was called.
    pub(crate) fn pass_environment(&self, command: &mut Command) {
        command.env("DOKKU_GLOBAL_FLAGS", &self.flags);
        command.env("DOKKU_COMMAND", self.args.first().map_or("", String::as_str));
        command.env("DOKKU_PID", std::process::id().to_string());
        command.env("HOME", &self.root).env("LANG", "C.UTF-8");
        if let Some(app) = &self.app_name {
            command.env("DOKKU_APP_NAME", app);
        }
        if self.forced.get() {
            command.env("DOKKU_APPS_FORCE_DELETE", "1");
        }
        if self.quiet {
            command.env("DOKKU_QUIET_OUTPUT", "1");
        }
    }
}
