//! The state on disk: its file, its lock, and the call log.
//!
//! The lock is held while the state is read or written, but never while a trigger or another
//! program runs, so that parallel calls do not wait for each other.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::fault::Counts;
use crate::state::State;
use crate::{real, restarts};

/// The exit code of an unsupported call.
pub(crate) const UNSUPPORTED: i32 = 70;

/// One call of a stand-in program, as `calls.jsonl` records it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Record {
    /// Numbered when the call began; the lines are in the order in which the calls ended.
    pub seq: u64,
    pub program: String,
    /// Without the program.
    pub argv: Vec<String>,
    /// Standard input, if the program reads it.
    pub stdin: Option<String>,
    /// The variables that change what Dokku does.
    pub env: BTreeMap<String, String>,
    pub rc: i32,
    /// Whether the call changes state, even if it failed.
    pub changes: bool,
    /// The process id of the caller.
    pub caller: u32,
    /// Whether it was made inside a trigger.
    pub nested: bool,
    /// Whether it only forwarded another call: `sudo`, or `dokku matrix:...`.
    pub forwarded: bool,
}

impl Record {
    /// Whether the stand-in does not support the call.
    pub fn is_unsupported(&self) -> bool {
        self.rc == UNSUPPORTED && !self.forwarded
    }

    /// The call as one line, such as `dokku apps:create matrix`.
    pub fn line(&self) -> String {
        let mut line = self.program.clone();
        for arg in &self.argv {
            line.push(' ');
            line.push_str(arg);
        }
        line
    }
}

/// The directory `$STAND_IN`.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    root: PathBuf,
}

impl Store {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The current state.
    pub(crate) fn read(&self) -> Result<State> {
        let _lock = self.lock()?;
        self.load()
    }

    /// Changes the state, unless the change fails.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let _lock = self.lock()?;
        let mut state = self.load()?;
        let answer = change(&mut state)?;
        update_max_mains(&mut state);
        self.save(&state)?;
        Ok(answer)
    }

    /// Replaces the state.
    pub(crate) fn write(&self, state: &State) -> Result<()> {
        let _lock = self.lock()?;
        self.save(state)
    }

    /// Numbers a call and updates the counters for fault injection.
    pub(crate) fn begin<T>(&self, count: impl FnOnce(&mut Counts) -> T) -> Result<(u64, T)> {
        let _lock = self.lock()?;
        let path = self.root.join("counts.json");
        let mut counts: Counts = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)?,
            Err(_) => Counts::default(),
        };
        counts.seq += 1;
        let answer = count(&mut counts);
        replace(&path, &serde_json::to_string(&counts)?)?;
        Ok((counts.seq, answer))
    }

    /// Resets the counter for a new fault.
    pub(crate) fn reset_hits(&self) -> Result<()> {
        self.begin(|counts| {
            counts.seq -= 1;
            counts.hits = 0;
        })?;
        Ok(())
    }

    /// Adds a call to the log.
    pub(crate) fn log(&self, record: &Record) -> Result<()> {
        let _lock = self.lock()?;
        let mut file =
            OpenOptions::new().append(true).create(true).open(self.root.join("calls.jsonl"))?;
        file.write_all(format!("{}\n", serde_json::to_string(record)?).as_bytes())?;
        Ok(())
    }

    /// All logged calls, in the order in which they began.
    pub(crate) fn records(&self) -> Result<Vec<Record>> {
        let _lock = self.lock()?;
        let text = fs::read_to_string(self.root.join("calls.jsonl")).unwrap_or_default();
        let mut records =
            text.lines().map(serde_json::from_str).collect::<Result<Vec<Record>, _>>()?;
        records.sort_by_key(|record| record.seq);
        Ok(records)
    }

    fn lock(&self) -> Result<File> {
        let file = File::create(self.root.join("lock")).context("stand-in: no scene")?;
        file.lock()?;
        Ok(file)
    }

    fn load(&self) -> Result<State> {
        let text =
            fs::read_to_string(self.root.join("state.json")).context("stand-in: no state")?;
        let mut state = serde_json::from_str(&text).context("stand-in: state.json")?;
        real::apps::refresh_all(&self.root, &mut state);
        restarts::apply_due(&mut state);
        Ok(state)
    }

    fn save(&self, state: &State) -> Result<()> {
        replace(&self.root.join("state.json"), &serde_json::to_string_pretty(state)?)
    }
}

/// Writes a file atomically: a killed call never leaves half of one.
pub(crate) fn replace(path: &Path, text: &str) -> Result<()> {
    let scratch = path.with_extension("new");
    fs::write(&scratch, text)?;
    fs::rename(&scratch, path)?;
    Ok(())
}

/// Updates the highest number of containers on each data directory.
fn update_max_mains(state: &mut State) {
    let mut mains: BTreeMap<String, usize> = BTreeMap::new();
    for container in &state.containers {
        if !container.status.is_up() {
            continue;
        }
        for mount in &container.mounts {
            let mut parts = mount.split(':');
            if let (Some(host), Some("/data")) = (parts.next(), parts.next()) {
                *mains.entry(host.to_owned()).or_default() += 1;
            }
        }
    }
    for (host, count) in mains {
        let seen = state.max_mains.entry(host).or_default();
        *seen = count.max(*seen);
    }
}
