//! The containers can do nothing that they need not: no capabilities, no new privileges, no change
//! of their own files, and no endless processes.
//!
//! The process has dokku's uid, which on such a host is almost root, so that no file of it needs
//! root. This takes away what makes an escape from a container easy. An option of the same kind that
//! the administrator has added stays.

use crate::{
    component::Component,
    dokku::{
        docker::Isolation as Actual,
        flags::{self, Flag},
        options::{self, Options},
        storage,
    },
    error::Result,
    host::Host,
    plan::{Change, State, Step, StepId},
};
use std::{collections::BTreeMap, sync::Arc};

/// The containers of an app are isolated.
#[derive(Debug)]
pub(super) struct Isolated(pub(super) Arc<Component>);

impl Step for Isolated {
    fn id(&self) -> StepId {
        self.0.step("isolated")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![self.0.step("behind-nginx")]
    }

    fn title(&self) -> String {
        format!("Isolating the containers of {}", self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        let app = &self.0.app;
        // In a dry run the app may not exist yet.
        let current = options::of(host, app).or_absent(Options::default())?;
        let mounted: Vec<String> = storage::of(host, app)
            .or_absent(vec![])?
            .into_iter()
            .map(|mounted| mounted.mount.container)
            .collect();
        // One call for all that is missing in the same phases: Dokku makes an option of each flag.
        let mut missing: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for option in self.0.isolation {
            let wanted = flags::of(option);
            let is_there = |list: &[String]| {
                let there = || list.iter().flat_map(|option| flags::of(option));
                wanted.iter().all(|wanted| there().any(|flag| replaces(&flag, wanted)))
            };
            let phases = [("deploy", &current.deploy), ("run", &current.run)].into_iter();
            let phases: Vec<&str> =
                phases.filter(|(_, list)| !is_there(list)).map(|(phase, _)| phase).collect();
            if !phases.is_empty() && !wanted.iter().any(|flag| is_mounted(flag, &mounted)) {
                missing.entry(phases.join(",")).or_default().push(option);
            }
        }
        let changes = missing.into_iter().map(|(phases, options)| {
            let (app, options) = (app.clone(), options.join(" "));
            let description = format!("dokku docker-options:add {app} {phases} {options:?}");
            Change::new(description, move |host| options::add(host, &app, &phases, &options))
        });
        Ok(State::of(changes))
    }
}

/// Whether an option of the app has the place of one of ours.
fn replaces(flag: &Flag, wanted: &Flag) -> bool {
    let value = flag.value.as_deref().unwrap_or_default();
    if wanted.name == "--tmpfs" {
        return flag.is(&["--tmpfs", "-v", "--volume", "--mount"]) && covers(flag, path(wanted));
    }
    flag.name == wanted.name
        && match flag.name.as_str() {
            "--cap-drop" => value.eq_ignore_ascii_case("all"),
            "--security-opt" => value.starts_with("no-new-privileges"),
            _ => true,
        }
}

/// Whether a file system in memory of ours would be in the place of a mount.
fn is_mounted(wanted: &Flag, mounted: &[String]) -> bool {
    wanted.name == "--tmpfs" && mounted.iter().any(|place| place == path(wanted))
}

/// The path of `--tmpfs path[:options]`.
fn path(tmpfs: &Flag) -> &str {
    let value = tmpfs.value.as_deref().unwrap_or_default();
    value.split(':').next().unwrap_or(value)
}

/// Whether a flag mounts something at a path.
fn covers(flag: &Flag, place: &str) -> bool {
    let value = flag.value.as_deref().unwrap_or_default();
    match flag.name.as_str() {
        "--tmpfs" => path(flag) == place,
        "--mount" => value.split(',').any(|part| {
            let pair = part.split_once('=');
            pair.is_some_and(|(key, value)| {
                matches!(key, "target" | "dst" | "destination") && value == place
            })
        }),
        _ => value.split(':').nth(1).unwrap_or(value) == place,
    }
}

/// Whether a container was started with those of our options that the app has.
pub fn is_isolated(host: &Host, component: &Component, actual: &Actual) -> Result<bool> {
    let current = options::of(host, &component.app).or_absent(Options::default())?;
    let ours =
        component.isolation.iter().filter(|ours| current.deploy.iter().any(|one| one == *ours));
    Ok(ours.flat_map(|option| flags::of(option)).all(|flag| has(actual, &flag)))
}

fn has(actual: &Actual, flag: &Flag) -> bool {
    let value = flag.value.as_deref().unwrap_or_default();
    match flag.name.as_str() {
        "--cap-drop" => actual.dropped.iter().any(|name| name == value),
        "--security-opt" => actual.security.iter().any(|option| option == value),
        "--read-only" => actual.read_only,
        "--tmpfs" => actual.tmpfs.contains_key(path(flag)),
        _ => actual.pids.is_some_and(|pids| pids.to_string() == value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::CATALOG;

    #[test]
    fn keeps_what_the_administrator_added() {
        for (option, ours, wanted) in [
            ("--cap-drop=all", "--cap-drop ALL", true),
            ("--cap-drop NET_RAW", "--cap-drop ALL", false),
            ("--cap-add SYS_PTRACE", "--cap-drop ALL", false),
            ("--security-opt=no-new-privileges:true", "--security-opt no-new-privileges", true),
            ("--security-opt no-new-privileges:false", "--security-opt no-new-privileges", true),
            ("--security-opt seccomp=a.json", "--security-opt no-new-privileges", false),
            ("--read-only=false", "--read-only", true),
            ("--tmpfs /tmp:size=1g", "--tmpfs /tmp", true),
            ("--tmpfs /tmp/a", "--tmpfs /tmp", false),
            ("-v /srv/tmp:/tmp", "--tmpfs /tmp", true),
            ("-v /tmp:/srv", "--tmpfs /tmp", false),
            ("--mount type=tmpfs,target=/tmp", "--tmpfs /tmp", true),
            ("--mount type=bind,source=/tmp,target=/a", "--tmpfs /tmp", false),
            ("--pids-limit 2000", "--pids-limit 1024", true),
            ("--memory 1g", "--pids-limit 1024", false),
        ] {
            let (flag, ours) = (&flags::of(option)[0], &flags::of(ours)[0]);
            assert_eq!(replaces(flag, ours), wanted, "{option} for {ours:?}");
        }
        let tmp = &flags::of("--tmpfs /tmp")[0];
        assert!(is_mounted(tmp, &["/tmp".to_owned()]) && !is_mounted(tmp, &["/data".to_owned()]));
    }

    /// Each of our options is one flag, which Dokku keeps as it is.
    #[test]
    fn options_are_one_flag_each() {
        for kind in CATALOG.0 {
            let spec = crate::synapse::sample::spec();
            let of = (&spec.app.clone(), &spec.domain.clone(), &spec.image.clone());
            let paths = spec.paths(&crate::host::env::Env::of(&[]));
            let component = Component::new(kind, &Arc::new(spec.clone()), &Arc::default(), of);
            for option in (kind.describe)(component, &paths).isolation {
                assert_eq!(flags::of(option).len(), 1, "{option}");
            }
        }
    }
}
