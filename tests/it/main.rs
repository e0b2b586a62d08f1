//! The integration tests: one crate, one file for each theme.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests stand outside the house: they prepare the machine, and fail by panicking"
)]

mod contract;
mod dispatch;
mod install;
mod nginx;
mod plugin_copy;
mod readme;
mod scenarios;
mod support;
mod synapse;
mod tree;
mod uninstall;
mod yaml;
