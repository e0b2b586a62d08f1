//! Nothing leads to a homeserver past nginx: neither Dokku's network properties nor docker options
//! publish a port of it.

use super::guard::{allows, boot, create_host, guard, refuses, running, warns};
use super::harness::TestHost;

/// What was changed by hand, and the commands that undo it.
const WAYS: [(&[&str], &[&str]); 6] = [
    (
        &["network:set matrix bind-all-interfaces true"],
        &["network:set matrix bind-all-interfaces false"],
    ),
    (
        &["network:set --global bind-all-interfaces true"],
        &["network:set matrix bind-all-interfaces false"],
    ),
    (&["network:set matrix initial-network host"], &["network:set matrix initial-network bridge"]),
    (
        &["docker-options:add matrix deploy,run -p 8008:8008"],
        &[
            "docker-options:remove matrix deploy \"-p 8008:8008\"",
            "docker-options:remove matrix run \"-p 8008:8008\"",
        ],
    ),
    (
        &["docker-options:add matrix deploy --network=host --publish 9000:9000"],
        &[
            "docker-options:remove matrix deploy \"--network=host\"",
            "docker-options:remove matrix deploy \"--publish 9000:9000\"",
        ],
    ),
    (
        &["docker-options:add --process web matrix deploy -P"],
        &["docker-options:remove --process web matrix deploy \"-P\""],
    ),
];

/// The first lines of a message: what is wrong, and the commands.
fn message(corrections: &[&str]) -> String {
    let commands = corrections.iter().map(|command| format!("\ndokku {command}"));
    format!("matrix must be reached through nginx only{}", commands.collect::<String>())
}

/// Whether a running container of the app can be reached past nginx.
fn is_exposed(host: &TestHost) -> bool {
    let state = host.state();
    let mut options = state.running("matrix").flat_map(|container| &container.options);
    let public = ["-p 8008", "-P", "--publish 9000", "--network=host"];
    options.any(|option| public.iter().any(|start| option.starts_with(start)))
}

#[test]
fn refuses_to_publish_a_port_while_the_server_runs() {
    for (changes, corrections) in WAYS {
        let host = create_host();
        let before = running(&host, "matrix");
        host.setup(changes);
        let expected = refuses(&format!(
            "{}\nOr all at once: dokku matrix:deploy matrix\nNothing was stopped: the old server runs on.",
            message(corrections)
        ));
        assert_eq!(guard(&host), expected, "{changes:?}");
        for line in ["ps:restart matrix", "config:set matrix A=b"] {
            let output = host.dokku(line);
            assert_eq!(output.code, Some(1), "{line}: {output:#?}");
            assert!(output.stdout.contains(&expected.stderr), "{line}: {output:#?}");
        }
        assert_eq!(running(&host, "matrix"), before);
        host.changes();
        // A dry run tells it, and a deploy puts it right.
        let plan = host.dokku("matrix:deploy matrix --dry-run").stdout;
        for correction in corrections {
            assert!(plan.contains(&format!("dokku {correction}")), "{plan}");
        }
        assert_eq!(host.changes(), [""; 0]);
        host.ok("matrix:deploy matrix");
        let made: Vec<_> =
            corrections.iter().map(|line| format!("dokku {}", line.replace('"', ""))).collect();
        assert_eq!(host.changes(), made, "{changes:?}");
        assert_eq!(guard(&host), allows(), "{changes:?}");
    }
}

#[test]
fn restores_the_way_through_nginx_at_boot() {
    for (changes, corrections) in WAYS {
        let host = create_host();
        host.setup(changes);
        let output = boot(&host);
        let expected = warns(&format!("{}\nThis was done.", message(corrections)));
        assert_eq!(output.code, Some(0), "{output:#?}");
        assert!(output.stdout.contains(&expected.stderr), "{output:#?}");
        assert_eq!(running(&host, "matrix").len(), 1);
        assert!(!is_exposed(&host), "{changes:?}");
        assert_eq!(guard(&host), allows(), "{changes:?}");
    }
}

/// A container that an older version of the plugin let through is replaced.
#[test]
fn replaces_a_container_that_is_exposed() {
    for option in ["-p 8008", "--publish=127.0.0.1:8008:8008", "-P", "--network=host"] {
        let host = create_host();
        host.scene
            .update(|state| {
                let container = state.containers.last_mut().unwrap();
                container.options.push(option.to_owned());
            })
            .unwrap();
        host.ok("matrix:deploy matrix");
        assert_eq!(host.changes(), ["dokku ps:restart matrix"], "{option}");
        assert_eq!(running(&host, "matrix").len(), 1);
    }
    let host = create_host();
    host.setup(&["docker-options:add matrix deploy -p 127.0.0.1:9000:9000", "ps:restart matrix"]);
    host.ok("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0]);
}

/// Element Web would be served without TLS and without its headers.
#[test]
fn keeps_element_behind_nginx() {
    let host = TestHost::after("matrix:create matrix --tls off --element");
    let before = running(&host, "chat");
    host.setup(&["network:set --global bind-all-interfaces true"]);
    let output = host.dokku("ps:restart chat");
    assert_eq!(output.code, Some(1));
    let expected = refuses(
        "chat must be reached through nginx only
dokku network:set chat bind-all-interfaces false
Or all at once: dokku matrix:deploy matrix
Nothing was stopped: the old server runs on.",
    );
    assert!(output.stdout.contains(&expected.stderr), "{output:#?}");
    assert_eq!(running(&host, "chat"), before);
    host.ok("matrix:deploy matrix");
    assert_eq!(host.dokku("ps:restart chat").code, Some(0));
}

/// Without a spec the port of the program is unknown: then none may be published.
#[test]
fn needs_no_spec() {
    let host = create_host();
    host.setup(&["docker-options:add matrix deploy -p 127.0.0.1:9000:9000"]);
    assert_eq!(guard(&host), allows());
    std::fs::remove_file(host.file("server.json")).unwrap();
    let output = boot(&host);
    let line = "dokku docker-options:remove matrix deploy \"-p 127.0.0.1:9000:9000\"";
    assert!(output.stdout.contains(line), "{output:#?}");
    assert!(host.state().running("matrix").all(|c| c.options.iter().all(|o| !o.starts_with("-p"))));
}
