//! The stood-in host, with something that answers where its nginx and its Synapse would.

use super::scenario::APPS;
use super::{Place, User};
use crate::contract::homeserver::Homeserver;
use crate::contract::rig::Rig;
use crate::contract::web::trusted;
use crate::plugin_copy::Ran;
use stand_in::Status;
use std::collections::BTreeMap;
use std::process::Command;

pub(super) struct StoodIn {
    rig: Rig,
    homeservers: BTreeMap<&'static str, Homeserver>,
}

impl StoodIn {
    pub(super) fn new() -> Self {
        let rig = Rig::new().lanes(3);
        let homeservers = APPS.map(|app| (app, rig.homeserver(app))).into();
        Self { rig, homeservers }
    }
}

impl Place for StoodIn {
    fn global_domain(&self) -> String {
        "site.test".to_owned()
    }

    fn dokku(&self, line: &str, stdin: &str) -> Ran {
        self.rig.dokku_with(line, stdin.as_bytes())
    }

    fn curl(&self) -> Command {
        let mut curl = Command::new("curl");
        curl.arg("--cacert").arg(trusted());
        for (name, port) in self.rig.ports() {
            let public = name.trim_start_matches("DOKKU_MATRIX_").trim_end_matches("_PORT");
            let public = public.replace("HTTPS", "443").replace("HTTP", "80");
            curl.arg("--connect-to").arg(format!(":{public}:127.0.0.1:{port}"));
        }
        curl
    }

    /// There is nobody to talk to, but the accounts are known.
    fn is_at_home(&self, user: &User<'_>) {
        let id = format!("@{}:{}", user.name, user.domain);
        let accounts = self.homeservers.values().flat_map(Homeserver::users);
        let mut passwords = accounts.filter(|(account, _)| *account == id);
        assert_eq!(passwords.next().unwrap().1.password, user.password);
    }

    fn mains(&self, server: &str) -> usize {
        let state = self.rig.state();
        assert!(state.max_mains.values().all(|mains| *mains <= 1));
        let folder = format!("/data/matrix/{server}/config:/config");
        let holds = |mounts: &[String]| mounts.iter().any(|mount| mount.contains(&folder));
        let containers = state.containers.iter();
        containers.filter(|c| c.status == Status::Running && holds(&c.mounts)).count()
    }

    fn reboot(&self, _: &str) {
        self.rig.scene.reboot().unwrap();
        self.rig.ok("ps:restore");
    }
}
