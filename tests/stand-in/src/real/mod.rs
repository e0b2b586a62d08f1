//! Real parts: a host with its own network runs the programs of the images for real.
//!
//! A [`World`] is a network with names and a certificate authority. A [`Scene`](crate::Scene) in it
//! is a host whose containers, databases, nginx and certificates are real. Dokku, Docker and sudo
//! stay stand-in programs: the rest of this crate decides what runs when, and calls this module to
//! run it.
//!
//! - `namespaces.rs`: a set of namespaces, from their first process to their end.
//! - `world.rs`, `machine.rs`, `host.rs`: the network, one host in it, and its scene.
//! - `engine.rs`: the set-uid program that acts as Docker's daemon; `container.rs` is the
//!   specification and the run state of a container, `supervise.rs` runs it, `network.rs` is its
//!   interface.
//! - `program.rs`: runs programs of the machine.
//! - `image.rs`, `database.rs`: the programs of the images.
//! - `apps.rs`, `docker.rs`: what Dokku and `docker` do with containers.
//! - `proxy.rs`, `acme.rs`: nginx and certificates.
//! - `shell.rs`, `forward.rs`: `stand-in host`, a host for the duration of one program, and a port
//!   that leads to it.

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
mod namespaces;
mod network;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod shell;
mod supervise;
mod world;

pub use machine::Parts;
pub use world::World;
