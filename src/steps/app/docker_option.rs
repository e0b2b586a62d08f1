//! A docker option that an app has exactly once.

use crate::{
    dokku::options::{self, Options},
    error::Result,
    host::Host,
    names::AppName,
    plan::Change,
};

/// The changes that leave an app with this option, and with no other of its kind, in these phases
/// (`deploy`, `run`).
pub(in crate::steps) fn exactly(
    host: &Host,
    app: &AppName,
    phases: &[&'static str],
    wanted: &str,
    is_of_its_kind: fn(&str) -> bool,
) -> Result<Vec<Change>> {
    // In a dry run the app may not exist yet.
    let current = options::of(host, app).or_absent(Options::default())?;
    let mut changes = vec![];
    let mut is_missing = false;
    for phase in phases {
        let list = if *phase == "run" { &current.run } else { &current.deploy };
        is_missing |= !list.iter().any(|option| option == wanted);
        let others = list.iter().filter(|option| is_of_its_kind(option) && *option != wanted);
        for other in others {
            let (app, phase, other) = (app.clone(), *phase, other.clone());
            let description = format!("dokku docker-options:remove {app} {phase} {other:?}");
            changes.push(Change::new(description, move |host| {
                options::remove(host, &app, phase, &other)
            }));
        }
    }
    if is_missing {
        let (app, phases, wanted) = (app.clone(), phases.join(","), wanted.to_owned());
        let description = format!("dokku docker-options:add {app} {phases} {wanted:?}");
        changes
            .push(Change::new(description, move |host| options::add(host, &app, &phases, &wanted)));
    }
    Ok(changes)
}
