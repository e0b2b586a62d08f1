//! Synapse: its configuration files and its HTTP API.
//!
//! Owns the format of both. Decides nothing, and knows nothing about Dokku except the one-off
//! container that validates a configuration.

pub mod config;
pub mod database;
pub mod discovery;
pub mod email;
pub mod health;
pub mod inputs;
pub mod probe;
pub mod signing_key;
pub mod start;
pub mod users;
pub mod validate;
pub mod well_known;
mod yaml;

#[cfg(test)]
pub(crate) mod sample {
    use crate::state::{Federation, Spec, Tls};

    pub(crate) fn spec() -> Spec {
        Spec {
            server_name: "example.org".parse().unwrap(),
            app: "matrix".parse().unwrap(),
            domain: "matrix.example.org".parse().unwrap(),
            service: "matrix-db".parse().unwrap(),
            image: "matrixdotorg/synapse:v1.163.2".parse().unwrap(),
            tls: Tls::Letsencrypt,
            port_8448: true,
            federation: Federation::Open,
            email: None,
            timeout: 300,
            support: None,
            components: std::collections::BTreeMap::new(),
        }
    }
}
