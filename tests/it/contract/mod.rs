//! The real binary on a stood-in Dokku host, from the command line to the last call.
//!
//! What is compared is the whole of it: both streams, the exit code, the calls that change
//! something, and what the host is afterwards.

mod bad_days;
mod bad_host;
mod bad_names;
mod camera;
mod certificate;
mod clone;
mod create;
mod delegation;
mod delete;
mod deploy;
mod drift;
mod element;
mod email;
mod failing;
mod guard;
pub(crate) mod homeserver;
mod killed;
mod list_report;
mod portrait;
mod rename;
pub(crate) mod rig;
mod triggers;
mod two_servers;
mod usage;
mod users;
pub(crate) mod web;
