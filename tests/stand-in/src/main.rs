//! A stand-in for the programs of a Dokku host.
fn main() {}
