//! `matrix:deploy`, in the situations in which it may find a server.

use super::harness::{SYNAPSE, TestHost, in_parallel};
use super::snapshot::PreparedHost;
use insta::assert_snapshot;
use std::fs;

const CREATE: &str = "matrix:create matrix --tls off --domain localhost --timeout 10";
const NEW: &str = "matrixdotorg/synapse:v1.164.0";

/// A host with a running server, and a newer image that can be pulled.
fn create_host() -> TestHost {
    let host = TestHost::new();
    host.ok(CREATE);
    host.scene.update(|state| state.pullable.insert(NEW.into())).unwrap();
    host
}

fn image(host: &TestHost) -> String {
    host.dokku("matrix:report matrix --matrix-image").stdout.trim().to_owned()
}

#[test]
fn deploys_once() {
    let host = TestHost::new();
    host.ok(&format!("{CREATE} --no-deploy"));
    assert_eq!(host.state().running("matrix").count(), 0);
    let dry = host.transcript("matrix:deploy matrix --dry-run");
    let first = host.transcript("matrix:deploy matrix");
    assert_snapshot!(format!("{dry}\n{first}\n{}", host.transcript("matrix:deploy matrix")));
}

#[test]
fn deploys_the_prepared_image() {
    let host = TestHost::new();
    host.scene.update(|state| state.pullable.insert(NEW.into())).unwrap();
    let prepare = format!("{CREATE} --no-deploy --image {NEW}");
    host.ok(&format!("{CREATE} --no-deploy"));
    let output = host.dokku(&prepare);
    let last = output.stdout.lines().last().unwrap().to_owned();
    assert!(last.ends_with("is prepared; to start it: dokku matrix:deploy matrix"), "{last}");
    host.ok("matrix:deploy matrix");
    assert_eq!(host.state().running("matrix").next().unwrap().image, NEW);
    // While a server runs, its image stays recorded until the new one is ready.
    let output = host.dokku(&prepare.replace(NEW, SYNAPSE));
    let last = output.stdout.lines().last().unwrap().to_owned();
    assert!(last.ends_with(&format!("matrix:deploy matrix --image {SYNAPSE}")), "{last}");
    assert_eq!(image(&host), NEW);
    assert_eq!(host.dokku("matrix:report matrix").stdout.matches("v1.163.2").count(), 0);
}

/// If nginx binds a single address, the checks must use that one.
#[test]
fn checks_the_address_that_nginx_binds() {
    let host = TestHost::new();
    host.ok("matrix:create matrix --email a@site.test --element");
    host.setup(&[
        "nginx:set matrix bind-address-ipv4 127.0.0.7",
        "nginx:set chat bind-address-ipv4 127.0.0.8",
    ]);
    host.ok("matrix:deploy matrix");
}

#[test]
fn records_an_image_once_it_is_ready() {
    let host = create_host();
    let dry = host.transcript(&format!("matrix:deploy matrix --image {NEW} --dry-run"));
    assert_eq!(image(&host), SYNAPSE);
    assert_snapshot!(format!(
        "{dry}\n{}",
        host.transcript(&format!("matrix:deploy matrix --image {NEW}"))
    ));
    assert_eq!(image(&host), NEW);
    assert_eq!(host.state().running("matrix").next().unwrap().image, NEW);
    assert_eq!(host.state().max_mains.into_values().sum::<usize>(), 1);
}

/// The image does not build, exits at once, or never becomes ready. The old image stays recorded, the
/// report names the new one, and the next deploy returns to the old one.
#[test]
fn does_not_record_a_failing_image() {
    let prepared = PreparedHost::from_host(create_host());
    let cases = ["does_not_build", "ends_at_once", "never_ready"];
    in_parallel(&cases, |case| {
        let host = prepared.copy();
        let set = |good: bool| {
            let change = |state: &mut stand_in::State| {
                let image = state.images.entry(NEW.into()).or_default();
                image.builds = good || *case != "does_not_build";
                image.starts = good || *case != "ends_at_once";
            };
            host.scene.update(change).unwrap();
        };
        set(false);
        if *case == "never_ready" {
            host.synapse.never_ready(NEW);
        }
        let failed = host.transcript(&format!("matrix:deploy matrix --image {NEW}"));
        let report = host.dokku("matrix:report matrix").stdout;
        let back = host.transcript("matrix:deploy matrix");
        assert_snapshot!(*case, format!("{failed}\n{report}\n{back}"));
        assert_eq!(image(&host), SYNAPSE);
        assert_eq!(host.state().running("matrix").next().unwrap().image, SYNAPSE);
        assert_eq!(host.state().max_mains.into_values().max(), Some(1));
        let failed = host.dokku("matrix:report matrix --matrix-failed-image").stdout;
        assert_eq!(failed, "\n", "forgotten");
        if *case != "never_ready" {
            set(true);
            host.ok(&format!("matrix:deploy matrix --image {NEW}"));
            assert_eq!(image(&host), NEW);
        }
    });
}

/// The container has exited, and Docker will restart it. The cause may be fixed by now, so the deploy
/// waits for the result of that restart.
#[test]
fn waits_for_the_next_restart() {
    let prepared = PreparedHost::from_host(create_host());
    in_parallel(&[true, false], |fixed| {
        let host = prepared.copy();
        let change = |state: &mut stand_in::State| {
            let image = state.images.get_mut(SYNAPSE).unwrap();
            (image.starts, image.code) = (*fixed, 1);
            let container = state.containers.last_mut().unwrap();
            container.status = stand_in::Status::Restarting;
            // Docker's current back-off is 6.4 seconds, the next one is twice as long.
            container.restarts = 7;
            container.ended_at = jiff::Timestamp::now().as_nanosecond();
        };
        host.scene.update(change).unwrap();
        let id = host.state().containers.pop().unwrap().id;
        let output = host.dokku("matrix:deploy matrix");
        if *fixed {
            assert_eq!(output.code, Some(0), "{output:#?}");
            assert_eq!(host.state().running("matrix").next().unwrap().id, id);
        } else {
            assert_eq!(output.code, Some(1), "{output:#?}");
            let error = " !     matrix is not ready after <time>: it ends again and again\n";
            assert!(output.stderr.starts_with(error), "{output:#?}");
        }
        assert_eq!(host.changes(), [""; 0]);
    });
}

/// Docker gave the container a new address, or it was not running when Dokku recorded the address. It
/// runs well, but gets no requests.
#[test]
fn restarts_an_app_with_a_stale_listener() {
    let host = create_host();
    host.changes();
    let dry_run_with = |listener: &str| {
        let change =
            |state: &mut stand_in::State| state.listeners.insert("matrix".into(), listener.into());
        let before = host.scene.update(change).unwrap().unwrap();
        (before, host.dokku("matrix:deploy matrix --dry-run").stdout)
    };
    let restart = "dokku ps:restart matrix (Dokku does not know its address)";
    let (real, moved) = dry_run_with("172.17.0.99:8008");
    assert!(moved.contains(restart), "{moved}");
    let (_, same) = dry_run_with(&real);
    assert!(!same.contains(restart), "{same}");
    host.scene.update(|state| state.containers.last_mut().unwrap().listed = false).unwrap();
    assert_eq!(host.dokku("matrix:deploy matrix").code, Some(0));
    assert_eq!(host.changes(), ["dokku ps:restart matrix"]);
}

#[test]
fn missing_image_changes_nothing() {
    let host = create_host();
    let before = host.dump();
    let missing = "matrixdotorg/synapse:v9";
    assert_snapshot!(host.transcript(&format!("matrix:deploy matrix --image {missing}")));
    // Only the failed attempt is recorded.
    let after = host.dump();
    let note = format!("  \"failed_image\": \"{missing}\",\n");
    assert!(after.contains(&note), "{after}");
    assert_eq!(after.replace(&note, ""), before);
}

/// After a failed build, `git:from-image` with the same image does nothing.
#[test]
fn rebuilds_after_a_failed_build() {
    let host = TestHost::new();
    host.scene.update(|state| state.images.get_mut(SYNAPSE).unwrap().builds = false).unwrap();
    assert_eq!(host.dokku(CREATE).code, Some(1));
    host.scene.update(|state| state.images.get_mut(SYNAPSE).unwrap().builds = true).unwrap();
    assert_snapshot!(host.transcript("matrix:deploy matrix"));
}

#[test]
fn restarts_for_changed_files() {
    let host = create_host();
    let local = host.lib("data/matrix/localhost/config/homeserver.d/90-local.yaml");
    let text = fs::read_to_string(&local).unwrap();
    fs::write(&local, format!("{text}\nmax_upload_size: 1M\n")).unwrap();
    let good = host.transcript("matrix:deploy matrix");
    fs::write(&local, format!("{text}\nBROKEN: 1\n")).unwrap();
    let container = host.state().running("matrix").next().unwrap().id.clone();
    let bad = host.transcript("matrix:deploy matrix");
    // `ps:restart` is refused as well, and the old server keeps running.
    let restart = host.transcript("ps:restart matrix");
    assert_eq!(host.state().running("matrix").next().unwrap().id, container);
    fs::write(&local, text).unwrap();
    assert_snapshot!(format!(
        "{good}\n{bad}\n{restart}\n{}",
        host.transcript("matrix:deploy matrix")
    ));
}

/// The database's container was recreated, and the running Synapse cannot reach the new one.
#[test]
fn recreates_a_dead_database_link() {
    let host = create_host();
    host.setup(&["postgres:stop matrix-db"]);
    let stopped = host.transcript("matrix:deploy matrix --dry-run");
    host.setup(&["postgres:start matrix-db"]);
    assert_snapshot!(format!("{stopped}\n{}", host.transcript("matrix:deploy matrix")));
    let state = host.state();
    assert!(state.dead_links(state.running("matrix").next().unwrap()).is_empty());
}

#[test]
fn refuses_other_apps() {
    let host = create_host();
    host.setup(&["apps:create other", "apps:clone --skip-deploy matrix copy"]);
    for (line, code, error) in [
        ("matrix:deploy nobody", 20, " !     App nobody does not exist\n"),
        (
            "matrix:deploy other",
            1,
            " !     other is not a Matrix homeserver\n !     dokku matrix:list\n",
        ),
        (
            "matrix:deploy copy",
            1,
            " !     copy is a clone of a homeserver's app\n !     dokku apps:destroy copy\n",
        ),
    ] {
        let output = host.dokku(line);
        assert_eq!(
            (output.code, output.stdout.as_str(), output.stderr.as_str()),
            (Some(code), "", error)
        );
    }
    assert_eq!(host.changes(), [""; 0]);
}
