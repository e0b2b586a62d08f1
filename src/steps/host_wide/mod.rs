//! What all apps of the host share: port 8448's default server, the firewall, the crontab, another
//! app's well-known files. These steps run alone, when all others are done.

mod default_server;
mod firewall;
mod next_default;
mod renewal;
mod ufw;
mod well_known;

pub use default_server::{DefaultServer, give_up, hand_over};
pub use firewall::close_if_unused;
pub use ufw::advice;
pub use well_known::withdraw;

use super::{Steps, uses_letsencrypt};
use crate::component::Homeserver;

/// In this order.
pub(super) fn steps(desired: &Homeserver) -> Steps {
    let spec = &desired.spec;
    let mut steps: Steps = vec![
        Box::new(next_default::NextDefault::new(spec)),
        Box::new(firewall::Firewall::new(spec)),
    ];
    if uses_letsencrypt(spec) {
        steps.push(Box::new(renewal::Renewal(spec.clone())));
    }
    steps.push(Box::new(well_known::WellKnownFiles::new(spec)));
    steps
}
