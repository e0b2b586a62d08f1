//! Nothing leads to a container past nginx: a port that Docker publishes is open to everybody,
//! whatever the firewall says, and who reaches Synapse's own port reaches its administration and
//! can claim any address as the client's.
//!
//! Ports other than the component's own may be published on the loopback interface.

use crate::{
    component::Component,
    dokku::{
        docker::Container,
        flags::{self, Flag},
        network::{self, Network},
        options::{self, Options},
    },
    error::Result,
    host::Host,
    names::AppName,
    plan::{Change, State, Step, StepId},
};
use std::sync::Arc;

/// The containers of an app are reached through nginx only.
#[derive(Debug)]
pub(super) struct BehindNginx(pub(super) Arc<Component>);

impl Step for BehindNginx {
    fn id(&self) -> StepId {
        self.0.step("behind-nginx")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![self.0.step("environment")]
    }

    fn title(&self) -> String {
        format!("Keeping {} behind nginx", self.0.app)
    }

    fn app(&self) -> Option<&str> {
        Some(self.0.app.as_str())
    }

    fn check(&self, host: &Host) -> Result<State> {
        network_changes(host, &self.0.app, Some(self.0.port)).map(State::of)
    }
}

/// The changes that leave nginx as the only way to the containers of an app, whose program listens
/// on `port`; if that is not known, no port may be published.
pub fn network_changes(host: &Host, app: &AppName, port: Option<u16>) -> Result<Vec<Change>> {
    // In a dry run the app may not exist yet.
    let network = network::of(host, app).or_absent(Network::default())?;
    let mut changes = vec![];
    let mut set = |property: &'static str, value: &'static str| {
        let app = app.clone();
        let description = format!("dokku network:set {app} {property} {value}");
        changes
            .push(Change::new(description, move |host| network::set(host, &app, property, value)));
    };
    // Set for the app: its own value holds whatever the host's is.
    if network.is_public() {
        set("bind-all-interfaces", "false");
    }
    if network.initial == "host" {
        set("initial-network", "bridge");
    }
    let options = options::of(host, app).or_absent(Options::default())?;
    let mut all = options.all();
    // Dokku keeps an option that is added twice, and removes both.
    all.dedup();
    for (scope, option) in all {
        if !flags::of(option).iter().any(|flag| is_public(flag, port)) {
            continue;
        }
        let (app, option) = (app.clone(), option.to_owned());
        changes.push(Change::new(scope.removal(&app, &option), move |host| {
            options::remove_from(host, &app, &scope, &option)
        }));
    }
    Ok(changes)
}

/// Whether a flag opens another way to the container.
fn is_public(flag: &Flag, port: Option<u16>) -> bool {
    let value = flag.value.as_deref().unwrap_or_default();
    if flag.is(&["-p", "--publish"]) {
        !port.is_some_and(|port| flags::is_published_locally(value, port))
    } else if flag.is(&["--network", "--net"]) {
        value.split(',').any(|part| matches!(part, "host" | "name=host"))
    } else {
        flag.is(&["-P", "--publish-all"]) && flag.is_on()
    }
}

/// Whether a container was started with another way to it.
pub fn is_exposed(container: &Container, component: &Component) -> bool {
    let isolation = &container.isolation;
    let is_public = |(key, address): (&str, &str)| {
        let port = key.split('/').next().unwrap_or(key);
        port == component.port.to_string() || !flags::is_loopback(address)
    };
    isolation.network_mode == "host" || isolation.publishes_all || isolation.ports().any(is_public)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_options_that_bypass_nginx() {
        for (option, wanted) in [
            ("-p 8008:8008", true),
            ("-p 127.0.0.1:8008:8008", true),
            ("--publish=9000:9000", true),
            ("--publish=127.0.0.1:9000:9000", false),
            ("-P", true),
            ("--publish-all", true),
            ("--publish-all=false", false),
            ("--network host", true),
            ("--network=host", true),
            ("--net=host", true),
            ("--network name=host,alias=a", true),
            ("--network=bridge", false),
            ("--network-alias host", false),
            ("--pids-limit 512", false),
            ("--env=A=-P", false),
        ] {
            let flags = flags::of(option);
            assert_eq!(flags.iter().any(|flag| is_public(flag, Some(8008))), wanted, "{option}");
        }
    }
}
