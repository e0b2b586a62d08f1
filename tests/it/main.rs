//! The integration tests: one crate, one file for each theme.
