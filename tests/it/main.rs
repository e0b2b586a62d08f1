//! The integration tests: one crate with a module for each topic.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests prepare the machine directly, and fail by panicking"
)]

mod brought;
mod contract;
mod dispatch;
mod install;
mod nginx;
mod plugin_copy;
mod reach;
mod readme;
mod scenarios;
mod settings;
mod support;
mod synapse;
mod tree;
mod uninstall;
mod workflows;
mod yaml;
