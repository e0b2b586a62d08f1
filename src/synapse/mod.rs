//! Synapse: what is written for it, and how it is asked.
//!
//! Owns the form of its files and of its HTTP API. Decides nothing, and knows nothing of Dokku
//! but the throw-away container that judges a configuration.

pub mod config;
pub mod database;
pub mod email;
pub mod health;
pub mod judge;
pub mod signing_key;
pub mod users;
mod yaml;

#[cfg(test)]
pub(crate) mod sample {
    use crate::server::{Server, Tls};

    pub(crate) fn server() -> Server {
        Server {
            version: Server::version(),
            server_name: "example.org".parse().unwrap(),
            app: "matrix".parse().unwrap(),
            domain: "matrix.example.org".parse().unwrap(),
            service: "matrix-db".parse().unwrap(),
            image: "matrixdotorg/synapse:v1.163.2".parse().unwrap(),
            tls: Tls::Letsencrypt,
            port_8448: true,
            email: None,
            timeout: 300,
            support: None,
            element: None,
            failed_image: None,
        }
    }
}
