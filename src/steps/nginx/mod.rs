//! How nginx serves an app: the template, the properties, what holds under any template.

mod built;
mod locations;
mod properties;
mod template;

pub use built::{Built, served};
pub use locations::{FILE, Locations};

use super::Steps;
use crate::component::{Component, Homeserver};
use properties::Properties;
use std::sync::Arc;

/// Who is the default server on port 8448, which is a part of the template, and the template.
pub(super) fn template(desired: &Homeserver) -> Steps {
    vec![
        Box::new(super::host_wide::DefaultServer(desired.spec.clone())),
        Box::new(template::Template::new(&desired.spec)),
    ]
}

/// What an app needs before it is deployed.
pub(super) fn steps(component: &Arc<Component>) -> Steps {
    let mut steps: Steps = vec![];
    if !component.nginx_properties.is_empty() {
        steps.push(Box::new(Properties(component.clone())));
    }
    steps.push(Box::new(Locations(component.clone())));
    steps
}
