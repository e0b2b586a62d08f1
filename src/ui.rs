//! The form of what the user sees: Dokku's prefixes, a live line on a terminal, a heartbeat without.
//!
//! The only place that writes to standard output and standard error while a command runs.

use crate::{
    host::{clock, run::Sink},
    plan::{Observer, Step},
};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    fmt::Debug,
    io::{IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

/// How often a step that takes long says so where there is no terminal.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What the user sees.
#[derive(Clone, Debug)]
pub struct Ui(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    quiet: bool,
    verbose: bool,
    bars: Option<MultiProgress>,
    running: Mutex<Vec<Running>>,
}

#[derive(Debug)]
struct Running {
    title: String,
    since: Instant,
    reported: u32,
    bar: Option<ProgressBar>,
}

impl Ui {
    /// With `quiet` only warnings and answers are printed; with `verbose` also what Dokku prints.
    pub fn new(quiet: bool, verbose: bool) -> Self {
        let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        let bars = (terminal && !quiet && !verbose).then(MultiProgress::new);
        Self(Arc::new(Inner { quiet, verbose, bars, running: Mutex::default() }))
    }

    /// `-----> `: a step.
    pub fn step(&self, text: &str) {
        self.info(&format!("-----> {text}"));
    }

    /// `=====> `: a heading.
    pub fn heading(&self, text: &str) {
        self.info(&format!("=====> {text}"));
    }

    /// A line below a heading or a step.
    pub fn detail(&self, text: &str) {
        self.info(format!("       {text}").trim_end());
    }

    /// ` !     ` on standard error: a warning.
    pub fn warn(&self, text: &str) {
        for line in text.lines() {
            self.print(&format!(" !     {line}"), true);
        }
    }

    /// An answer: printed as it is, also with `quiet`.
    pub fn answer(&self, text: &str) {
        self.print(text, false);
    }

    fn info(&self, text: &str) {
        if !self.0.quiet {
            self.print(text, false);
        }
    }

    /// Write errors are ignored: a reader that went away must not stop a command half-way.
    fn print(&self, line: &str, error: bool) {
        let write = || {
            if error {
                writeln!(std::io::stderr().lock(), "{line}").ok();
            } else {
                let mut out = std::io::stdout().lock();
                writeln!(out, "{line}").and_then(|()| out.flush()).ok();
            }
        };
        match &self.0.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// From now on, a step that takes long says so where there is no terminal.
    pub fn start_heartbeat(&self) {
        if self.0.bars.is_some() || self.0.quiet {
            return;
        }
        let weak = Arc::downgrade(&self.0);
        std::thread::spawn(move || {
            while beat(&weak) {
                std::thread::sleep(Duration::from_millis(500));
            }
        });
    }
}

fn beat(weak: &Weak<Inner>) -> bool {
    let Some(inner) = weak.upgrade() else { return false };
    let mut lines = vec![];
    for one in inner.running.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
        let elapsed = one.since.elapsed();
        if elapsed >= HEARTBEAT * (one.reported + 1) {
            one.reported += 1;
            lines.push(format!("still working: {} ({})", one.title, clock::human(elapsed)));
        }
    }
    let ui = Ui(inner);
    for line in &lines {
        ui.detail(line);
    }
    true
}

impl Observer for Ui {
    fn sink(&self, step: &dyn Step) -> Arc<dyn Sink> {
        let prefix = step.app().map(|app| format!("{app}: ")).unwrap_or_default();
        Arc::new(Streamed { ui: self.clone(), prefix })
    }

    fn started(&self, step: &dyn Step) {
        let title = step.title();
        self.step(&title);
        let bar = self.0.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("       {spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.set_message(title.clone());
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        let one = Running { title, since: Instant::now(), reported: 0, bar };
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    }

    fn planned(&self, step: &dyn Step, changes: &[String]) {
        self.step(&step.title());
        for line in changes.iter().flat_map(|change| change.lines()) {
            self.detail(line);
        }
    }

    fn warned(&self, what: &str) {
        self.warn(what);
    }

    fn ended(&self, step: &dyn Step) {
        let title = step.title();
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = running.iter().position(|one| one.title == title)
            && let Some(bar) = running.remove(place).bar
        {
            bar.finish_and_clear();
        }
    }
}

/// What programs print: shown with `--verbose` only.
#[derive(Debug)]
struct Streamed {
    ui: Ui,
    /// What each line begins with.
    prefix: String,
}

impl Sink for Streamed {
    fn line(&self, line: &str) {
        if self.ui.0.verbose {
            self.ui.detail(&format!("{}{line}", self.prefix));
        }
    }
}
