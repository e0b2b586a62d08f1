//! The real binary on a stand-in host, from the command line to the last call.
//!
//! The tests compare everything: both streams, the exit code, the calls that change something, and
//! the resulting state of the host.

mod behind_nginx;
mod certificate;
mod clone;
mod create;
mod delegation;
mod deploy;
mod destroy;
mod drift;
mod durable;
mod element;
mod email;
mod failed_calls;
mod failures;
mod federation;
mod federation_off;
mod firewall;
mod guard;
pub(crate) mod harness;
mod hold;
pub(crate) mod homeserver;
mod identity;
mod image;
mod invalid_commands;
mod killed_runs;
mod list_report;
mod mounts_unknown;
mod nginx_others;
mod normalize;
mod preflight;
mod programs;
mod reach;
mod rename;
mod run_guard;
mod sample;
mod silent_calls;
mod small_disk;
mod snapshot;
mod storage_entries;
mod terminal;
mod third_component;
mod triggers;
mod two_servers;
mod update;
mod usage;
mod users;
mod versions;
pub(crate) mod web;
mod well_known;
