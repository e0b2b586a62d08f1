//! Element Web's `config.json`.

use crate::{
    error::{Doing, Result},
    server::Server,
};
use serde_json::json;

/// The file that is mounted into Element's container.
pub const FILE: &str = "config.json";
/// Where the container expects it.
pub const PATH: &str = "/app/config.json";
/// The port that its nginx listens on, given as [`PORT_VARIABLE`]: 80 needs privileges.
pub const PORT: u16 = 8080;
/// The variable of the image that holds the port.
pub const PORT_VARIABLE: &str = "ELEMENT_WEB_PORT";

/// The content of the file: this homeserver and no other, and nobody else's services.
pub fn config_json(server: &Server) -> Result<String> {
    let config = json!({
        "default_server_config": {
            "m.homeserver": { "base_url": server.base_url(), "server_name": server.server_name },
        },
        "brand": "Element",
        "default_theme": "light",
        "disable_custom_urls": true,
        "disable_guests": true,
        "mobile_guide_app_variant": "element",
        "room_directory": { "servers": [server.server_name] },
    });
    let text = serde_json::to_string_pretty(&config).doing(|| format!("cannot write {FILE}"))?;
    Ok(format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synapse::sample;

    #[test]
    fn the_whole_file() {
        assert_eq!(config_json(&sample::server()).unwrap(), include_str!("config.test.json"));
    }
}
