//! `apps:*`.

use super::{NO_APP, asks, tell};
use crate::{error::Result, host::Host, names::AppName};

/// Whether there is an app of that name.
pub fn exists(host: &Host, app: &AppName) -> Result<bool> {
    asks(host, &["apps:exists", app.as_str()], NO_APP)
}

/// Makes an app.
pub fn create(host: &Host, app: &AppName) -> Result<()> {
    tell(host, ["apps:create", app.as_str()]).map(drop)
}

/// Destroys an app.
pub fn destroy(host: &Host, app: &AppName) -> Result<()> {
    tell(host, ["apps:destroy", app.as_str(), "--force"]).map(drop)
}
