//! Containers that are started and stopped.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::thread;
use std::time::Instant;

use crate::{DIES, Host, STAYS, until};

#[test]
fn two_deploys_at_once_get_two_addresses() {
    let host = Host::new();
    thread::scope(|scope| {
        for app in ["a", "b"] {
            scope.spawn(|| host.deployed(app, STAYS));
        }
    });
    let address = |app: &str| {
        let told = host.inspected(app, ".NetworkSettings.IPAddress");
        let shown = host.ok(&format!("docker exec {app}.web.1 ip -4 -o address show dev eth0"));
        assert!(shown.contains(&format!(" {told}/16 ")), "{told}: {shown}");
        told
    };
    assert_ne!(address("a"), address("b"));
}

#[test]
fn it_is_stopped_and_started_ten_times() {
    let host = Host::new();
    host.deployed("a", STAYS);
    let id = host.inspected("a", ".Id");
    for _ in 0..10 {
        host.ok("docker stop a.web.1");
        assert!(!host.runs("a"));
        assert_eq!(host.inspected("a", ".State.Pid"), "0");
        host.ok("docker start a.web.1");
        assert!(host.runs("a"));
        // What Docker tells is the first process in it.
        let pid = host.inspected("a", ".State.Pid");
        let mut grep = host.scene.root_command("grep").unwrap();
        let said = grep.args(["NSpid", &format!("/proc/{pid}/status")]).output().unwrap().stdout;
        assert!(String::from_utf8(said).unwrap().ends_with("\t1\n"), "{pid}");
    }
    assert_eq!((host.inspected("a", ".Id"), host.restarts("a")), (id, 0));
}

/// In the pause nothing runs, and nothing starts any more after it.
#[test]
fn it_is_stopped_in_the_pause_before_a_restart() {
    let host = Host::new();
    host.created("a", DIES);
    host.ok("dokku ps:set a restart-policy always");
    host.ok(&format!("dokku git:from-image a {}", crate::IMAGE));
    fs::write(host.data("a").join("die"), "").unwrap();
    // By now the pause takes 6.4 s: long enough for all that is asked in it.
    until("it is not started again", || host.restarts("a") >= 7);
    let (restarts, id) = (host.restarts("a"), host.inspected("a", ".Id"));
    for (field, wanted) in [("Status", "restarting"), ("Restarting", "true"), ("Pid", "0")] {
        assert_eq!(host.inspected("a", &format!(".State.{field}")), wanted);
    }
    assert_eq!(host.inspected("a", ".NetworkSettings.IPAddress"), "");
    let said = host.ends("docker exec a.web.1 true", 1);
    assert!(said.contains("is restarting, wait until the container is running"), "{said}");
    host.ok("docker stop a.web.1");
    assert!(!host.runs("a"));
    assert_eq!(host.inspected("a", ".State.ExitCode"), "7");
    // The pause need not pass: nobody is left who would start it.
    until("it is still kept", || !is_kept(&host, &id));
    assert_eq!((host.runs("a"), host.restarts("a")), (false, restarts));
    // It counts from 0 again.
    host.ok("docker start a.web.1");
    assert!(is_kept(&host, &id));
    until("it is not started again", || (1..restarts).contains(&host.restarts("a")));
}

/// Whether there is a process that keeps a container.
fn is_kept(host: &Host, id: &str) -> bool {
    let mut keeper = host.scene.root_command("pgrep").unwrap();
    let seen = keeper.args(["--full", &format!("^engine supervise {id}")]).output().unwrap();
    seen.status.success()
}

/// One that does not listen is killed after as long as Dokku says. Given longer, this one ends by itself.
#[test]
fn it_is_given_time_to_end() {
    let host = Host::new();
    host.deployed("deaf", "trap 'sleep 9; exit 4' TERM; while :; do sleep 0.05; done");
    host.ok("dokku ps:set deaf stop-timeout-seconds 1");
    let since = Instant::now();
    host.ok("dokku ps:stop deaf");
    assert!(since.elapsed().as_secs() >= 1, "{:?}", since.elapsed());
    assert_eq!(host.inspected("deaf", ".State.ExitCode"), "137");
}

/// Who kept it was killed, and could not say what became of it.
#[test]
fn it_is_stopped_after_its_keeper_was_killed() {
    let host = Host::new();
    host.deployed("a", STAYS);
    let id = host.inspected("a", ".Id");
    let mut keeper = host.scene.root_command("pkill").unwrap();
    let killed = keeper.args(["-KILL", "--full", &format!("^engine supervise {id}")]).status();
    assert!(killed.unwrap().success());
    host.ok("docker stop a.web.1");
    assert!(!host.runs("a"));
    host.ok("docker start a.web.1");
    host.ok("docker exec a.web.1 true");
}

/// Dokku looks at one that it checks until it listens, or has run for ten seconds.
#[test]
fn it_is_looked_at_until_it_listens() {
    let host = Host::new();
    // Looked at for longer, it would be seen to end.
    let listens = "sleep 1; timeout 6 python3 -m http.server 5000; exit 3";
    for (app, script, code, least) in
        [("listens", listens, 0, 1), ("ends", "sleep 2; exit 3", 1, 2), ("neither", STAYS, 0, 10)]
    {
        host.created(app, script);
        host.ok(&format!("dokku checks:enable {app} web"));
        let since = Instant::now();
        host.ends(&format!("dokku git:from-image {app} {}", crate::IMAGE), code);
        assert!(since.elapsed().as_secs() >= least, "{app}: {:?}", since.elapsed());
    }
}

/// Its images ask nginx to finish what it is about, which one that is cut off does not.
#[test]
fn nginx_ends_when_it_has_answered() {
    let host = Host::new();
    host.scene.update(|state| state.pullable.insert("nginx:1".to_owned())).unwrap();
    host.ok("dokku apps:create site");
    host.ok("dokku ps:set site stop-timeout-seconds 1");
    host.ok("dokku git:from-image site nginx:1");
    let at = host.inspected("site", ".NetworkSettings.IPAddress");
    let asks = format!("exec 3<>/dev/tcp/{at}/5000; printf 'GET / HTTP/1.1\r\n' >&3; echo; read");
    let mut bash = host.scene.root_command("bash").unwrap();
    let bash = bash.args(["-c", &asks]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = bash.spawn().unwrap();
    BufReader::new(client.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    host.ok("dokku ps:stop site");
    assert_eq!(host.inspected("site", ".State.ExitCode"), "137");
    drop(client.stdin.take());
    client.wait().unwrap();
    host.ok("docker start site.web.1");
    let served = || host.run("docker exec site.web.1 curl -s localhost:5000").status;
    until("it does not serve", || served().success());
    host.ok("dokku ps:stop site");
    assert_eq!(host.inspected("site", ".State.ExitCode"), "0");
}
