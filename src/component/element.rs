//! Element Web, on a host name of its own: no page of one can read the other.
//!
//! Its settings follow the homeserver's: what the homeserver does not allow is not offered. Over them
//! goes the administrator's own file.

use super::{
    Component, File, Kind, Mount, Question, QuestionPort, Role,
    local::{self, Owned},
};
use crate::{
    error::{Doing, Result},
    host::env::Env,
    nginx::locations,
    state::{Paths, Settings, Spec},
};
use serde_json::{Value, json};

/// Element Web.
pub static KIND: Kind = Kind {
    name: "element",
    title: "Element Web",
    role: Role::Optional,
    single_process: false,
    default_app: "chat",
    default_image: "vectorim/element-web:v1.12.32",
    is_web_client: true,
    local_file: Some("local.json"),
    describe,
};

/// Its configuration: beside the homeserver's data, and in the container.
const FILE: &str = "config.json";
const MOUNTED: &str = "/app/config.json";
/// The port that its nginx listens on: 80 needs privileges.
const PORT: u16 = 8080;

/// The services of Element's makers that it uses unless these are null.
const INTEGRATIONS: [&str; 2] = ["integrations_ui_url", "integrations_rest_url"];

/// Which homeserver it is for: the plugin knows, and Element Web wants to be told in one way only.
const OWNED: [Owned; 4] = [
    Owned {
        key: "default_server_config",
        why: "the plugin writes it from the homeserver's own names",
        instead: "For another domain: dokku matrix:create <app> --domain HOST",
    },
    Owned { key: "default_server_name", why: TWICE, instead: REMOVE },
    Owned {
        key: "default_hs_url",
        why: "Element Web does not load with both this and default_server_config",
        instead: REMOVE,
    },
    Owned { key: "default_is_url", why: TWICE, instead: REMOVE },
];
const TWICE: &str = "the plugin sets default_server_config, which says the same";
const REMOVE: &str = "Remove it; Element Web knows the homeserver without it.";

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

fn describe(component: Component, paths: &Paths) -> Component {
    let path = paths.component(KIND.name).join(FILE);
    Component {
        port: PORT,
        mounts: vec![Mount { source: path.clone(), target: MOUNTED, readonly: true, entry: None }],
        files: vec![File { path, text }],
        isolation: &ISOLATION,
        environment: vec![("ELEMENT_WEB_PORT", PORT.to_string())],
        locations: locations::element(),
        questions: QUESTIONS.to_vec(),
        ..component
    }
}

/// The content of [`FILE`], with the administrator's own settings.
fn text(env: &Env, component: &Component) -> Result<String> {
    let mut config = generated(&component.spec, &component.settings);
    if let Some(path) = component.local_file(env) {
        local::merge(&mut config, &path, &OWNED)?;
    }
    // A merge patch can remove a null and cannot set one. Element's documentation says null for "off".
    if let Some(keys) = config.as_object_mut() {
        for key in INTEGRATIONS {
            keys.entry(key).or_insert(Value::Null);
        }
    }
    let text = serde_json::to_string_pretty(&config).doing(|| format!("cannot write {FILE}"))?;
    Ok(format!("{text}\n"))
}

/// This homeserver and no other, and no services of third parties.
fn generated(spec: &Spec, settings: &Settings) -> Value {
    json!({
        "default_server_config": {
            "m.homeserver": { "base_url": spec.base_url(), "server_name": spec.server_name },
        },
        "brand": "Element",
        "disable_custom_urls": true,
        "disable_guests": true,
        "disable_3pid_login": !settings.email,
        "integrations_ui_url": null,
        "integrations_rest_url": null,
        "mobile_guide_app_variant": "element",
        "room_directory": { "servers": [spec.server_name] },
        "setting_defaults": {
            // Nobody has an identity server unless they enter a stranger's.
            "UIFeature.identityServer": false,
            // A map would come from a third party.
            "UIFeature.locationSharing": false,
            // An address cannot be confirmed. This also hides where to enter an identity server.
            "UIFeature.thirdPartyId": settings.email,
            // The video call of a group is a widget of a third party.
            "UIFeature.widgets": false,
            "UIFeature.registration": settings.registration,
            "UIFeature.passwordReset": settings.email,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        component::{CATALOG, Homeserver},
        host::files,
        state::ComponentSpec,
        synapse::sample,
    };

    /// The file of the sample homeserver, with an administrator's file or without.
    fn written(local: Option<&str>) -> Result<String> {
        let (_guard, root) = files::scratch().unwrap();
        let env = Env::of(&[("DOKKU_LIB_ROOT", root.as_str())]);
        let mut spec = sample::spec();
        let element = ComponentSpec {
            app: "chat".parse().unwrap(),
            domain: "chat.example.org".parse().unwrap(),
            image: KIND.default_image().unwrap(),
            created: true,
        };
        spec.components.insert(KIND.name.to_owned(), element);
        std::fs::create_dir_all(spec.paths(&env).component(KIND.name)).unwrap();
        let homeserver = Homeserver::new(CATALOG, &env, spec).unwrap();
        let component = homeserver.component(KIND.name).unwrap();
        if let Some(local) = local {
            files::write_scratch(&component.local_file(&env).unwrap(), local).unwrap();
        }
        (component.files[0].text)(&env, component)
    }

    fn config(local: &str) -> Value {
        serde_json::from_str(&written(Some(local)).unwrap()).unwrap()
    }

    #[test]
    fn writes_the_whole_file() {
        assert_eq!(written(None).unwrap(), include_str!("element.test.json"));
        assert_eq!(written(Some("{}\n")).unwrap(), include_str!("element.test.json"));
    }

    /// Each offer that the homeserver cannot keep is off, and no other.
    #[test]
    fn offers_what_the_homeserver_does() {
        const OFFERS: [&str; 6] = [
            "UIFeature.identityServer",
            "UIFeature.locationSharing",
            "UIFeature.passwordReset",
            "UIFeature.registration",
            "UIFeature.thirdPartyId",
            "UIFeature.widgets",
        ];
        for (registration, email) in [(false, false), (true, false), (false, true), (true, true)] {
            let settings = Settings { registration, email, ..Settings::default() };
            let config = generated(&sample::spec(), &settings);
            let offers = config["setting_defaults"].as_object().unwrap();
            let expected = [false, false, email, registration, email, false];
            assert_eq!(offers.len(), OFFERS.len());
            for (offer, expected) in OFFERS.into_iter().zip(expected) {
                assert_eq!(offers[offer], expected, "{offer} {registration} {email}");
            }
            assert_eq!(config["disable_3pid_login"], !email);
        }
    }

    /// The administrator's settings go over the generated ones, deep inside as well.
    #[test]
    fn merges_the_local_file() {
        let mut expected: Value = serde_json::from_str(include_str!("element.test.json")).unwrap();
        expected["brand"] = "Example Chat".into();
        expected["default_theme"] = "dark".into();
        expected["permalink_prefix"] = "https://chat.example.org".into();
        expected["setting_defaults"]["UIFeature.widgets"] = true.into();
        expected["setting_defaults"]["breadcrumbs"] = false.into();
        expected.as_object_mut().unwrap().remove("room_directory");
        let local = r#"{
            "brand": "Example Chat",
            "default_theme": "dark",
            "permalink_prefix": "https://chat.example.org",
            "room_directory": null,
            "setting_defaults": { "UIFeature.widgets": true, "breadcrumbs": false }
        }"#;
        assert_eq!(config(local), expected);
    }

    /// Removed, they would be a service of Element's makers: a null in a merge patch removes.
    #[test]
    fn turns_integrations_on_only_with_an_address() {
        let none = config(r#"{"integrations_ui_url": null, "integrations_rest_url": null}"#);
        assert_eq!(none, config("{}"));
        let own = config(r#"{"integrations_ui_url": "https://i.example.org"}"#);
        assert_eq!(own["integrations_ui_url"], "https://i.example.org");
        assert_eq!(own["integrations_rest_url"], Value::Null);
    }

    #[test]
    fn refuses_another_homeserver() {
        let refuse = |local: &str| {
            let error = written(Some(local)).unwrap_err();
            let lines = error.lines().join("\n");
            let (_, rest) = lines.split_once("/element/local.json ").unwrap();
            rest.to_owned()
        };
        for (key, expected) in [
            (
                "default_server_config",
                "must not set default_server_config: the plugin writes it from the homeserver's own names\nFor another domain: dokku matrix:create <app> --domain HOST",
            ),
            (
                "default_server_name",
                "must not set default_server_name: the plugin sets default_server_config, which says the same\nRemove it; Element Web knows the homeserver without it.",
            ),
            (
                "default_hs_url",
                "must not set default_hs_url: Element Web does not load with both this and default_server_config\nRemove it; Element Web knows the homeserver without it.",
            ),
            (
                "default_is_url",
                "must not set default_is_url: the plugin sets default_server_config, which says the same\nRemove it; Element Web knows the homeserver without it.",
            ),
        ] {
            for value in ["null", "{\"m.homeserver\": {}}", "\"https://x.example\""] {
                assert_eq!(refuse(&format!("{{\"{key}\": {value}}}")), expected);
            }
        }
    }

    /// What Element's docs/config.md, IConfigOptions.ts, UIFeature.ts, and Settings.tsx say of each key
    /// that is written, in v1.12.13 and later. Element silently ignores a key that it does not know, or
    /// that has another type. None of these is deprecated there.
    #[test]
    fn writes_documented_keys_only() {
        const DOCUMENTED: [(&str, fn(&Value) -> bool); 16] = [
            // The form of /.well-known/matrix/client; without `default_server_name` beside it.
            ("/default_server_config/m.homeserver/base_url", Value::is_string),
            ("/default_server_config/m.homeserver/server_name", Value::is_string),
            ("/brand", Value::is_string),
            // True hides "sign in with" an e-mail address or a phone number, also in the form for a
            // new account.
            ("/disable_3pid_login", Value::is_boolean),
            ("/disable_custom_urls", Value::is_boolean),
            ("/disable_guests", Value::is_boolean),
            // Null turns integrations off.
            ("/integrations_ui_url", Value::is_null),
            ("/integrations_rest_url", Value::is_null),
            // `element`, `element-classic`, or `element-pro`.
            ("/mobile_guide_app_variant", |variant| variant == "element"),
            ("/room_directory/servers/0", Value::is_string),
            // UI features are settings that only this file sets; each is true without it.
            // False: no invitations by e-mail address, and none is looked up.
            ("/setting_defaults/UIFeature.identityServer", Value::is_boolean),
            // False: the composer does not offer to share a location.
            ("/setting_defaults/UIFeature.locationSharing", Value::is_boolean),
            // False: the page is not accessible, and nothing leads to it.
            ("/setting_defaults/UIFeature.passwordReset", Value::is_boolean),
            // False: likewise.
            ("/setting_defaults/UIFeature.registration", Value::is_boolean),
            // False: nobody can add an e-mail address or a phone number, or enter an identity server.
            ("/setting_defaults/UIFeature.thirdPartyId", Value::is_boolean),
            // False: widgets are not shown, stickers not offered, and no call that would be a widget.
            ("/setting_defaults/UIFeature.widgets", Value::is_boolean),
        ];
        let config: Value = serde_json::from_str(&written(None).unwrap()).unwrap();
        let mut left = leaves(&config, "");
        for (key, right) in DOCUMENTED {
            let value = config.pointer(key).unwrap_or_else(|| panic!("{key} is missing"));
            assert!(right(value), "{key}: {value}");
            left.retain(|leaf| leaf != key);
        }
        assert_eq!(left, [""; 0]);
        // With this key, the theme does not follow the system's.
        assert_eq!(config.get("default_theme"), None);
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
