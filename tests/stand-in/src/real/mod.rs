//! Real parts: what the images would run, run for real, on a host with its own network.
//!
//! A [`World`] is a network with names and a certificate authority; a [`Scene`](crate::Scene) made in
//! it is a host whose containers, databases, nginx and certificates are real. Dokku stays stood in:
//! the rest of this crate decides what runs when, and asks this folder to run it.
//!
//! - `space.rs`: namespaces, from their first process to their end.
//! - `world.rs`, `machine.rs`, `host.rs`: the network, one host in it, and its scene.
//! - `engine.rs`: the one program that root runs for dokku, as Docker's daemon does; `container.rs`
//!   what it is told, `supervise.rs` how it keeps one running, `network.rs` its interface.
//! - `program.rs`: how programs of the machine are run.
//! - `image.rs`, `database.rs`: what is in the images.
//! - `apps.rs`, `docker.rs`: what Dokku and `docker` do with containers.
//! - `proxy.rs`, `acme.rs`: nginx and certificates.
//! - `shell.rs`, `forward.rs`: a host for as long as one program runs on it, and a way to it.

pub(crate) mod acme;
pub(crate) mod apps;
pub(crate) mod container;
pub(crate) mod database;
pub(crate) mod docker;
pub(crate) mod engine;
mod forward;
mod host;
pub(crate) mod image;
pub(crate) mod machine;
mod network;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod shell;
mod space;
mod supervise;
mod world;

pub use machine::Parts;
pub use world::World;
