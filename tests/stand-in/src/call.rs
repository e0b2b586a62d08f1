//! One call of a stand-in program: its arguments, its output streams, and the state of the host.

use std::cell::{Cell, RefCell};
use std::env;
use std::fmt::Display;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use anyhow::Result;

use crate::app::App;
use crate::state::State;
use crate::store::Store;

/// Ends a call with an exit code and, unless the message is empty, prints ` !     message`.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) rc: i32,
    pub(crate) message: String,
}

impl Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for Stop {}

/// An error that ends the call with 1.
pub(crate) fn fail<T>(message: impl Into<String>) -> Result<T> {
    stop(1, message)
}

/// An error that ends the call.
pub(crate) fn stop<T>(rc: i32, message: impl Into<String>) -> Result<T> {
    Err(Stop { rc, message: message.into() }.into())
}

/// An error that ends the call without a message.
pub(crate) fn quit<T>(rc: i32) -> Result<T> {
    stop(rc, "")
}

/// The context of one call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) program: String,
    /// Without the program name, and for `dokku` without its leading global flags.
    pub(crate) args: Vec<String>,
    pub(crate) store: Store,
    /// `$DOKKU_ROOT`.
    pub(crate) root: PathBuf,
    /// `$DOKKU_LIB_ROOT`.
    pub(crate) lib: PathBuf,
    /// `$PLUGIN_ENABLED_PATH`.
    pub(crate) plugins: PathBuf,
    pub(crate) quiet: bool,
    /// `--app` or `DOKKU_APP_NAME`.
    pub(crate) app_name: Option<String>,
    /// `--force` or `DOKKU_APPS_FORCE_DELETE=1`.
    pub(crate) forced: Cell<bool>,
    /// Whether a rename or a clone was called with `--skip-deploy`.
    pub(crate) skip_deploy: Cell<bool>,
    /// Whether standard error is redirected to standard output, as Dokku does while it captures a
    /// build.
    pub(crate) merged: Cell<bool>,
    /// Standard error of a failed scheduler job. Some commands print it a second time.
    pub(crate) failure: RefCell<String>,
    /// All arguments that start with `--`, as Dokku passes them to its plugins.
    pub(crate) flags: String,
    pub(crate) stdin: RefCell<Option<String>>,
}

impl Call {
    /// Reads the context of the current process.
    pub(crate) fn new(program: &str, args: Vec<String>) -> Self {
        let dir = |name: &str, default: &str| {
            PathBuf::from(env::var_os(name).unwrap_or_else(|| default.into()))
        };
        Self {
            program: program.to_owned(),
            args,
            store: Store::new(dir("STAND_IN", "/nonexistent")),
            root: dir("DOKKU_ROOT", "/home/dokku"),
            lib: dir("DOKKU_LIB_ROOT", "/var/lib/dokku"),
            plugins: dir("PLUGIN_ENABLED_PATH", "/var/lib/dokku/plugins/enabled"),
            quiet: env::var("DOKKU_QUIET_OUTPUT").is_ok_and(|value| !value.is_empty()),
            app_name: env::var("DOKKU_APP_NAME").ok().filter(|name| !name.is_empty()),
            forced: Cell::new(env::var("DOKKU_APPS_FORCE_DELETE").is_ok_and(|value| value == "1")),
            skip_deploy: Cell::new(false),
            merged: Cell::new(false),
            failure: RefCell::default(),
            flags: String::new(),
            stdin: RefCell::new(None),
        }
    }

    pub(crate) fn state(&self) -> Result<State> {
        self.store.read()
    }

    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        self.store.update(change)
    }

    /// The current state of the app; exits with 20 if it does not exist.
    pub(crate) fn app(&self, name: &str) -> Result<App> {
        if name.is_empty() {
            return fail("Please specify an app to run the command on");
        }
        match self.state()?.apps.remove(name) {
            Some(app) if self.visible(vec![name.to_owned()])?.len() == 1 => Ok(app),
            _ => stop(20, format!("App {name} does not exist")),
        }
    }

    /// Changes an app; exits with 20 if it does not exist.
    pub(crate) fn change<T>(&self, name: &str, change: impl FnOnce(&mut App) -> T) -> Result<T> {
        self.update(|state| match state.apps.get_mut(name) {
            Some(app) => Ok(change(app)),
            None => stop(20, format!("App {name} does not exist")),
        })
    }

    /// Reads standard input to its end.
    pub(crate) fn read_stdin(&self) -> Result<String> {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        *self.stdin.borrow_mut() = Some(text.clone());
        Ok(text)
    }

    /// Prints text on standard output. A closed pipe is not an error.
    #[expect(clippy::unused_self, reason = "all output goes through the call")]
    pub(crate) fn print(&self, text: impl AsRef<str>) {
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(text.as_ref().as_bytes());
        let _ = stdout.flush();
    }

    /// Prints text on standard error.
    pub(crate) fn eprint(&self, text: impl AsRef<str>) {
        if self.merged.get() {
            return self.print(text);
        }
        let _ = io::stderr().lock().write_all(text.as_ref().as_bytes());
    }

    pub(crate) fn line(&self, text: impl Display) {
        self.print(format!("{text}\n"));
    }

    /// `-----> text`
    pub(crate) fn info1(&self, text: impl Display) {
        self.print(format!("-----> {text}\n"));
    }

    /// `=====> text`
    pub(crate) fn info2(&self, text: impl Display) {
        self.print(format!("=====> {text}\n"));
    }

    /// Prints indented text.
    pub(crate) fn verbose(&self, text: impl Display) {
        self.print(format!("       {text}\n"));
    }

    /// ` !     text` on standard error.
    pub(crate) fn warn(&self, text: impl Display) {
        self.eprint(format!(" !     {text}\n"));
    }
}
