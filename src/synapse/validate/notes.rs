//! What the administrator should know about the files, although Synapse accepts them.

use super::said::{Place, Said};
use serde_json::{Value, json};

/// What the administrator should know about the files.
pub(super) fn of(said: &Said) -> Vec<String> {
    let mut notes = vec![];
    for (key, place) in &said.places {
        if place.lines.len() > 1 && !place.is_generated() {
            notes.push(format!(
                "{}: {key} stands there {} times, and the last one counts",
                lines(place),
                place.lines.len()
            ));
        }
    }
    for unread in &said.unread {
        let top = unread.key.split('.').next().unwrap_or_default();
        let Some(place) = said.place(top) else { continue };
        let why =
            if unread.known { "has no effect here" } else { "is no setting that Synapse knows" };
        notes.push(format!("{}: {} {why}", place.words(), unread.key));
    }
    if said.email_file
        && let Some(place) = said.place("email")
    {
        notes.push(format!("{}: email replaces what dokku matrix:email has set", place.words()));
    }
    let metrics = |one: &Value| one["type"] == "metrics";
    let listeners = said.values.get("listeners").and_then(Value::as_array);
    if listeners.is_some_and(|all| all.iter().any(metrics))
        && said.values.get("enable_metrics") != Some(&json!(true))
        && let Some(place) = said.place("listeners")
    {
        notes.push(format!(
            "{}: the listener for metrics needs enable_metrics: true",
            place.words()
        ));
    }
    notes
}

fn lines(place: &Place) -> String {
    let lines: Vec<_> = place.lines.iter().map(ToString::to_string).collect();
    format!("{}, lines {}", place.file, lines.join(" and "))
}
