//! Certificates from dokku-letsencrypt. Their renewal is [`super::host_wide`].

mod email;
mod requested;

use super::{Options, Steps, uses_letsencrypt};
use crate::component::Component;
use email::Email;
use requested::Certificate;
pub use requested::renewal_to_come;
use std::sync::Arc;

/// The certificate of a component. Where dokku-letsencrypt cannot request two at a time, it comes
/// after those of the components that are named.
pub(super) fn steps(
    component: &Arc<Component>,
    options: Options,
    earlier: &[Arc<Component>],
) -> Steps {
    if !uses_letsencrypt(&component.spec) {
        return vec![];
    }
    let earlier = if options.parallel_certificates { &[] } else { earlier };
    vec![Box::new(Email(component.clone())), Box::new(Certificate::new(component, earlier))]
}
