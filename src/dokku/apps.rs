//! `apps:*`.

use super::{nginx, tell};
use crate::{error::Result, host::Host, names::AppName};

/// Whether there is an app of that name: one that has a proxy, for which others ask as well.
pub fn exists(host: &Host, app: &AppName) -> Result<bool> {
    nginx::proxy(host, app).map(|proxy| proxy.is_some())
}

/// Makes an app.
pub fn create(host: &Host, app: &AppName) -> Result<()> {
    tell(host, ["apps:create", app.as_str()]).map(drop)
}

/// Destroys an app.
pub fn destroy(host: &Host, app: &AppName) -> Result<()> {
    tell(host, ["apps:destroy", app.as_str(), "--force"]).map(drop)
}
