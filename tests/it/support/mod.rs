//! What several themes need: the real programs, run and ended with the test.

pub(crate) mod daemon;
pub(crate) mod directories;
pub(crate) mod homeserver;
pub(crate) mod postgres;
pub(crate) mod python;

use dokku_matrix::host::{Host, env::Env, run::Nowhere};
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// The exit code and the output of a finished command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The directory that `dev/setup` fills.
pub(crate) fn tools() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("tools")
}

/// The environment that `dev/install-synapse` makes.
pub(crate) fn synapse_home() -> PathBuf {
    let home = tools().join("synapse");
    assert!(
        home.join("bin/python").exists(),
        "Synapse is not in {}: run dev/setup",
        home.display()
    );
    home
}

/// The machine, for code of the plugin.
pub(crate) fn host() -> Host {
    Host::new(Env::read(), Arc::new(Nowhere), false)
}

/// A port that nobody listens on at this moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// What tests that run side by side use together; it goes away with the last one that uses it.
pub(crate) struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    pub(crate) fn get(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.upgrade().unwrap_or_else(|| {
            let new = Arc::new(make());
            *held = Arc::downgrade(&new);
            new
        })
    }
}
