//! Docker's restart policies: when a process exits, and when the host boots.

use std::fs;

use crate::{CRASHES, Host, IMAGE, RUNS, wait_until};

/// The policy, the script, the number of restarts, and the last exit code.
const LIMITED: [(&str, &str, u32, &str); 3] =
    [("no", "seven", 0, "7"), ("on-failure:2", "seven", 2, "7"), ("on-failure:2", "zero", 0, "0")];
/// The policies that restart without a limit.
const UNLIMITED: [&str; 4] = ["always", "unless-stopped", "on-failure", "on-failure:0"];

#[test]
fn restarts_as_often_as_the_policy_allows() {
    let host = Host::new();
    let deploy = |app: &str, policy: &str, script: &str| {
        let script =
            if script == "zero" { CRASHES.replace("exit 7", "exit 0") } else { CRASHES.to_owned() };
        host.created(app, &script);
        host.ok(&format!("dokku ps:set {app} restart-policy {policy}"));
        host.ok(&format!("dokku git:from-image {app} {IMAGE}"));
        fs::write(host.data(app).join("crash"), "").unwrap();
    };
    let limited: Vec<_> = LIMITED.iter().zip(["a", "b", "c"]).collect();
    for ((policy, script, ..), app) in &limited {
        deploy(app, policy, script);
    }
    let unlimited: Vec<_> = UNLIMITED.iter().zip(["d", "e", "f", "g"]).collect();
    for (policy, app) in &unlimited {
        deploy(app, policy, "seven");
    }
    for ((policy, script, restarts, code), app) in limited {
        wait_until(policy, || !host.is_up(app));
        assert_eq!(host.restarts(app), *restarts, "{policy} {script}");
        assert_eq!(host.inspect(app, ".State.ExitCode"), *code, "{policy} {script}");
        let crashes = fs::read_to_string(host.data(app).join("crashes")).unwrap();
        assert_eq!(crashes.lines().count(), 1 + *restarts as usize, "{policy} {script}");
    }
    for (policy, app) in unlimited {
        wait_until(policy, || host.restarts(app) > 2);
        assert!(host.is_up(app), "{policy}");
    }
}

/// `always` starts even a container that was stopped before; `unless-stopped` does not.
#[test]
fn starts_containers_at_boot_by_their_policy() {
    let mut host = Host::new();
    let apps = [
        ("a", "always", false),
        ("b", "always", true),
        ("c", "unless-stopped", false),
        ("d", "unless-stopped", true),
        ("e", "no", false),
    ];
    for (app, policy, stopped) in apps {
        host.created(app, RUNS);
        host.ok(&format!("dokku ps:set {app} restart-policy {policy}"));
        host.ok(&format!("dokku git:from-image {app} {IMAGE}"));
        if stopped {
            host.ok(&format!("docker stop {app}.web.1"));
        }
    }
    host.power_cut();
    let runs: Vec<_> = apps.iter().filter(|(app, ..)| host.is_up(app)).map(|app| app.0).collect();
    assert_eq!(runs, ["a", "b", "c"]);
}
