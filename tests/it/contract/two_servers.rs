//! Two homeservers on one host, side by side: each with its own port 8448, one of them nginx's
//! default there, and nginx valid at every moment.

use super::camera::{Camera, Ready};
use super::homeserver::Homeserver;
use super::rig::Rig;
use super::triggers::instead;
use std::fs;

struct Two {
    rig: Rig,
    second: Homeserver,
}

/// `matrix` and `matrix2`; the first of them is the default one on 8448.
fn two() -> Two {
    let rig = Rig::new();
    rig.scene.update(|state| state.ufw.active = true).unwrap();
    let second = rig.homeserver("matrix2");
    for app in ["matrix", "matrix2"] {
        rig.ok(&format!("matrix:create {app} --email a@site.test"));
    }
    rig.changes();
    Two { rig, second }
}

/// The app that is the default server on 8448, by the record and by nginx.
fn default(rig: &Rig) -> Vec<String> {
    let record = fs::read_to_string(rig.lib("data/matrix/default-8448")).unwrap_or_default();
    let is = |app: &&str| {
        let conf = fs::read_to_string(rig.scene.root().join(app).join("nginx.conf"));
        conf.is_ok_and(|conf| conf.contains("listen 8448 ssl default_server;"))
    };
    let apps: Vec<_> = ["matrix", "matrix2"].iter().filter(|app| is(app)).collect();
    let named: Vec<_> = record.lines().map(|name| name.split('.').next().unwrap()).collect();
    assert_eq!(named, apps.iter().map(|app| **app).collect::<Vec<_>>());
    apps.into_iter().map(|app| (*app).to_owned()).collect()
}

fn open(rig: &Rig) -> bool {
    rig.state().ufw.allowed.contains("8448/tcp")
}

/// nginx accepts the host as it is before every call of Dokku that the command makes.
fn valid_all_the_way(rig: &Rig, line: &str) {
    let bad = rig.scene.path().join("bad");
    let log = format!("echo $STAND_IN_TRIGGER $* >> {}", bad.display());
    instead(rig, "dokku", "! sudo -n nginx -t &> /dev/null", &log);
    rig.ok(line);
    assert_eq!(fs::read_to_string(bad).unwrap_or_default(), "", "nginx was not valid before these");
    assert_eq!(rig.dokku("nginx:validate-config").code, Some(0));
}

#[test]
fn side_by_side() {
    let two = two();
    let (rig, second) = (&two.rig, &two.second);
    assert_eq!(default(rig), ["matrix"]);
    assert!(open(rig));
    let state = rig.state();
    for app in ["matrix", "matrix2"] {
        assert_eq!(state.apps[app].ports, ["http:80:8008", "https:443:8008", "https:8448:8008"]);
        assert_eq!(state.running(app).count(), 1);
        assert!(state.services[&format!("{app}-db")].links.contains(app));
    }
    assert_eq!(state.max_mains.len(), 2);
    assert!(state.max_mains.values().all(|mains| *mains == 1));
    let key = |name: &str| {
        let path = format!("data/matrix/{name}.site.test/config/secrets/signing.key");
        fs::read_to_string(rig.lib(&path)).unwrap()
    };
    assert_ne!(key("matrix"), key("matrix2"));
    let list = "=====> Matrix homeservers\nmatrix\nmatrix2\n";
    assert_eq!(rig.dokku("matrix:list").stdout, list);
    for app in ["matrix", "matrix2"] {
        rig.changes();
        rig.ok(&format!("matrix:deploy {app}"));
        assert_eq!(rig.changes(), [""; 0]);
        assert_eq!(
            rig.dokku_with(&format!("matrix:register-user {app} al"), b"secret").code,
            Some(0)
        );
    }
    // Each knows its own users.
    let ids = |server: &Homeserver| server.users().into_keys().collect::<Vec<_>>();
    assert_eq!(ids(&rig.synapse), ["@al:matrix.site.test"]);
    assert_eq!(ids(second), ["@al:matrix2.site.test"]);
}

#[test]
fn the_default_is_given_up_and_passed_on() {
    let two = two();
    let rig = &two.rig;
    rig.ok("matrix:create matrix --no-8448");
    assert_eq!(
        rig.changes(),
        ["dokku ports:set matrix http:80:8008 https:443:8008", "dokku proxy:build-config matrix2",]
    );
    assert_eq!(default(rig), ["matrix2"]);
    assert!(open(rig));
    for app in ["matrix", "matrix2"] {
        rig.ok(&format!("matrix:deploy {app}"));
    }
    assert_eq!(rig.changes(), [""; 0]);
    // It may have its port back, but not the default.
    rig.ok("matrix:create matrix --8448");
    assert_eq!(rig.changes().len(), 1);
    assert_eq!(default(rig), ["matrix2"]);
    // When nobody wants it any more it is closed.
    for app in ["matrix", "matrix2"] {
        rig.ok(&format!("matrix:create {app} --no-8448"));
    }
    assert_eq!(default(rig), [""; 0]);
    assert!(!open(rig));
}

#[test]
fn nginx_is_valid_while_it_is_given_up() {
    let two = two();
    let rig = &two.rig;
    valid_all_the_way(rig, "matrix:create matrix --no-8448");
    assert_eq!(default(rig), ["matrix2"]);
}

#[test]
fn nginx_is_valid_while_the_first_is_destroyed() {
    let two = two();
    let rig = &two.rig;
    valid_all_the_way(rig, "--force apps:destroy matrix");
    assert_eq!(default(rig), ["matrix2"]);
    assert!(open(rig));
    rig.changes();
    rig.ok("matrix:deploy matrix2");
    assert_eq!(rig.changes(), [""; 0]);
    // The first comes back and finds the default taken.
    let key = rig.secrets();
    rig.ok("matrix:create matrix");
    assert_eq!(rig.secrets(), key);
    assert_eq!(default(rig), ["matrix2"]);
    for app in ["matrix2", "matrix"] {
        assert_eq!(rig.dokku(&format!("--force apps:destroy {app}")).code, Some(0));
    }
    assert_eq!(default(rig), [""; 0]);
    assert!(!open(rig));
    assert!(rig.state().max_mains.values().all(|mains| *mains == 1));
}

/// The machine goes down while the default changes hands: either one finds its way.
#[test]
fn killed_while_it_is_passed_on() {
    let two = two();
    let rig = &two.rig;
    let camera = Camera::new(rig);
    rig.ok("matrix:create matrix --no-8448");
    let shots = camera.shots();
    let passing: Vec<_> = shots
        .iter()
        .filter(|shot| {
            let call = Camera::call(shot);
            call.contains("proxy:build-config") || call.contains("ports:set")
        })
        .collect();
    assert_eq!(passing.len(), 2);
    Rig::each(&passing, |shot| {
        for (first, then) in [("matrix", "matrix2"), ("matrix2", "matrix")] {
            let host = camera.host(shot);
            let _second = host.homeserver("matrix2");
            for app in [first, then] {
                host.ok(&format!("matrix:deploy {app}"));
                assert_eq!(host.dokku("nginx:validate-config").code, Some(0));
            }
            host.ok("matrix:deploy matrix2");
            assert_eq!(default(&host), ["matrix2"], "{first}, before {}", Camera::call(shot));
        }
    });
}

/// Killed when the next one was chosen and nginx had not heard of it: whoever comes next goes on.
#[test]
fn killed_when_it_was_chosen() {
    let two = two();
    let rig = &two.rig;
    let template = "data/matrix/matrix2.site.test/nginx/nginx.conf.sigil";
    let before = fs::read_to_string(rig.lib(template)).unwrap();
    let camera = Camera::new(rig);
    rig.ok("matrix:create matrix --no-8448");
    let shots = camera.shots();
    let at = |what: &str| {
        let found = shots.iter().find(|shot| Camera::call(shot).contains(what));
        found.unwrap_or_else(|| panic!("{what}"))
    };
    let (judged, built) = (at("matrix2.site.test/nginx"), at("dokku proxy:build-config matrix2"));
    let cases = [("chosen", judged), ("written", judged), ("proved", built)];
    Rig::each(&cases, |(what, shot)| {
        let host = camera.host(shot);
        let _second = host.homeserver("matrix2");
        if *what == "chosen" {
            fs::write(host.lib(template), &before).unwrap();
        }
        assert_eq!(
            fs::read_to_string(host.lib("data/matrix/default-8448")).unwrap(),
            "matrix2.site.test\n"
        );
        for changes in [&["dokku proxy:build-config matrix2"][..], &[]] {
            host.ok("matrix:deploy matrix");
            assert_eq!(host.changes(), changes, "{what}");
            assert_eq!(default(&host), ["matrix2"], "{what}");
        }
    });
}

/// The one that it is passed on to has a template that this host rejects by then: that is told, and
/// Dokku's own serves it.
#[test]
fn passed_on_to_one_that_the_host_rejects() {
    let ready = Ready::of(two().rig);
    for line in ["matrix:create matrix --no-8448", "--force apps:destroy matrix"] {
        let rig = ready.host();
        let _second = rig.homeserver("matrix2");
        let emerg = "echo 'nginx: [emerg] unknown directive' >&2; exit 1";
        instead(&rig, "nginx", "[[ $* == *-c* ]]", emerg);
        let ran = rig.ok(line);
        let told = " !     No homeserver is the default one on port 8448: this host refuses the nginx template of matrix2.site.test: ";
        assert!(ran.stderr.contains(told), "{line}: {ran:#?}");
        assert!(!ran.stdout.contains("default homeserver on port 8448 now"), "{line}: {ran:#?}");
        let conf = fs::read_to_string(rig.scene.root().join("matrix2/nginx.conf")).unwrap();
        assert!(conf.contains("the built-in template"), "{line}");
        rig.changes();
        rig.ok("matrix:deploy matrix2");
        assert_eq!(rig.changes(), [""; 0], "{line}");
    }
}

/// A homeserver whose intent cannot be read may want whatever it has: nothing of it is given away
/// or taken, and the others go on.
#[test]
fn one_that_cannot_be_read_keeps_what_it_has() {
    let ready = Ready::of({
        let two = two();
        let _third = two.rig.homeserver("third");
        two.rig.ok("matrix:create third --email a@site.test");
        two.rig
    });
    let host = || {
        let rig = ready.host();
        let second = rig.homeserver("matrix2");
        (rig, second)
    };
    let damage = |rig: &Rig, app: &str| {
        let path = rig.lib(&format!("data/matrix/{app}.site.test/server.json"));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, "{").unwrap();
        (path, text)
    };
    let destroy = |rig: &Rig, app: &str| {
        let ran = rig.dokku(&format!("--force apps:destroy {app}"));
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        ran
    };
    // The default one.
    let (rig, _second) = host();
    damage(&rig, "matrix");
    rig.ok("matrix:deploy matrix2");
    for app in ["third", "matrix2"] {
        assert_eq!(destroy(&rig, app).stderr, "", "{app}");
    }
    assert_eq!(default(&rig), ["matrix"]);
    assert!(open(&rig));
    // One that may be the next one.
    let (rig, _second) = host();
    let (path, text) = damage(&rig, "matrix2");
    for app in ["third", "matrix"] {
        assert_eq!(destroy(&rig, app).stderr, "", "{app}");
    }
    assert_eq!(default(&rig), [""; 0]);
    assert!(open(&rig));
    fs::write(path, text).unwrap();
    rig.ok("matrix:deploy matrix2");
    assert_eq!(default(&rig), ["matrix2"]);
    // nginx has it as the default, and the record is lost: two would stop nginx.
    let (rig, _second) = host();
    damage(&rig, "matrix");
    fs::remove_file(rig.lib("data/matrix/default-8448")).unwrap();
    let said = destroy(&rig, "third").stderr;
    let damaged = " !     <host>/lib/data/matrix/matrix.site.test/server.json is damaged: ";
    assert!(said.starts_with(damaged), "{said}");
    assert!(said.ends_with("\n !     Put it back from a backup.\n"), "{said}");
    assert!(!rig.lib("data/matrix/default-8448").exists());
    assert_eq!(rig.dokku("nginx:validate-config").code, Some(0));
}
