//! A stand-in for a Dokku host, for the contract tests.
//!
//! One binary answers to the names `dokku`, `docker`, `sudo`, `ufw`, `nginx` and `sigil`; [`Scene`]
//! makes a folder in which a test finds them, and [`State`] is what they remember. What they answer
//! is what a real Dokku 0.38.27 answered: `tests/transcripts.rs` replays the recordings. It holds
//! nothing that no scenario needs.
//!
//! - [`Scene`] (`scene.rs`): a scratch host; a test starts here.
//! - [`State`], [`App`], [`Service`], [`Container`] (`state.rs`, `app.rs`): plain data.
//! - [`Scratch`] (`scratch.rs`): a folder that does not outlive its test.
//! - `store.rs`: the state on disk, its lock, and the log of calls.
//! - `entry.rs`, `call.rs`: one call from its name to its exit code; `fault.rs` breaks one on purpose,
//!   `known.rs` refuses what nobody is known to call.
//! - `install.rs`, `trigger.rs`, `plugins.rs`: the plugin on a host, and what is run of it.
//! - `dokku.rs` gathers one file for each area of `dokku`; `deploy.rs`, `schedule.rs` and
//!   `containers.rs` are the way from a commit to running processes, `verdict.rs` is nginx's opinion.
//! - `docker.rs`, `inspect.rs` and `host.rs` hold the other programs, `flags.rs` what containers are made
//!   with.
//! - [`World`] (`real/`): a network of hosts on which what the images hold runs for real.

mod app;
mod apps;
mod binary;
mod call;
mod certs;
mod checks;
mod config;
mod containers;
mod deploy;
mod docker;
mod docker_options;
mod dokku;
mod domains;
mod entry;
mod fault;
mod files;
mod flags;
mod git;
mod host;
mod images;
mod inside;
mod inspect;
mod install;
mod kind;
mod known;
mod letsencrypt;
mod links;
mod lives;
mod moves;
mod network;
mod nginx;
mod plugins;
mod ports;
mod postgres;
mod proxy;
mod ps;
mod psql;
mod real;
mod report;
mod scene;
mod schedule;
mod scratch;
mod state;
mod storage;
mod store;
mod template;
mod trigger;
mod verdict;

pub use app::{App, Cert, Commit, Mount};
pub use entry::main;
pub use fault::{Count, Fault, Kind};
pub use real::{Parts, World};
pub use scene::Scene;
pub use scratch::Scratch;
pub use state::{Answer, Container, Image, Letsencrypt, Service, State, Status, Ufw};
pub use store::Record;
