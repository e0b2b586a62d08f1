//! Databases that Synapse would refuse, or corrupt in silence: the plugin sees them before anything is
//! deployed, whatever made them so.

use super::life::{SERVERS, SERVICES};
use super::{Place, Steps};

const APP: &str = SERVERS[0];
const SERVICE: &str = SERVICES[0];

pub(super) fn play(place: &impl Place) {
    for custom in [
        // The line of an old guide: it leaves no database at all, and hides the error.
        "--custom-env LC_ALL=C",
        // What a service gets by itself: another collation.
        "",
        "--custom-env LANG=C.UTF-8",
    ] {
        place.ok(&format!("postgres:create {SERVICE} {custom}"));
        let create = format!("matrix:create {APP} --email admin@{}", place.global_domain());
        place.refused(&create, "which Synapse refuses");
        // Nothing was made before the look at it.
        assert_eq!(place.dokku(&format!("apps:exists {APP}"), "").code, Some(20));
        place.ok(&format!("postgres:destroy {SERVICE} --force"));
    }
}
