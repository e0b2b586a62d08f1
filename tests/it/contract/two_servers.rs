//! Two homeservers on one host: both have port 8448, one of them is the default server there, and
//! the nginx configuration is valid at every moment.

use super::harness::{TestHost, in_parallel};
use super::homeserver::Homeserver;
use super::snapshot::{PreparedHost, Snapshots};
use std::fs;

struct TwoServers {
    host: TestHost,
    second: Homeserver,
}

/// A host with `matrix`, the default server on 8448, and `matrix2`.
fn two_servers() -> TwoServers {
    let host = TestHost::new();
    host.scene.update(|state| state.ufw.active = true).unwrap();
    let second = host.homeserver("matrix2");
    for app in ["matrix", "matrix2"] {
        host.ok(&format!("matrix:create {app} --email a@site.test"));
    }
    host.changes();
    TwoServers { host, second }
}

/// The app that is the default server on 8448 according to both the record and nginx.
fn default_server(host: &TestHost) -> Vec<String> {
    let record = host.default_8448();
    let is = |app: &&str| {
        let conf = fs::read_to_string(host.scene.root().join(app).join("nginx.conf"));
        conf.is_ok_and(|conf| conf.contains("listen 8448 ssl default_server;"))
    };
    let apps: Vec<_> = ["matrix", "matrix2"].iter().filter(|app| is(app)).collect();
    let named: Vec<_> = record.iter().map(|name| name.split('.').next().unwrap()).collect();
    assert_eq!(named, apps.iter().map(|app| **app).collect::<Vec<_>>());
    apps.into_iter().map(|app| (*app).to_owned()).collect()
}

fn port_is_open(host: &TestHost) -> bool {
    host.state().ufw.allowed.contains("8448/tcp")
}

/// Checks that nginx accepts its configuration before every call of Dokku that the command makes.
fn assert_nginx_stays_valid(host: &TestHost, line: &str) {
    let bad = host.scene.path().join("bad");
    let log = format!("echo $STAND_IN_TRIGGER $* >> {}", bad.display());
    host.override_program("dokku", "! sudo -n nginx -t &> /dev/null", &log);
    host.ok(line);
    assert_eq!(fs::read_to_string(bad).unwrap_or_default(), "", "nginx was not valid before these");
    assert_eq!(host.dokku("nginx:validate-config").code, Some(0));
}

#[test]
fn run_side_by_side() {
    let two = two_servers();
    let (host, second) = (&two.host, &two.second);
    assert_eq!(default_server(host), ["matrix"]);
    assert!(port_is_open(host));
    let state = host.state();
    for app in ["matrix", "matrix2"] {
        assert_eq!(state.apps[app].ports, ["http:80:8008", "https:443:8008", "https:8448:8008"]);
        assert_eq!(state.running(app).count(), 1);
        assert!(state.services[&format!("{app}-db")].links.contains(app));
    }
    assert_eq!(state.max_mains.len(), 2);
    assert!(state.max_mains.values().all(|mains| *mains == 1));
    let key = |name: &str| {
        let path = format!("data/matrix/{name}.site.test/config/secrets/signing.key");
        fs::read_to_string(host.lib(&path)).unwrap()
    };
    assert_ne!(key("matrix"), key("matrix2"));
    let list = "=====> Matrix homeservers\nmatrix\nmatrix2\n";
    assert_eq!(host.dokku("matrix:list").stdout, list);
    for app in ["matrix", "matrix2"] {
        host.changes();
        host.ok(&format!("matrix:deploy {app}"));
        assert_eq!(host.changes(), [""; 0]);
        assert_eq!(
            host.dokku_with(&format!("matrix:register-user {app} al"), b"secret").code,
            Some(0)
        );
    }
    // Each server has its own users.
    let ids = |server: &Homeserver| server.users().into_keys().collect::<Vec<_>>();
    assert_eq!(ids(&host.synapse), ["@al:matrix.site.test"]);
    assert_eq!(ids(second), ["@al:matrix2.site.test"]);
}

/// A file of version 1 had the name that this server has.
#[test]
fn server_named_like_an_internal_file() {
    let host = TestHost::new();
    let _odd = host.homeserver("odd");
    host.ok("matrix:create matrix --email a@site.test");
    host.ok("matrix:create odd --email a@site.test --server-name default-8448");
    host.changes();
    for line in ["matrix:deploy odd", "matrix:deploy matrix", "matrix:report", "ps:restart matrix"]
    {
        host.ok(line);
    }
    assert_eq!(host.default_8448().as_deref(), Some("matrix.site.test"));
    assert_eq!(host.dokku("--force apps:destroy matrix").code, Some(0));
    assert_eq!(host.default_8448().as_deref(), Some("default-8448"));
    host.ok("matrix:deploy odd");
}

#[test]
fn next_server_becomes_the_default() {
    let two = two_servers();
    let host = &two.host;
    host.ok("matrix:create matrix --no-8448");
    assert_eq!(
        host.changes(),
        ["dokku ports:set matrix http:80:8008 https:443:8008", "dokku proxy:build-config matrix2",]
    );
    assert_eq!(default_server(host), ["matrix2"]);
    assert!(port_is_open(host));
    for app in ["matrix", "matrix2"] {
        host.ok(&format!("matrix:deploy {app}"));
    }
    assert_eq!(host.changes(), [""; 0]);
    // It can use the port again, but does not become the default.
    host.ok("matrix:create matrix --8448");
    assert_eq!(host.changes().len(), 1);
    assert_eq!(default_server(host), ["matrix2"]);
    // The port is closed once no homeserver uses it.
    for app in ["matrix", "matrix2"] {
        host.ok(&format!("matrix:create {app} --no-8448"));
    }
    assert_eq!(default_server(host), [""; 0]);
    assert!(!port_is_open(host));
}

#[test]
fn nginx_stays_valid_when_the_default_changes() {
    let two = two_servers();
    let host = &two.host;
    assert_nginx_stays_valid(host, "matrix:create matrix --no-8448");
    assert_eq!(default_server(host), ["matrix2"]);
}

#[test]
fn nginx_stays_valid_when_the_default_is_destroyed() {
    let two = two_servers();
    let host = &two.host;
    assert_nginx_stays_valid(host, "--force apps:destroy matrix");
    assert_eq!(default_server(host), ["matrix2"]);
    assert!(port_is_open(host));
    host.changes();
    host.ok("matrix:deploy matrix2");
    assert_eq!(host.changes(), [""; 0]);
    // The first server is created again, and the second one stays the default.
    let key = host.secrets();
    host.ok("matrix:create matrix");
    assert_eq!(host.secrets(), key);
    assert_eq!(default_server(host), ["matrix2"]);
    for app in ["matrix2", "matrix"] {
        assert_eq!(host.dokku(&format!("--force apps:destroy {app}")).code, Some(0));
    }
    assert_eq!(default_server(host), [""; 0]);
    assert!(!port_is_open(host));
    assert!(host.state().max_mains.values().all(|mains| *mains == 1));
}

/// Whoever closes the port holds the host's lock: another command may just be opening it.
#[test]
fn port_is_closed_under_the_lock_of_the_host() {
    let prepared = PreparedHost::from_host(two_servers().host);
    for lines in [
        ["matrix:create matrix --no-8448", "matrix:create matrix2 --no-8448"],
        ["--force apps:destroy matrix", "--force apps:destroy matrix2"],
    ] {
        let host = prepared.copy();
        let _second = host.homeserver("matrix2");
        let log = host.scene.path().join("ufw");
        let lock = host.lib("data/matrix/.host/locks/host");
        // flock succeeds where nobody holds the lock.
        let held = format!("! flock --nonblock {} true && echo held", lock.display());
        let action = format!("({held} || echo free) >> {}", log.display());
        host.override_program("sudo", r#"[[ $* == *"ufw delete"* ]]"#, &action);
        for line in lines {
            host.ok(line);
        }
        assert!(!port_is_open(&host), "{lines:?}");
        assert_eq!(fs::read_to_string(log).unwrap(), "held\n", "{lines:?}");
    }
}

/// The machine fails while the default moves to the next server. A deploy of either one completes
/// it.
#[test]
fn either_deploy_completes_a_killed_hand_over() {
    let two = two_servers();
    let host = &two.host;
    let recording = Snapshots::record(host);
    host.ok("matrix:create matrix --no-8448");
    let snapshots = recording.all();
    let passing: Vec<_> = snapshots
        .iter()
        .filter(|snapshot| {
            let call = Snapshots::call(snapshot);
            call.contains("proxy:build-config") || call.contains("ports:set")
        })
        .collect();
    assert_eq!(passing.len(), 2);
    in_parallel(&passing, |snapshot| {
        for (first, then) in [("matrix", "matrix2"), ("matrix2", "matrix")] {
            let host = recording.restore(snapshot);
            let _second = host.homeserver("matrix2");
            for app in [first, then] {
                host.ok(&format!("matrix:deploy {app}"));
                assert_eq!(host.dokku("nginx:validate-config").code, Some(0));
            }
            host.ok("matrix:deploy matrix2");
            assert_eq!(
                default_server(&host),
                ["matrix2"],
                "{first}, before {}",
                Snapshots::call(snapshot)
            );
        }
    });
}

/// Killed after the next default was recorded, before nginx had the new configuration. The next
/// deploy completes it.
#[test]
fn deploy_completes_a_recorded_hand_over() {
    let two = two_servers();
    let host = &two.host;
    let template = "data/matrix/matrix2.site.test/nginx/nginx.conf.sigil";
    let before = fs::read_to_string(host.lib(template)).unwrap();
    let recording = Snapshots::record(host);
    host.ok("matrix:create matrix --no-8448");
    let snapshots = recording.all();
    let before_call = |text: &str| {
        let snapshot = snapshots.iter().find(|snapshot| Snapshots::call(snapshot).contains(text));
        snapshot.unwrap_or_else(|| panic!("no call of {text}"))
    };
    let (before_validation, before_build) =
        (before_call("matrix2.site.test/nginx"), before_call("dokku proxy:build-config matrix2"));
    let cases = [
        ("recorded", before_validation),
        ("written", before_validation),
        ("verified", before_build),
    ];
    in_parallel(&cases, |(case, snapshot)| {
        let host = recording.restore(snapshot);
        let _second = host.homeserver("matrix2");
        if *case == "recorded" {
            fs::write(host.lib(template), &before).unwrap();
        }
        assert_eq!(host.default_8448().as_deref(), Some("matrix2.site.test"));
        for changes in [&["dokku proxy:build-config matrix2"][..], &[]] {
            host.ok("matrix:deploy matrix");
            assert_eq!(host.changes(), changes, "{case}");
            assert_eq!(default_server(&host), ["matrix2"], "{case}");
        }
    });
}

/// The host has since come to reject the template of the next default server: that is reported, and
/// Dokku's built-in template is used.
#[test]
fn reports_a_rejected_template_of_the_next_default() {
    let prepared = PreparedHost::from_host(two_servers().host);
    for line in ["matrix:create matrix --no-8448", "--force apps:destroy matrix"] {
        let host = prepared.copy();
        let _second = host.homeserver("matrix2");
        let emerg = "echo 'nginx: [emerg] unknown directive' >&2; exit 1";
        host.override_program("nginx", "[[ $* == *-c* ]]", emerg);
        let output = host.ok(line);
        let error = " !     No homeserver is the default one on port 8448: this host refuses the nginx template of matrix2.site.test: ";
        assert!(output.stderr.contains(error), "{line}: {output:#?}");
        assert!(
            !output.stdout.contains("default homeserver on port 8448 now"),
            "{line}: {output:#?}"
        );
        let conf = fs::read_to_string(host.scene.root().join("matrix2/nginx.conf")).unwrap();
        assert!(conf.contains("the built-in template"), "{line}");
        host.changes();
        host.ok("matrix:deploy matrix2");
        assert_eq!(host.changes(), [""; 0], "{line}");
    }
}

/// A homeserver with a damaged `server.json` keeps its port and its default, and other homeservers
/// are not affected.
#[test]
fn server_with_a_damaged_spec_keeps_its_port() {
    let prepared = PreparedHost::from_host({
        let two = two_servers();
        let _third = two.host.homeserver("third");
        two.host.ok("matrix:create third --email a@site.test");
        two.host
    });
    let create = || {
        let host = prepared.copy();
        let second = host.homeserver("matrix2");
        (host, second)
    };
    let damage = |host: &TestHost, app: &str| {
        let path = host.lib(&format!("data/matrix/{app}.site.test/server.json"));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, "{").unwrap();
        (path, text)
    };
    let destroy = |host: &TestHost, app: &str| {
        let output = host.dokku(&format!("--force apps:destroy {app}"));
        assert_eq!(output.code, Some(0), "{output:#?}");
        output
    };
    // The damaged server is the default.
    let (host, _second) = create();
    damage(&host, "matrix");
    host.ok("matrix:deploy matrix2");
    for app in ["third", "matrix2"] {
        assert_eq!(destroy(&host, app).stderr, "", "{app}");
    }
    assert_eq!(default_server(&host), ["matrix"]);
    assert!(port_is_open(&host));
    // The damaged server could become the next default.
    let (host, _second) = create();
    let (path, text) = damage(&host, "matrix2");
    for app in ["third", "matrix"] {
        assert_eq!(destroy(&host, app).stderr, "", "{app}");
    }
    assert_eq!(default_server(&host), [""; 0]);
    assert!(port_is_open(&host));
    fs::write(path, text).unwrap();
    host.ok("matrix:deploy matrix2");
    assert_eq!(default_server(&host), ["matrix2"]);
    // The damaged server is the default in nginx, but the record is lost: nginx rejects two
    // defaults.
    let (host, _second) = create();
    damage(&host, "matrix");
    fs::remove_file(host.lib("data/matrix/.host/host.json")).unwrap();
    let error = destroy(&host, "third").stderr;
    let damaged = " !     <host>/lib/data/matrix/matrix.site.test/server.json is damaged: ";
    assert!(error.starts_with(damaged), "{error}");
    assert!(error.ends_with("\n !     Restore it from a backup.\n"), "{error}");
    assert_eq!(host.default_8448(), None);
    assert_eq!(host.dokku("nginx:validate-config").code, Some(0));
}
