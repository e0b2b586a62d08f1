//! Starting and stopping containers.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::thread;
use std::time::Instant;

use crate::{CRASHES, Host, RUNS, wait_until};

#[test]
fn parallel_deploys_get_different_addresses() {
    let host = Host::new();
    thread::scope(|scope| {
        for app in ["a", "b"] {
            scope.spawn(|| host.deployed(app, RUNS));
        }
    });
    let address = |app: &str| {
        let inspected = host.inspect(app, ".NetworkSettings.IPAddress");
        let output = host.ok(&format!("docker exec {app}.web.1 ip -4 -o address show dev eth0"));
        assert!(output.contains(&format!(" {inspected}/16 ")), "{inspected}: {output}");
        inspected
    };
    assert_ne!(address("a"), address("b"));
}

#[test]
fn stops_and_starts_repeatedly() {
    let host = Host::new();
    host.deployed("a", RUNS);
    let id = host.inspect("a", ".Id");
    for _ in 0..10 {
        host.ok("docker stop a.web.1");
        assert!(!host.is_up("a"));
        assert_eq!(host.inspect("a", ".State.Pid"), "0");
        host.ok("docker start a.web.1");
        assert!(host.is_up("a"));
        // `docker inspect` reports the first process in the container.
        let pid = host.inspect("a", ".State.Pid");
        let mut grep = host.scene.root_command("grep").unwrap();
        let output = grep.args(["NSpid", &format!("/proc/{pid}/status")]).output().unwrap().stdout;
        assert!(String::from_utf8(output).unwrap().ends_with("\t1\n"), "{pid}");
    }
    assert_eq!((host.inspect("a", ".Id"), host.restarts("a")), (id, 0));
}

/// During the back-off nothing runs, and after `docker stop` nothing is restarted.
#[test]
fn stops_during_a_restart_backoff() {
    let host = Host::new();
    host.created("a", CRASHES);
    host.ok("dokku ps:set a restart-policy always");
    host.ok(&format!("dokku git:from-image a {}", crate::IMAGE));
    fs::write(host.data("a").join("crash"), "").unwrap();
    // The seventh back-off takes 6.4 s: long enough for all checks below.
    wait_until("it is not restarted", || host.restarts("a") >= 7);
    let (restarts, id) = (host.restarts("a"), host.inspect("a", ".Id"));
    for (field, expected) in [("Status", "restarting"), ("Restarting", "true"), ("Pid", "0")] {
        assert_eq!(host.inspect("a", &format!(".State.{field}")), expected);
    }
    assert_eq!(host.inspect("a", ".NetworkSettings.IPAddress"), "");
    let output = host.exits_with("docker exec a.web.1 true", 1);
    assert!(output.contains("is restarting, wait until the container is running"), "{output}");
    host.ok("docker stop a.web.1");
    assert!(!host.is_up("a"));
    assert_eq!(host.inspect("a", ".State.ExitCode"), "7");
    // The supervisor ends without waiting for the back-off.
    wait_until("it still has a supervisor", || !is_supervised(&host, &id));
    assert_eq!((host.is_up("a"), host.restarts("a")), (false, restarts));
    // The restart counter starts from 0 again.
    host.ok("docker start a.web.1");
    assert!(is_supervised(&host, &id));
    wait_until("it is not restarted", || (1..restarts).contains(&host.restarts("a")));
}

/// Whether the container has a supervisor.
fn is_supervised(host: &Host, id: &str) -> bool {
    let mut supervisor = host.scene.root_command("pgrep").unwrap();
    let seen = supervisor.args(["--full", &format!("^engine supervise {id}")]).output().unwrap();
    seen.status.success()
}

/// A process that ignores the stop signal is killed after Dokku's stop timeout. With a longer
/// timeout this one would exit by itself.
#[test]
fn kills_after_the_stop_timeout() {
    let host = Host::new();
    host.deployed("deaf", "trap 'sleep 9; exit 4' TERM; while :; do sleep 0.05; done");
    host.ok("dokku ps:set deaf stop-timeout-seconds 1");
    let since = Instant::now();
    host.ok("dokku ps:stop deaf");
    assert!(since.elapsed().as_secs() >= 1, "{:?}", since.elapsed());
    assert_eq!(host.inspect("deaf", ".State.ExitCode"), "137");
}

/// A killed supervisor cannot record the end of the container.
#[test]
fn stops_after_its_supervisor_was_killed() {
    let host = Host::new();
    host.deployed("a", RUNS);
    let id = host.inspect("a", ".Id");
    let mut supervisor = host.scene.root_command("pkill").unwrap();
    let killed = supervisor.args(["-KILL", "--full", &format!("^engine supervise {id}")]).status();
    assert!(killed.unwrap().success());
    host.ok("docker stop a.web.1");
    assert!(!host.is_up("a"));
    host.ok("docker start a.web.1");
    host.ok("docker exec a.web.1 true");
}

/// With checks Dokku waits until the process listens, or has run for ten seconds.
#[test]
fn checks_wait_until_it_listens() {
    let host = Host::new();
    // If Dokku waited longer, it would see the process exit.
    let listens = "sleep 1; timeout 6 python3 -m http.server 5000; exit 3";
    for (app, script, code, least) in
        [("listens", listens, 0, 1), ("exits", "sleep 2; exit 3", 1, 2), ("neither", RUNS, 0, 10)]
    {
        host.created(app, script);
        host.ok(&format!("dokku checks:enable {app} web"));
        let since = Instant::now();
        host.exits_with(&format!("dokku git:from-image {app} {}", crate::IMAGE), code);
        assert!(since.elapsed().as_secs() >= least, "{app}: {:?}", since.elapsed());
    }
}

/// The nginx image stops with SIGQUIT, so that nginx finishes open requests. A killed nginx does
/// not.
#[test]
fn nginx_finishes_open_requests() {
    let host = Host::new();
    host.scene.update(|state| state.pullable.insert("nginx:1".to_owned())).unwrap();
    host.ok("dokku apps:create site");
    host.ok("dokku ps:set site stop-timeout-seconds 1");
    host.ok("dokku git:from-image site nginx:1");
    let at = host.inspect("site", ".NetworkSettings.IPAddress");
    let request =
        format!("exec 3<>/dev/tcp/{at}/5000; printf 'GET / HTTP/1.1\r\n' >&3; echo; read");
    let mut bash = host.scene.root_command("bash").unwrap();
    let bash = bash.args(["-c", &request]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = bash.spawn().unwrap();
    BufReader::new(client.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    host.ok("dokku ps:stop site");
    assert_eq!(host.inspect("site", ".State.ExitCode"), "137");
    drop(client.stdin.take());
    client.wait().unwrap();
    host.ok("docker start site.web.1");
    let served = || host.run("docker exec site.web.1 curl -s localhost:5000").status;
    wait_until("it does not serve", || served().success());
    host.ok("dokku ps:stop site");
    assert_eq!(host.inspect("site", ".State.ExitCode"), "0");
}
