//! Helpers for several groups of tests: real programs that run as long as the test.

pub(crate) mod daemon;
pub(crate) mod directories;
pub(crate) mod dns;
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

/// The Python environment that `dev/install-synapse` creates.
pub(crate) fn synapse_home() -> PathBuf {
    let home = tools().join("synapse");
    assert!(
        home.join("bin/python").exists(),
        "Synapse is not in {}: run dev/setup",
        home.display()
    );
    home
}

/// The machine, for functions of the plugin that need a host.
pub(crate) fn host() -> Host {
    Host::new(Env::read(), Arc::new(Nowhere), false)
}

/// A port that is free at this moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A value that tests running in parallel share. It is dropped after the last of them.
pub(crate) struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    pub(crate) fn get(&self, create: impl FnOnce() -> T) -> Arc<T> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        current.upgrade().unwrap_or_else(|| {
            let new = Arc::new(create());
            *current = Arc::downgrade(&new);
            new
        })
    }
}
