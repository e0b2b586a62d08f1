//! `apps:*`: creates and destroys apps. Does not decide whether that is right.

use super::{change, nginx};
use crate::{error::Result, host::Host, names::AppName};

/// Whether an app exists. Every app has a proxy, and other callers read that as well, so this
/// answer is often in the cache.
pub fn exists(host: &Host, app: &AppName) -> Result<bool> {
    nginx::proxy(host, app).option().map(|proxy| proxy.is_some())
}

/// Creates an app.
pub fn create(host: &Host, app: &AppName) -> Result<()> {
    change(host, ["apps:create", app.as_str()]).map(drop)
}

/// Destroys an app.
pub fn destroy(host: &Host, app: &AppName) -> Result<()> {
    change(host, ["apps:destroy", app.as_str(), "--force"]).map(drop)
}
