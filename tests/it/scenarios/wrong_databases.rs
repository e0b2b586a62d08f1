//! Databases that Synapse would refuse, or silently corrupt: the plugin detects them before it deploys
//! anything.

use super::lifecycle::{SERVERS, SERVICES};
use super::{Host, HostExt};

const APP: &str = SERVERS[0];
const SERVICE: &str = SERVICES[0];

pub(super) fn run(host: &impl Host) {
    for custom in [
        // From an old guide. The service is left without a database, and the error is hidden.
        "--custom-env LC_ALL=C",
        // The default of a service is another collation.
        "",
        "--custom-env LANG=C.UTF-8",
    ] {
        host.ok(&format!("postgres:create {SERVICE} {custom}"));
        let create = format!("matrix:create {APP} --email admin@{}", host.global_domain());
        host.fails(&create, "which Synapse refuses");
        // The database is checked before anything is created.
        assert_eq!(host.dokku(&format!("apps:exists {APP}"), "").code, Some(20));
        host.ok(&format!("postgres:destroy {SERVICE} --force"));
    }
}
