//! The real binary on a stood-in Dokku host, from the command line to the last call.
//!
//! What is compared is the whole of it: both streams, the exit code, the calls that change
//! something, and what the host is afterwards.

mod certificate;
mod clone;
mod create;
mod delegation;
mod deploy;
mod destroy;
mod drift;
mod element;
mod email;
mod failed_calls;
mod failures;
mod guard;
pub(crate) mod harness;
pub(crate) mod homeserver;
mod invalid_commands;
mod killed_runs;
mod list_report;
mod normalize;
mod preflight;
mod rename;
mod snapshot;
mod triggers;
mod two_servers;
mod usage;
mod users;
pub(crate) mod web;
