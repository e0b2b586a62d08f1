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
        // Left out, these two would be a service of Element's makers.
        "integrations_ui_url": null,
        "integrations_rest_url": null,
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
    use serde_json::Value;

    #[test]
    fn the_whole_file() {
        assert_eq!(config_json(&sample::server()).unwrap(), include_str!("config.test.json"));
    }

    /// What Element's docs/config.md and IConfigOptions.ts say of each key that is written: one that is
    /// not on this list, or of another type, is passed over by Element without a word.
    #[test]
    fn each_key_is_a_documented_one() {
        const DOCUMENTED: [(&str, fn(&Value) -> bool); 10] = [
            // The shape of /.well-known/matrix/client; it stands alone, without `default_server_name`.
            ("/default_server_config/m.homeserver/base_url", Value::is_string),
            ("/default_server_config/m.homeserver/server_name", Value::is_string),
            ("/brand", Value::is_string),
            // `light`, `dark`, or a theme of one's own.
            ("/default_theme", |theme| theme == "light"),
            ("/disable_custom_urls", Value::is_boolean),
            ("/disable_guests", Value::is_boolean),
            // Null turns integrations off.
            ("/integrations_ui_url", Value::is_null),
            ("/integrations_rest_url", Value::is_null),
            // `element`, `element-classic`, or `element-pro`.
            ("/mobile_guide_app_variant", |variant| variant == "element"),
            ("/room_directory/servers/0", Value::is_string),
        ];
        let config: Value = serde_json::from_str(&config_json(&sample::server()).unwrap()).unwrap();
        let mut left = leaves(&config, "");
        for (key, right) in DOCUMENTED {
            let value = config.pointer(key).unwrap_or_else(|| panic!("{key} is missing"));
            assert!(right(value), "{key}: {value}");
            left.retain(|leaf| leaf != key);
        }
        assert_eq!(left, [""; 0]);
    }

    fn leaves(value: &Value, path: &str) -> Vec<String> {
        match value {
            Value::Object(fields) => fields
                .iter()
                .flat_map(|(name, value)| leaves(value, &format!("{path}/{name}")))
                .collect(),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .flat_map(|(at, value)| leaves(value, &format!("{path}/{at}")))
                .collect(),
            _ => vec![path.to_owned()],
        }
    }
}
