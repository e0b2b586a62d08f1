//! Element Web, on a host name of its own: no page of one can read the other.

use super::{Component, File, Kind, Mount, Question, QuestionPort, Role};
use crate::{
    error::{Doing, Result},
    nginx::locations,
    state::{Paths, Spec},
};
use serde_json::json;

/// Element Web.
pub static KIND: Kind = Kind {
    name: "element",
    title: "Element Web",
    role: Role::Optional,
    single_process: false,
    default_app: "chat",
    default_image: "vectorim/element-web:v1.12.32",
    is_web_client: true,
    describe,
};

/// Its configuration: beside the homeserver's data, and in the container.
const FILE: &str = "config.json";
const MOUNTED: &str = "/app/config.json";
/// The port that its nginx listens on: 80 needs privileges.
const PORT: u16 = 8080;

/// The image's start script copies the settings to `/tmp` and writes nginx's site, as the image's
/// user, whose uid is 101.
const ISOLATION: [&str; 6] = [
    "--cap-drop ALL",
    "--security-opt no-new-privileges",
    "--read-only",
    "--tmpfs /tmp",
    "--tmpfs /etc/nginx/conf.d:uid=101",
    "--pids-limit 512",
];

const QUESTIONS: [Question; 1] = [Question {
    path: "/config.json",
    port: QuestionPort::Web,
    expect: |reply| reply.json()["default_server_config"].is_object(),
}];

fn describe(component: Component, paths: &Paths) -> Result<Component> {
    let path = paths.component(KIND.name).join(FILE);
    let text = config_json(&component.spec)?;
    Ok(Component {
        port: PORT,
        mounts: vec![Mount { source: path.clone(), target: MOUNTED, readonly: true, entry: None }],
        files: vec![File { path, text }],
        isolation: &ISOLATION,
        environment: vec![("ELEMENT_WEB_PORT", PORT.to_string())],
        locations: locations::element(),
        questions: QUESTIONS.to_vec(),
        ..component
    })
}

/// The content of [`FILE`]: this homeserver and no other, and no services of third parties.
fn config_json(spec: &Spec) -> Result<String> {
    let config = json!({
        "default_server_config": {
            "m.homeserver": { "base_url": spec.base_url(), "server_name": spec.server_name },
        },
        "brand": "Element",
        "default_theme": "light",
        "disable_custom_urls": true,
        "disable_guests": true,
        // Left out, these two are a service of Element's makers.
        "integrations_ui_url": null,
        "integrations_rest_url": null,
        "mobile_guide_app_variant": "element",
        "room_directory": { "servers": [spec.server_name] },
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
    fn writes_the_whole_file() {
        assert_eq!(config_json(&sample::spec()).unwrap(), include_str!("element.test.json"));
    }

    /// What Element's docs/config.md and IConfigOptions.ts say of each key that is written. Element
    /// silently ignores a key that it does not know, or that has another type.
    #[test]
    fn writes_documented_keys_only() {
        const DOCUMENTED: [(&str, fn(&Value) -> bool); 10] = [
            // The form of /.well-known/matrix/client; without `default_server_name` beside it.
            ("/default_server_config/m.homeserver/base_url", Value::is_string),
            ("/default_server_config/m.homeserver/server_name", Value::is_string),
            ("/brand", Value::is_string),
            // `light`, `dark`, or a custom theme.
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
        let config: Value = serde_json::from_str(&config_json(&sample::spec()).unwrap()).unwrap();
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
