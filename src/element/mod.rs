//! Element Web: what is written for it.

pub mod config;
