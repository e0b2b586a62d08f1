//! What a new Synapse would not reach is found while the old one runs.

use super::guard::{allows, assert_keeps_running, create_host, guard, refuses, running};
use super::harness::TestHost;
use stand_in::Status;
use std::fs;

const LOCAL: &str = "config/homeserver.d/90-local.yaml";

/// The variable leads to another host, and the files follow it.
#[test]
fn database_url_that_leads_nowhere_stops_no_server() {
    let host = create_host();
    let url = "postgres://postgres:hunter22@nowhere.test:5432/matrix_db";
    host.ok(&format!("config:set --no-restart matrix DATABASE_URL={url}"));
    assert_keeps_running(
        &host,
        "matrix would not become ready: it does not reach its database: psycopg2.OperationalError: could not translate host name \"nowhere.test\" to address: Name or service not known
dokku postgres:info matrix-db; dokku config:get matrix DATABASE_URL",
    );
}

#[test]
fn stopped_database_stops_no_server() {
    let host = create_host();
    set_status(&host, Status::Exited);
    let before = running(&host, "matrix");
    let expected = refuses(
        "matrix would not become ready: it does not reach its database: the postgres service matrix-db does not run
dokku postgres:info matrix-db; dokku config:get matrix DATABASE_URL
Nothing was stopped: the old server runs on.",
    );
    assert_eq!(guard(&host), expected);
    assert_eq!(running(&host, "matrix"), before);
    set_status(&host, Status::Running);
    assert_eq!(guard(&host), allows());
}

fn set_status(host: &TestHost, status: Status) {
    host.scene
        .update(|state| state.services.get_mut("matrix-db").unwrap().status = status)
        .unwrap();
}

#[test]
fn unreachable_authentication_service_stops_no_server() {
    let host = create_host();
    let text = "matrix_authentication_service: {enabled: true, endpoint: 'http://mas:8080/', secret: hunter22}\n";
    fs::write(host.file(LOCAL), text).unwrap();
    assert_keeps_running(
        &host,
        "matrix would not become ready: it does not reach its authentication service: urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>
See matrix_authentication_service in the configuration.",
    );
}

/// Whatever the validation cannot find: the way back is named, and leads back.
#[test]
fn settings_that_do_not_become_ready_leave_a_way_back() {
    let host = create_host();
    let good = "max_upload_size: 60M\n";
    fs::write(host.file(LOCAL), good).unwrap();
    host.ok("matrix:deploy matrix");
    let kept = host.file("last-ready/90-local.yaml");
    assert_eq!(fs::read_to_string(&kept).unwrap(), good);
    fs::write(host.file(LOCAL), "max_upload_size: 70M\n").unwrap();
    host.scene
        .update(|state| state.images.values_mut().for_each(|image| image.starts = false))
        .unwrap();
    let output = host.dokku("matrix:deploy matrix");
    assert_eq!(output.code, Some(1), "{output:#?}");
    let back = host.normalize(&output.stderr);
    for line in [
        " !     The settings have changed since it was ready last. To go back:",
        " !     sudo -u dokku cp <host>/lib/data/matrix/matrix.site.test/last-ready/90-local.yaml <host>/lib/data/matrix/matrix.site.test/config/homeserver.d/90-local.yaml",
        " !     dokku matrix:deploy matrix",
    ] {
        assert!(back.lines().any(|other| other == line), "{line}: {back}");
    }
    host.scene
        .update(|state| state.images.values_mut().for_each(|image| image.starts = true))
        .unwrap();
    fs::copy(&kept, host.file(LOCAL)).unwrap();
    host.ok("matrix:deploy matrix");
    assert_eq!(fs::read_to_string(&kept).unwrap(), good);
}
