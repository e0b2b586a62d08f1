//! The options that containers are created with.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::{Host, IMAGE, RUNS};

#[test]
fn docker_options_take_effect() {
    let host = Host::new();
    host.created("a", RUNS);
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
    // Docker creates missing mount sources, as root.
    for dir in [&one, &two, &host.data("a")] {
        let made = fs::metadata(dir).unwrap();
        assert_eq!((made.is_dir(), made.uid(), made.gid()), (true, 0, 0), "{}", dir.display());
        fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
    }
    assert!(inside("touch /one/seen").status.success());
    assert_eq!(fs::metadata(one.join("seen")).unwrap().uid(), 1234);
    assert!(!inside("touch /two/seen").status.success());
    let stdout = inside("getent hosts elsewhere").stdout;
    assert!(String::from_utf8_lossy(&stdout).starts_with("192.0.2.7 "));
    assert_eq!(inside("id -G").stdout, b"5678\n");
}

/// Capabilities, the container's own files, and file systems in memory.
#[test]
fn isolation_takes_effect() {
    let host = Host::new();
    host.created("a", RUNS);
    for option in [
        "--cap-drop ALL --cap-add chown --security-opt no-new-privileges",
        "--read-only --tmpfs /tmp --tmpfs /scratch:uid=12,gid=34 --pids-limit 100",
    ] {
        host.ok(&format!("dokku docker-options:add a deploy {option}"));
    }
    host.ok(&format!("dokku git:from-image a {IMAGE}"));
    let inside = |line: &str| host.run(&format!("docker exec a.web.1 {line}"));
    let status = String::from_utf8(inside("cat /proc/self/status").stdout).unwrap();
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    // CAP_CHOWN is the first one.
    assert_eq!(bounding.map(str::trim), Some("0000000000000001"));
    let process = String::from_utf8(inside("cat /proc/1/status").stdout).unwrap();
    assert!(process.contains("NoNewPrivs:\t1"), "{process}");
    for (path, writable) in [
        ("/tmp/x", true),
        ("/scratch/x", true),
        ("/x", false),
        ("/etc/x", false),
        ("/run/x", false),
        ("/var/x", false),
    ] {
        assert_eq!(inside(&format!("touch {path}")).status.success(), writable, "{path}");
    }
    assert_eq!(inside("stat -c %u:%g:%a /scratch").stdout, b"12:34:1777\n");
    let format =
        "{{json .HostConfig.CapDrop}}{{json .HostConfig.Tmpfs}}{{json .HostConfig.PidsLimit}}";
    let argv = ["docker", "container", "inspect", "--format", format, "a.web.1"];
    let output = host.scene.run(&argv, None).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "[\"ALL\"]{\"/scratch\":\"uid=12,gid=34\",\"/tmp\":\"\"}100\n"
    );
    // Without the options the container may write, and has Docker's own capabilities.
    host.created("b", RUNS);
    host.ok(&format!("dokku git:from-image b {IMAGE}"));
    assert!(host.run("docker exec b.web.1 touch /x").status.success());
    // Read-only, without a place in memory, /tmp cannot be written either.
    host.created("c", RUNS);
    host.ok("dokku docker-options:add c deploy --read-only");
    host.ok(&format!("dokku git:from-image c {IMAGE}"));
    assert!(!host.run("docker exec c.web.1 touch /tmp/x").status.success());
}

/// Unsupported options are refused, not ignored.
#[test]
fn refuses_unsupported_options() {
    let host = Host::new();
    host.created("a", RUNS);
    for option in [
        "--privileged",
        "--security-opt seccomp=unconfined",
        "--memory 1g",
        "-v named:/data",
        "--add-host elsewhere:host-gateway",
        "--link other:alias",
        "-v '/one:/two'",
        "--init words",
    ] {
        host.ok(&format!("dokku docker-options:add a deploy {option}"));
        let output = host.exits_with(&format!("dokku git:from-image a {IMAGE}"), 70);
        assert!(output.contains("not supported"), "{option}: {output}");
        host.ok(&format!("dokku docker-options:remove a deploy {option}"));
    }
    host.scene.update(|state| state.pullable.insert("busybox:1".to_owned())).unwrap();
    let output = host.exits_with("dokku git:from-image a busybox:1", 70);
    assert!(output.contains("the image busybox:1 is not supported"), "{output}");
    let run = |flags: &str| host.exits_with(&format!("docker run {flags} {IMAGE} -c true"), 70);
    for flags in ["--entrypoint sh", "--rm", "--rm --entrypoint sh --network host"] {
        let output = run(flags);
        assert!(output.contains("not supported"), "{flags}: {output}");
    }
    host.scene.forget_calls().unwrap();
}

#[test]
fn run_flags_take_effect() {
    let host = Host::new();
    let run = |flags: &str, script: &str| {
        let line = format!("docker run --rm --entrypoint sh {flags}{IMAGE} -c");
        let argv: Vec<&str> = line.split(' ').chain([script]).collect();
        let output = host.scene.run(&argv, None).unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), printed.trim_end().to_owned())
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

/// The variables of an app apply only to the programs in its container.
#[test]
fn path_applies_only_inside_the_container() {
    let host = Host::new();
    host.created("a", RUNS);
    let dir = host.scene.path().join("fake");
    fs::create_dir(&dir).unwrap();
    for name in ["nsenter", "bwrap", "setpriv"] {
        let file = dir.join(name);
        fs::write(&file, format!("#!/bin/sh\ntouch {}/called\n", dir.display())).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    let path = format!("{}:/usr/bin", dir.display());
    host.ok(&format!("dokku config:set --no-restart a PATH={path}"));
    host.ok(&format!("dokku git:from-image a {IMAGE}"));
    assert_eq!(host.ok("docker exec a.web.1 printenv PATH"), format!("{path}\n"));
    assert!(!dir.join("called").exists());
}
