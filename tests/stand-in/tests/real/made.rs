//! What containers are made with.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::{Host, IMAGE, STAYS};

#[test]
fn docker_options_do_what_they_say() {
    let host = Host::new();
    host.created("a", STAYS);
    let (one, two) = (host.scene.path().join("one"), host.scene.path().join("two"));
    for option in [
        format!("-v {}:/one", one.display()),
        format!("--volume={}:/two:ro --init", two.display()),
        "--add-host elsewhere:192.0.2.7".to_owned(),
        "--user 1234:5678".to_owned(),
    ] {
        host.ok(&format!("dokku docker-options:add a deploy {option}"));
    }
    host.ok(&format!("dokku git:from-image a {IMAGE}"));
    let inside = |line: &str| host.run(&format!("docker exec a.web.1 {line}"));
    // Docker makes what is not there, as root.
    for folder in [&one, &two, &host.data("a")] {
        let made = fs::metadata(folder).unwrap();
        assert_eq!((made.is_dir(), made.uid(), made.gid()), (true, 0, 0), "{}", folder.display());
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    }
    assert!(inside("touch /one/seen").status.success());
    assert_eq!(fs::metadata(one.join("seen")).unwrap().uid(), 1234);
    assert!(!inside("touch /two/seen").status.success());
    let found = inside("getent hosts elsewhere").stdout;
    assert!(String::from_utf8_lossy(&found).starts_with("192.0.2.7 "));
    assert_eq!(inside("id -G").stdout, b"5678\n");
}

/// Nothing is passed over in silence.
#[test]
fn what_is_not_known_is_refused() {
    let host = Host::new();
    host.created("a", STAYS);
    for option in [
        "--privileged",
        "--memory 1g",
        "-v named:/data",
        "--add-host elsewhere:host-gateway",
        "--link other:alias",
        "-v '/one:/two'",
        "--init words",
    ] {
        host.ok(&format!("dokku docker-options:add a deploy {option}"));
        let said = host.ends(&format!("dokku git:from-image a {IMAGE}"), 70);
        assert!(said.contains("not known"), "{option}: {said}");
        host.ok(&format!("dokku docker-options:remove a deploy {option}"));
    }
    host.scene.update(|state| state.pullable.insert("busybox:1".to_owned())).unwrap();
    let said = host.ends("dokku git:from-image a busybox:1", 70);
    assert!(said.contains("what the image busybox:1 would run is not known"), "{said}");
    let run = |flags: &str| host.ends(&format!("docker run {flags} {IMAGE} -c true"), 70);
    for flags in ["--entrypoint sh", "--rm", "--rm --entrypoint sh --network host"] {
        let said = run(flags);
        assert!(said.contains("not known"), "{flags}: {said}");
    }
    host.scene.forget_calls().unwrap();
}

#[test]
fn a_throw_away_container_has_what_its_flags_say() {
    let host = Host::new();
    let run = |flags: &str, script: &str| {
        let line = format!("docker run --rm --entrypoint sh {flags}{IMAGE} -c");
        let words: Vec<&str> = line.split(' ').chain([script]).collect();
        let output = host.scene.run(&words, None).unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said.trim_end().to_owned())
    };
    host.ok(&format!("docker pull {IMAGE}"));
    let links = "ls /sys/class/net 2>/dev/null || grep -c eth0 /proc/net/dev";
    assert_eq!(run("--network=none ", links), (Some(1), "0".to_owned()));
    assert_eq!(run("", links), (Some(0), "1".to_owned()));
    assert_eq!(run("--user 12:34 ", "id -u; id -g; exit 5"), (Some(5), "12\n34".to_owned()));
    let data = host.scene.path().join("thrown");
    run(&format!("-v {}:/data ", data.display()), "echo >/data/seen");
    assert!(data.join("seen").exists());
    let left = fs::read_dir(host.scene.stand_in().join("run")).unwrap().count();
    assert_eq!(left, 0);
}

/// The variables of an app are for what is in its container.
#[test]
fn the_containers_path_is_its_own() {
    let host = Host::new();
    host.created("a", STAYS);
    let folder = host.scene.path().join("fake");
    fs::create_dir(&folder).unwrap();
    for name in ["nsenter", "bwrap", "setpriv"] {
        let file = folder.join(name);
        fs::write(&file, format!("#!/bin/sh\ntouch {}/called\n", folder.display())).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let path = format!("{}:/usr/bin", folder.display());
    host.ok(&format!("dokku config:set --no-restart a PATH={path}"));
    host.ok(&format!("dokku git:from-image a {IMAGE}"));
    assert_eq!(host.ok("docker exec a.web.1 printenv PATH"), format!("{path}\n"));
    assert!(!folder.join("called").exists());
}
