//! Large uploads and long polls pass; what the administrator raised stays.

use crate::{
    component::{AtLeast, CATALOG, Component, Measure},
    dokku::nginx,
    error::Result,
    host::Host,
    plan::{Change, State, Step, StepId},
};
use std::sync::Arc;

/// The nginx properties of an app have at least their values.
#[derive(Debug)]
pub(super) struct Properties(pub(super) Arc<Component>);

impl Step for Properties {
    fn id(&self) -> StepId {
        self.0.step("properties")
    }

    fn needs(&self) -> Vec<StepId> {
        // The largest upload is a setting of Synapse's own configuration.
        vec![self.0.step("ports"), (CATALOG.homeserver().name, "validated")]
    }

    fn title(&self) -> String {
        format!("Setting nginx properties of {}", self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let current = nginx::properties(host, &self.0.app).option()?;
        let mut changes = vec![];
        for AtLeast { property, value, measure: kind } in
            self.0.current(host.env())?.nginx_properties
        {
            let now = match &current {
                Some(current) => measure(kind, current.computed(property)?),
                // In a dry run the app may not exist yet.
                None => None,
            };
            // 0 is "without a limit".
            if now.is_none_or(|now| now != 0 && Some(now) < measure(kind, &value)) {
                let app = self.0.app.clone();
                let description = format!("dokku nginx:set {app} {property} {value}");
                changes.push(Change::new(description, move |host| {
                    nginx::set(host, &app, property, &value)
                }));
            }
        }
        Ok(State::of(changes))
    }
}

/// What a value is worth; `None` if nginx does not read it.
fn measure(measure: Measure, value: &str) -> Option<u64> {
    match measure {
        Measure::Size => bytes(value),
        Measure::Time => seconds(value),
    }
}

/// A size as nginx writes it, in bytes.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.trim_end_matches(['k', 'm', 'g']);
    let number: u64 = digits.parse().ok()?;
    let shift = match text.strip_prefix(digits)? {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// A time as nginx writes it, in seconds.
fn seconds(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match text.strip_prefix(digits)? {
        "" | "s" => Some(number),
        "ms" => Some(number / 1000),
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(3600),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes_and_times_of_nginx() {
        for (text, wanted) in [
            ("50m", Some(50 << 20)),
            ("1G", Some(1 << 30)),
            ("0", Some(0)),
            ("1024", Some(1024)),
            ("", None),
            ("m", None),
            ("x", None),
        ] {
            assert_eq!(bytes(text), wanted, "{text}");
        }
        for (text, wanted) in
            [("180s", Some(180)), ("3m", Some(180)), ("60", Some(60)), ("", None), ("5d", None)]
        {
            assert_eq!(seconds(text), wanted, "{text}");
        }
    }
}
