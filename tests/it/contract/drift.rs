//! Changes made by hand. The same command corrects what breaks the server, leaves harmless changes
//! alone, and refuses what the plugin must not change with an error that says what to do.

use super::harness::{TestHost, in_parallel};
use super::normalize::diff;
use super::snapshot::PreparedHost;
use insta::assert_snapshot;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

const LINE: &str = "matrix:create matrix --email admin@site.test --element";

/// Dokku commands, or `edit`, `remove` and `chmod` of a file. A path is below the server's directory;
/// with a leading `/` it is below the root of the host.
const DRIFTS: &[&[&str]] = &[
    &["apps:destroy chat --force"],
    &["apps:destroy matrix --force"],
    &["checks:enable matrix web"],
    &["chmod 644 config/homeserver.d/20-database.yaml"],
    &["chmod 644 config/secrets/signing.key"],
    &["chmod 644 config/secrets/form_secret"],
    &["chmod 755 data"],
    &["config:set --no-restart matrix SYNAPSE_CONFIG_PATH=/data/homeserver.yaml"],
    &["config:set --no-restart matrix UID=1000"],
    &["config:set matrix TZ=UTC"],
    &["config:unset --no-restart chat ELEMENT_WEB_PORT"],
    &["config:unset --no-restart matrix DATABASE_URL"],
    &["docker-options:add matrix deploy --init"],
    &["docker-options:add matrix deploy,run --user=7:7"],
    &["docker-options:remove matrix deploy,run --user <user>"],
    &["docker-options:remove chat deploy --label com.dokku-matrix.server=matrix.site.test"],
    &["docker-options:add matrix deploy --label com.dokku-matrix.server=other.test"],
    &["docker-options:add matrix deploy --label mine=1"],
    &["docker-options:add --process web chat deploy -p 8080:8080"],
    &["docker-options:add matrix deploy -P -P --net=host"],
    &["docker-options:add matrix deploy,run --publish 127.0.0.1:8008:8008"],
    &["docker-options:add matrix deploy --publish 127.0.0.1:9000:9000"],
    &["domains:add matrix m.site.test"],
    &["domains:set chat web.site.test"],
    &["domains:set matrix m.site.test"],
    &["edit config/homeserver.d/10-server.yaml"],
    &["edit config/homeserver.d/90-local.yaml"],
    &["edit config/log.config"],
    &["edit element/config.json"],
    &["edit nginx/nginx.conf.sigil"],
    &["edit /home/chat/nginx.conf.d/matrix.conf"],
    &["edit /home/matrix/nginx.conf.d/matrix.conf"],
    &["edit /lib/data/matrix/.host/host.json"],
    &["edit server.json"],
    &["edit status.json"],
    &["letsencrypt:cron-job --remove"],
    &["letsencrypt:disable matrix"],
    &["letsencrypt:set matrix email"],
    &["network:set --global bind-all-interfaces true", "network:set chat initial-network host"],
    &[
        "network:set --global bind-all-interfaces true",
        "network:set matrix bind-all-interfaces false",
        "network:set chat bind-all-interfaces false",
    ],
    &["nginx:set matrix client-max-body-size 100m"],
    &["nginx:set matrix client-max-body-size 1m"],
    &["nginx:set matrix client-max-body-size 0"],
    &["nginx:set matrix proxy-read-timeout 5m"],
    &["ports:add matrix http:8080:8008"],
    &["ports:set chat http:80:80"],
    &["postgres:stop matrix-db"],
    &["postgres:stop matrix-db", "postgres:start matrix-db"],
    &["postgres:unlink matrix-db matrix --no-restart"],
    &["ps:scale --skip-deploy matrix web=0"],
    &["ps:scale --skip-deploy matrix web=2 worker=1"],
    &["ps:set matrix restart-policy on-failure:3"],
    &["ps:stop chat"],
    &["ps:stop matrix"],
    &["remove /home/matrix/nginx.conf"],
    &["remove /lib/data/matrix/.host/apps/matrix"],
    &["remove /lib/data/matrix/.host/host.json"],
    &["remove config/homeserver.d/20-database.yaml"],
    &["remove config/homeserver.d/90-local.yaml"],
    &["remove config/secrets/form_secret"],
    &["remove config/secrets/signing.key"],
    &["remove status.json"],
    &["storage:mount matrix /srv/more:/more"],
    &["storage:unmount matrix matrix-838d67f888-data"],
    &["storage:unmount matrix matrix-838d67f888-data", "storage:mount matrix /srv/data:/data"],
    &[
        "storage:unmount matrix matrix-838d67f888-data",
        "storage:create mine <host>/lib/data/storage/mine",
        "storage:mount matrix mine --container-dir /data",
    ],
    &["storage:mount matrix matrix-838d67f888-config --container-dir /config"],
];

fn change_file(host: &TestHost, change: &str) {
    let (action, rest) = change.split_once(' ').unwrap();
    let (mode, path) = match rest.split_once(' ') {
        Some((mode, path)) => (u32::from_str_radix(mode, 8).unwrap(), path),
        None => (0, rest),
    };
    let path = match path.strip_prefix('/') {
        Some(path) => host.scene.path().join(path),
        None => host.file(path),
    };
    match action {
        "edit" => fs::write(&path, fs::read_to_string(&path).unwrap() + "\n# by hand\n").unwrap(),
        "remove" => fs::remove_file(&path).unwrap(),
        _ => fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap(),
    }
}

#[test]
fn drift() {
    let prepared = PreparedHost::after(LINE);
    let results = Mutex::new(vec![]);
    let cases: Vec<_> = DRIFTS.iter().enumerate().collect();
    in_parallel(&cases, |(index, drift)| {
        let text = correct(&prepared.copy(), drift);
        results.lock().unwrap().push((*index, text));
    });
    let mut results = results.into_inner().unwrap();
    results.sort();
    assert_snapshot!(results.into_iter().map(|(_, text)| text).collect::<String>());
}

/// Drift, the changes that correct it, the error if there is one, and the resulting state.
fn correct(host: &TestHost, drift: &[&str]) -> String {
    let healthy = host.dump();
    for change in drift {
        if change.contains(':') {
            host.setup(&[change]);
        } else {
            change_file(host, change);
        }
    }
    host.changes();
    let output = host.dokku(LINE);
    let mut text = format!("{}\n", drift.join("; "));
    for call in host.changes() {
        text += &format!("    {call}\n");
    }
    let code = output.code.unwrap();
    if code != 3 || !output.stderr.starts_with(" !     Through the DNS") {
        text += &format!("{}    exit code {code}\n", output.stderr);
        return text;
    }
    // Corrected drift needs no second correction.
    host.dokku(LINE);
    for call in host.changes() {
        text += &format!("    AND THEN {call}\n");
    }
    for line in diff(&host.dump(), &healthy).lines() {
        text += &format!("    now {line}\n");
    }
    text
}
