//! What Docker's restart policies do when a process ends, and when the host comes up.

use std::fs;

use crate::{DIES, Host, IMAGE, STAYS, until};

/// The policy, the script, how often it is started again, and its last exit code.
const ENDS: [(&str, &str, u32, &str); 3] =
    [("no", "seven", 0, "7"), ("on-failure:2", "seven", 2, "7"), ("on-failure:2", "zero", 0, "0")];
/// Those with which there is no end to it.
const GOES_ON: [&str; 4] = ["always", "unless-stopped", "on-failure", "on-failure:0"];

#[test]
fn the_policy_says_how_often_it_is_started_again() {
    let host = Host::new();
    let deploy = |app: &str, policy: &str, script: &str| {
        let script =
            if script == "zero" { DIES.replace("exit 7", "exit 0") } else { DIES.to_owned() };
        host.created(app, &script);
        host.ok(&format!("dokku ps:set {app} restart-policy {policy}"));
        host.ok(&format!("dokku git:from-image {app} {IMAGE}"));
        fs::write(host.data(app).join("die"), "").unwrap();
    };
    let ends: Vec<_> = ENDS.iter().zip(["a", "b", "c"]).collect();
    for ((policy, script, ..), app) in &ends {
        deploy(app, policy, script);
    }
    let goes_on: Vec<_> = GOES_ON.iter().zip(["d", "e", "f", "g"]).collect();
    for (policy, app) in &goes_on {
        deploy(app, policy, "seven");
    }
    for ((policy, script, restarts, code), app) in ends {
        until(policy, || !host.runs(app));
        assert_eq!(host.restarts(app), *restarts, "{policy} {script}");
        assert_eq!(host.inspected(app, ".State.ExitCode"), *code, "{policy} {script}");
        let died = fs::read_to_string(host.data(app).join("died")).unwrap();
        assert_eq!(died.lines().count(), 1 + *restarts as usize, "{policy} {script}");
    }
    for (policy, app) in goes_on {
        until(policy, || host.restarts(app) > 2);
        assert!(host.runs(app), "{policy}");
    }
}

/// Only those that nobody had stopped, or whose policy does not mind.
#[test]
fn docker_starts_some_when_the_host_comes_up() {
    let mut host = Host::new();
    let apps = [
        ("a", "always", false),
        ("b", "always", true),
        ("c", "unless-stopped", false),
        ("d", "unless-stopped", true),
        ("e", "no", false),
    ];
    for (app, policy, stopped) in apps {
        host.created(app, STAYS);
        host.ok(&format!("dokku ps:set {app} restart-policy {policy}"));
        host.ok(&format!("dokku git:from-image {app} {IMAGE}"));
        if stopped {
            host.ok(&format!("docker stop {app}.web.1"));
        }
    }
    host.power_cut();
    let runs: Vec<_> = apps.iter().filter(|(app, ..)| host.runs(app)).map(|app| app.0).collect();
    assert_eq!(runs, ["a", "b", "c"]);
}
