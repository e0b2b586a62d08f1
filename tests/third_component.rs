//! A third component, which no user gets: a static page with a configuration file, a domain, and a
//! certificate. This file is all that it takes; the rest of the program is the plugin's own.
//! `tests/it/contract/third_component.rs` uses it.

use dokku_matrix::{
    component::{
        Catalog, Component, File, Kind, Mount, Question, QuestionPort, Role, element, synapse,
    },
    error::{Doing, Result},
    host::env::Env,
    state::Paths,
};
use std::process::ExitCode;

static PAGE: Kind = Kind {
    name: "page",
    title: "Welcome page",
    role: Role::Optional,
    single_process: false,
    default_app: "welcome",
    default_image: "example/page:v1",
    is_web_client: false,
    local_file: None,
    describe,
};

fn describe(component: Component, paths: &Paths) -> Component {
    let path = paths.component(PAGE.name).join("page.json");
    Component {
        port: 3000,
        mounts: vec![Mount {
            source: path.clone(),
            target: "/srv/page.json",
            readonly: true,
            entry: None,
        }],
        files: vec![File { path, text }],
        environment: vec![("PAGE_TITLE", component.spec.server_name.to_string())],
        locations: "add_header X-Content-Type-Options nosniff always;\n".to_owned(),
        questions: vec![Question {
            path: "/page.json",
            port: QuestionPort::Web,
            expect: |reply| reply.json()["homeserver"].is_string(),
        }],
        ..component
    }
}

fn text(_: &Env, component: &Component) -> Result<String> {
    let text = serde_json::json!({ "homeserver": component.spec.base_url() });
    serde_json::to_string(&text).doing(|| "cannot write page.json".to_owned())
}

const CATALOG: Catalog = Catalog(&[&synapse::KIND, &element::KIND, &PAGE]);

fn main() -> ExitCode {
    dokku_matrix::main(CATALOG)
}
