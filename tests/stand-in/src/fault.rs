//! Fault injection: one call fails on purpose, as `$STAND_IN/fault.json` says.

use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, dup2_stderr, dup2_stdout};
use serde::{Deserialize, Serialize};

use crate::store::Store;

/// A fault: which call it affects and what happens to that call. It is applied once.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Fault {
    /// The number of the affected call, counted from 1 since the fault was set.
    pub call: Option<u64>,
    /// Which calls are counted.
    pub count: Count,
    /// Whether calls made inside triggers are counted too.
    pub nested: bool,
    /// Instead of a number: the program and its first arguments.
    pub argv_prefix: Option<Vec<String>>,
    /// Which of the calls with that prefix is affected, counted from 1.
    pub nth: Option<u64>,
    pub kind: Kind,
}

/// Which calls are counted. Calls that only forward another call (`sudo`, `dokku matrix:...`) are
/// never counted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    #[default]
    All,
    Changes,
}

/// What happens to the affected call.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The call exits with 1 and has no effect.
    #[default]
    Fail,
    /// The call is killed by a signal and has no effect; its caller continues.
    Die,
    /// The call takes effect, but nothing of what it prints arrives, as on a full file system: many
    /// programs ignore that they could not write.
    Silent,
    /// The calling plugin is killed; the call has no effect.
    KillBefore,
    /// The call takes effect; then the calling plugin is killed.
    KillAfter,
    /// The calling plugin is killed; its orphaned call takes effect after this many milliseconds.
    OrphanMs(u64),
    /// The call is delayed by this many milliseconds.
    HangMs(u64),
}

/// The counters of calls.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Counts {
    pub(crate) seq: u64,
    pub(crate) hits: u64,
}

/// What is known about a call before it runs.
#[derive(Clone, Debug)]
pub(crate) struct CallInfo<'a> {
    pub(crate) program: &'a str,
    pub(crate) argv: &'a [String],
    pub(crate) changes: bool,
    pub(crate) nested: bool,
    pub(crate) forwarded: bool,
}

/// Numbers the call and returns the fault that affects it.
pub(crate) fn begin(store: &Store, call: &CallInfo<'_>) -> Result<(u64, Option<Kind>)> {
    let fault = read(&store.root().join("fault.json"))?;
    store.begin(|counts| {
        let fault = fault?;
        if !fault.matches(call) {
            return None;
        }
        counts.hits += 1;
        (counts.hits == fault.nth.or(fault.call).unwrap_or(1)).then_some(fault.kind)
    })
}

fn read(path: &Path) -> Result<Option<Fault>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(serde_json::from_str(&text).context("stand-in: fault.json")?)),
        Err(_) => Ok(None),
    }
}

impl Fault {
    fn matches(&self, call: &CallInfo<'_>) -> bool {
        if call.forwarded || (call.nested && !self.nested) {
            return false;
        }
        match &self.argv_prefix {
            Some(prefix) => {
                let line =
                    std::iter::once(call.program).chain(call.argv.iter().map(String::as_str));
                prefix.len() <= call.argv.len() + 1 && prefix.iter().zip(line).all(|(a, b)| a == b)
            }
            None => self.count == Count::All || call.changes,
        }
    }
}

/// Kills the nearest ancestor that is the plugin. Other callers are not affected.
pub(crate) fn kill_caller() {
    let mut pid = std::os::unix::process::parent_id();
    while pid > 1 {
        if is_plugin(pid) {
            if let Ok(raw) = i32::try_from(pid) {
                let _ = kill(Pid::from_raw(raw), Signal::SIGKILL);
            }
            return;
        }
        match parent(pid) {
            Some(next) => pid = next,
            None => return,
        }
    }
}

/// From here on, whatever this process and its children print is lost.
pub(crate) fn silence() -> Result<()> {
    let null = fs::OpenOptions::new().write(true).open("/dev/null")?;
    dup2_stdout(&null)?;
    Ok(dup2_stderr(&null)?)
}

/// Kills this process with the signal that the kernel sends when memory runs out.
pub(crate) fn die() {
    let _ = kill(Pid::this(), Signal::SIGKILL);
}

fn is_plugin(pid: u32) -> bool {
    let Ok(exe) = fs::read_link(format!("/proc/{pid}/exe")) else { return false };
    let name = exe.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.trim_end_matches(" (deleted)") == "dokku-matrix"
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Whether this process was started inside a trigger.
pub(crate) fn nested() -> bool {
    env::var_os("STAND_IN_TRIGGER").is_some()
}
