//! Synapse: the homeserver itself. Its configuration has steps of its own, for it holds secrets.

use super::{AtLeast, Component, Kind, Measure, Mount, Question, QuestionPort, Role, User};
use crate::{
    error::Result,
    nginx::locations::{self, WellKnown},
    state::Paths,
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
    describe,
};

/// The largest upload and the longest wait that Matrix clients need.
const NGINX: [AtLeast; 2] = [
    AtLeast { property: "client-max-body-size", value: "50m", measure: Measure::Size },
    AtLeast { property: "proxy-read-timeout", value: "180s", measure: Measure::Time },
];

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

#[expect(clippy::unnecessary_wraps, reason = "others can fail")]
fn describe(component: Component, paths: &Paths) -> Result<Component> {
    let spec = component.spec.clone();
    Ok(Component {
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
        nginx_properties: &NGINX,
        locations: locations::homeserver(&WellKnown::of(&spec)),
        read_at_start: |env, component| inputs::files(env, &component.spec),
        probe: Some(health::probe),
        questions: QUESTIONS.to_vec(),
        ..component
    })
}
