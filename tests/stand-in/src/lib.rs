//! A stand-in for a Dokku host, for the contract tests.
//!
//! One binary acts as `dokku`, `docker`, `sudo`, `ufw`, `nginx` and `sigil`, depending on the name
//! it is called by. A [`Scene`] is a scratch host: a directory with these programs, Dokku's files
//! and the plugin. [`State`] is what the host stores between calls. The output is that of a real
//! Dokku 0.38.27: `tests/transcripts.rs` replays recordings of one. The stand-in implements only
//! what tests use and refuses everything else.
//!
//! - [`Scene`] (`scene.rs`): a scratch host; every test starts here.
//! - [`State`], [`App`], [`Service`], [`Container`] (`state.rs`, `app.rs`): plain data.
//! - [`Scratch`] (`scratch.rs`): a temporary directory that is removed with its test.
//! - `store.rs`: the state on disk, its lock, and the call log.
//! - `entry.rs`, `call.rs`: one call, from the program name to the exit code. `supported.rs`
//!   refuses unsupported calls, `classify.rs` tells changing calls from reading ones, `fault.rs`
//!   injects faults.
//! - `install.rs`, `trigger.rs`, `plugins.rs`: the installed plugin, its triggers and its
//!   subcommands.
//! - `dokku.rs`: dispatches `dokku` commands; each area has a file of its own, named after it
//!   (`apps:*` in `apps.rs`, ...), with `rename_clone.rs`, `links.rs` and `psql.rs` for parts of
//!   `apps` and `postgres`, and `container_commands.rs` for `logs`, `enter` and `run`.
//! - `deploy.rs`, `schedule.rs`, `containers.rs`, `restarts.rs`: from a commit to running
//!   containers.
//! - `nginx_config.rs`: validates the nginx configuration of all apps together.
//! - `docker.rs`, `inspect.rs`, `template.rs`, `images.rs`, `flags.rs`: `docker`; `programs.rs`:
//!   the other programs.
//! - [`World`] (`real/`): a network of hosts whose containers, databases and nginx are real.

mod app;
mod apps;
mod binary;
mod call;
mod certs;
mod checks;
mod classify;
mod config;
mod container_commands;
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
mod images;
mod inspect;
mod install;
mod letsencrypt;
mod links;
mod network;
mod nginx;
mod nginx_config;
mod plugins;
mod ports;
mod postgres;
mod programs;
mod proxy;
mod ps;
mod psql;
mod real;
mod rename_clone;
mod report;
mod restarts;
mod scene;
mod schedule;
mod scratch;
mod state;
mod storage;
mod storage_entries;
mod store;
mod supported;
mod synapse_config;
mod template;
mod trigger;

pub use app::{App, Cert, Commit, Mount};
pub use entry::main;
pub use fault::{Count, Fault, Kind};
pub use real::{Parts, World};
pub use scene::Scene;
pub use scratch::Scratch;
pub use state::{Answer, Container, Image, Letsencrypt, Service, State, Status, Temporary, Ufw};
pub use storage_entries::StorageEntry;
pub use store::Record;
