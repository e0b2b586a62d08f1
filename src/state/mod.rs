//! What is recorded: the one place that knows the plugin's own files.
//!
//! | file below `data/matrix` | type | what |
//! |---|---|---|
//! | `<server name>/server.json` | [`Spec`] | what is desired of a homeserver |
//! | `<server name>/status.json` | [`Status`] | what was done to it |
//! | `.host/host.json` | [`HostStatus`] | what its homeservers share |
//! | `.host/apps/<app>` | [`Marker`] | what an app is to the plugin |
//! | `.host/locks/` | [`locks`] | who is at work |
//!
//! Whatever Dokku can be asked is not stored. Decides nothing and calls no program.

mod federation;
mod host_status;
pub mod locks;
pub mod marker;
mod paths;
mod read_write;
mod settings;
mod spec;
mod status;
mod store;
mod version1;

pub use federation::Federation;
pub use host_status::HostStatus;
pub use marker::Marker;
pub use paths::{Paths, data_root};
pub use settings::Settings;
pub use spec::{ComponentSpec, Spec, Support, Tls};
pub use status::{Hold, Started, Status, Verification, plugin_version};

#[cfg(test)]
mod tests;
