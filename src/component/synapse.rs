//! Synapse: the homeserver itself. Its configuration has steps of its own, for it holds secrets.

use super::{AtLeast, Component, Kind, Measure, Mount, Question, QuestionPort, Role, User};
use crate::{
    nginx::locations::{self, WellKnown},
    state::{Paths, Settings},
    synapse::{
        config::{DIRECTORY, PORT},
        health, inputs,
    },
};

/// Synapse.
pub static KIND: Kind = Kind {
    name: "synapse",
    title: "Synapse",
    role: Role::Homeserver,
    single_process: true,
    default_app: "matrix",
    default_image: "matrixdotorg/synapse:v1.163.2",
    is_web_client: false,
    local_file: None,
    describe,
};

/// The largest upload, and the longest wait that Matrix clients need.
fn nginx_properties(settings: &Settings) -> Vec<AtLeast> {
    let bytes = settings.max_upload_size.max(50 << 20);
    let size = match bytes % (1 << 20) {
        0 => format!("{}m", bytes >> 20),
        _ => bytes.to_string(),
    };
    let wait = "180s".to_owned();
    vec![
        AtLeast { property: "client-max-body-size", value: size, measure: Measure::Size },
        AtLeast { property: "proxy-read-timeout", value: wait, measure: Measure::Time },
    ]
}

/// Synapse writes to `/data`, and Python and its uploads to `/tmp`.
pub const ISOLATION: [&str; 5] = [
    "--cap-drop ALL",
    "--security-opt no-new-privileges",
    "--read-only",
    "--tmpfs /tmp",
    "--pids-limit 1024",
];

const QUESTIONS: [Question; 4] = [
    Question {
        path: "/_matrix/client/versions",
        port: QuestionPort::Web,
        expect: |reply| reply.json()["versions"].is_array(),
    },
    Question {
        path: "/.well-known/matrix/client",
        port: QuestionPort::Web,
        expect: |reply| reply.json()["m.homeserver"].is_object(),
    },
    Question {
        path: "/_matrix/federation/v1/version",
        port: QuestionPort::Https,
        expect: |reply| reply.json()["server"]["version"].is_string(),
    },
    Question {
        path: "/_matrix/federation/v1/version",
        port: QuestionPort::Federation,
        expect: |reply| reply.json()["server"]["version"].is_string(),
    },
];

fn describe(component: Component, paths: &Paths) -> Component {
    let spec = component.spec.clone();
    Component {
        port: PORT,
        on_8448: spec.is_on_8448(),
        mounts: vec![
            Mount {
                source: paths.config(),
                target: "/config",
                readonly: true,
                entry: Some("config"),
            },
            Mount { source: paths.data(), target: "/data", readonly: false, entry: Some("data") },
        ],
        user: User::Dokku,
        isolation: &ISOLATION,
        environment: vec![("SYNAPSE_CONFIG_PATH", DIRECTORY.to_owned())],
        uses_database: true,
        uses_template: true,
        nginx_properties: nginx_properties(&component.settings),
        locations: locations::homeserver(&WellKnown::of(&spec, &component.settings)),
        read_at_start: |env, component| inputs::files(env, &component.spec),
        probe: Some(health::probe),
        questions: QUESTIONS.to_vec(),
        ..component
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_lets_the_largest_upload_through() {
        for (upload, wanted) in [
            (0, "50m"),
            (1 << 20, "50m"),
            (50 << 20, "50m"),
            (200 << 20, "200m"),
            (60_000_000, "60000000"),
        ] {
            let settings = Settings { max_upload_size: upload, ..Settings::default() };
            assert_eq!(nginx_properties(&settings)[0].value, wanted, "{upload}");
        }
    }
}
