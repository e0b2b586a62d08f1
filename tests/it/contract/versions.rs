//! What runs and what is served is compared by content: a deploy restarts what has read other files
//! than there are now, whatever the clock and the times of the files say, and nothing else.

use super::guard;
use super::harness::TestHost;
use super::snapshot::{PreparedHost, Snapshots};
use super::{harness::in_parallel, homeserver::User};
use serde_json::Value;
use stand_in::{Fault, Kind, Status};
use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

const CREATE: &str = "matrix:create matrix --tls off --domain localhost --element";
const LOCAL: &str = "config/homeserver.d/90-local.yaml";

fn create_host() -> TestHost {
    let host = TestHost::after(CREATE);
    host.changes();
    host
}

fn file(host: &TestHost, path: &str) -> std::path::PathBuf {
    host.lib("data/matrix/localhost").join(path)
}

/// Writes a file without a change of its times: as if the clock stood still.
fn write_silently(path: &Path, text: &str) {
    let before = path.metadata().ok().map(|data| data.modified().unwrap());
    fs::write(path, text).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    set_time(path, before.unwrap_or(long_ago));
}

fn set_time(path: &Path, time: SystemTime) {
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// Deploys, and gives the calls that changed something.
fn deploy(host: &TestHost) -> Vec<String> {
    host.changes();
    let output = host.dokku("matrix:deploy matrix");
    assert!(matches!(output.code, Some(0 | 3)), "{output:#?}");
    host.changes()
}

fn assert_settled(host: &TestHost) {
    assert_eq!(deploy(host), [""; 0]);
}

const RESTART: &str = "dokku ps:restart matrix";

#[test]
fn restarts_for_a_new_registration_secret() {
    let host = create_host();
    let secret = file(&host, "config/secrets/registration_shared_secret");
    fs::remove_file(&secret).unwrap();
    assert_eq!(deploy(&host), [RESTART]);
    let output = host.dokku_with("matrix:register-user matrix alice", b"hunter2hunter2\n");
    assert_eq!(output.code, Some(0), "{output:#?}");
    let user = User { password: "hunter2hunter2".into(), admin: false };
    assert_eq!(host.synapse.users()["@alice:localhost"], user);
    assert_settled(&host);
}

#[test]
fn ignores_the_times_of_files() {
    let prepared = PreparedHost::from_host(create_host());
    let future = SystemTime::now() + Duration::from_secs(1_000_000_000);
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let files = [LOCAL, "config/log.config", "config/secrets/form_secret", "element/config.json"];
    in_parallel(&[future, long_ago], |time| {
        let host = prepared.copy();
        for path in files {
            set_time(&file(&host, path), *time);
        }
        for path in ["matrix/nginx.conf.d/matrix.conf", "matrix/nginx.conf"] {
            set_time(&host.scene.root().join(path), *time);
        }
        assert_settled(&host);
    });
}

/// Each file that a container reads at its start, changed with its old time.
#[test]
fn restarts_for_changed_content() {
    const NAMES: &str = "app_service_config_files: [/data/bridge.yaml, /bridge/other.yaml]\n\
        templates: {custom_template_directory: /data/templates}\nmedia_store_path: /data/media\n";
    let host = create_host();
    let mounted = host.lib("data/storage/bridge");
    for directory in [&mounted, &file(&host, "data/templates"), &file(&host, "data/media")] {
        fs::create_dir_all(directory).unwrap();
    }
    host.setup(&["storage:mount matrix <host>/lib/data/storage/bridge:/bridge"]);
    fs::write(file(&host, LOCAL), NAMES).unwrap();
    for (path, text) in [
        (file(&host, "data/bridge.yaml"), "as_token: one\n"),
        (mounted.join("other.yaml"), "as_token: one\n"),
        (file(&host, "data/templates/notice.html"), "one"),
        (file(&host, "data/media/x"), "one"),
    ] {
        fs::write(path, text).unwrap();
    }
    assert_eq!(deploy(&host), [RESTART]);
    let prepared = PreparedHost::from_host(host);
    let cases = [
        (LOCAL, Some("matrix")),
        ("config/secrets/form_secret", Some("matrix")),
        ("config/extra.yaml", Some("matrix")),
        ("data/bridge.yaml", Some("matrix")),
        ("data/templates/notice.html", Some("matrix")),
        ("data/templates/more/notice.html", Some("matrix")),
        ("../../storage/bridge/other.yaml", Some("matrix")),
        ("data/media/x", None),
        ("data/unnamed", None),
        ("config/homeserver.d/.90-local.yaml.swp", None),
        ("config/homeserver.d/90-local.yaml~", None),
        ("element/config.json~", None),
    ];
    in_parallel(&cases, |(path, restarts)| {
        let host = prepared.copy();
        let path = file(&host, path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let before = fs::read_to_string(&path).ok();
        write_silently(&path, &format!("{}# more\n", before.clone().unwrap_or_default()));
        let restart = restarts.map(|app| format!("dokku ps:restart {app}"));
        assert_eq!(deploy(&host), Vec::from_iter(restart.clone()), "{}", path.display());
        assert_settled(&host);
        // Removed, or as before.
        match before {
            Some(text) => write_silently(&path, &text),
            None => fs::remove_file(&path).unwrap(),
        }
        assert_eq!(deploy(&host), Vec::from_iter(restart), "{}", path.display());
    });
}

/// A changed file that the configuration names is validated before the server is touched.
#[test]
fn validates_what_the_configuration_names() {
    let host = create_host();
    fs::write(file(&host, LOCAL), "app_service_config_files: [/data/bridge.yaml]\n").unwrap();
    fs::write(file(&host, "data/bridge.yaml"), "as_token: one\n").unwrap();
    deploy(&host);
    host.scene.forget_calls().unwrap();
    write_silently(&file(&host, "data/bridge.yaml"), "as_token: two\n");
    deploy_and_count_validations(&host, 1);
    deploy_and_count_validations(&host, 0);
}

fn deploy_and_count_validations(host: &TestHost, wanted: usize) {
    host.scene.forget_calls().unwrap();
    host.ok("matrix:deploy matrix");
    let calls = host.calls();
    let ran = calls.iter().filter(|call| call.line().ends_with(" - check /config/homeserver.d"));
    assert_eq!(ran.count(), wanted);
}

/// What Dokku or Docker start without a command of the plugin has read the files of that moment.
#[test]
fn knows_of_other_starts() {
    let host = create_host();
    let changed =
        format!("{}max_upload_size: 1M\n", fs::read_to_string(file(&host, LOCAL)).unwrap());
    let prepared = PreparedHost::from_host(host);
    let restart_container = |host: &TestHost| {
        let id = host.state().running("matrix").next().unwrap().id.clone();
        assert!(host.scene.run(&["docker", "restart", &id], None).unwrap().status.success());
    };
    let container = |host: &TestHost| host.state().running("matrix").next().unwrap().id.clone();
    // Dokku itself: the guard has seen it.
    for line in ["ps:restart matrix", "ps:rebuild matrix", "config:set matrix A=b"] {
        let host = prepared.copy();
        fs::write(file(&host, LOCAL), &changed).unwrap();
        host.ok(line);
        assert_settled(&host);
    }
    // Docker, of the same files: nothing is to be done.
    let host = prepared.copy();
    restart_container(&host);
    assert_settled(&host);
    // A boot: Docker starts the container that it has.
    host.scene.reboot().unwrap();
    host.setup(&["ps:restore matrix", "ps:restore chat"]);
    assert_settled(&host);
    // Docker, after a change: it is not known whether it came before the change or after it.
    fs::write(file(&host, LOCAL), &changed).unwrap();
    restart_container(&host);
    assert_eq!(deploy(&host), [RESTART]);
    assert_settled(&host);
    // A deploy of Dokku's that came to nothing: the old container has not read the new files.
    let host = prepared.copy();
    let before = container(&host);
    fs::write(file(&host, LOCAL), &changed).unwrap();
    assert_eq!(host.trigger("scheduler-deploy", "docker-local matrix latest").code, Some(0));
    assert_eq!(container(&host), before);
    assert_eq!(deploy(&host), [RESTART]);
    // A refused one is not recorded as a start, either.
    fs::write(file(&host, LOCAL), format!("{changed}# more\n")).unwrap();
    assert_eq!(host.dokku("ps:scale matrix web=2").code, Some(1));
    assert_eq!(deploy(&host), [RESTART]);
    assert_settled(&host);
    // Nor is one that ends in the middle.
    fs::write(file(&host, LOCAL), &changed).unwrap();
    let prefix = ["dokku", "ps:restart"].map(str::to_owned).to_vec();
    let kind = Kind::KillBefore;
    host.scene.set_fault(&Fault { argv_prefix: Some(prefix), kind, ..Fault::default() }).unwrap();
    assert_eq!(host.dokku("matrix:deploy matrix").code, Some(137));
    host.scene.settle(Duration::from_secs(20)).unwrap();
    host.scene.clear_fault().unwrap();
    restart_container(&host);
    assert_eq!(deploy(&host), [RESTART]);
    assert_settled(&host);
}

/// Element Web is deployed beside its old container: one that does not start leaves the old one.
#[test]
fn knows_what_element_was_started_with() {
    let host = create_host();
    let container = |host: &TestHost| host.state().running("chat").next().unwrap().id.clone();
    let before = container(&host);
    let path = file(&host, "element/config.json");
    let mut mode = fs::metadata(&path).unwrap().permissions();
    fs::write(&path, "{}\n").unwrap();
    mode.set_mode(0o600);
    fs::set_permissions(&path, mode).unwrap();
    assert_eq!(host.dokku("ps:restart chat").code, Some(1));
    assert_eq!(container(&host), before);
    // The plugin writes its own text again, with the right mode: that is what the old one has read.
    assert!(deploy(&host).len() <= 1);
    assert_settled(&host);
    fs::write(&path, "{}\n").unwrap();
    host.ok("ps:restart chat");
    assert_eq!(deploy(&host), ["dokku ps:restart chat"]);
    assert_settled(&host);
}

/// nginx serves what Dokku has built last, whoever had it built.
#[test]
fn builds_what_nginx_does_not_serve() {
    const BUILD: &str = "dokku proxy:build-config matrix";
    let host = create_host();
    let conf_d = host.scene.root().join("matrix/nginx.conf.d/matrix.conf");
    host.setup(&["nginx:set matrix client-max-body-size 60m"]);
    assert_eq!(deploy(&host), [BUILD]);
    assert_settled(&host);
    host.setup(&["nginx:set matrix client-max-body-size 70m", "proxy:build-config matrix"]);
    assert_settled(&host);
    // As the last but one build of a command of the plugin had it: nginx does not serve that now.
    host.setup(&["nginx:set matrix client-max-body-size 60m"]);
    assert_eq!(deploy(&host), [BUILD]);
    write_silently(&conf_d, "# by hand\n");
    assert_eq!(deploy(&host), [BUILD]);
    assert_settled(&host);
    // A build that nginx refuses is not what it serves.
    host.setup(&["nginx:set matrix client-max-body-size 80m"]);
    let other = host.scene.root().join("chat/nginx.conf.d/broken.conf");
    fs::write(&other, "BROKEN\n").unwrap();
    assert_eq!(host.dokku("matrix:deploy matrix").code, Some(1));
    fs::remove_file(other).unwrap();
    assert_eq!(deploy(&host), [BUILD]);
    assert_settled(&host);
}

/// Without a record it is not known what runs: one restart, and then it is known.
#[test]
fn restarts_what_it_does_not_know() {
    let host = create_host();
    fs::remove_file(file(&host, "status.json")).unwrap();
    let changes = deploy(&host);
    for call in [RESTART, "dokku ps:restart chat"] {
        assert_eq!(changes.iter().filter(|line| *line == call).count(), 1, "{changes:#?}");
    }
    assert_settled(&host);
}

/// The digests of short secrets could be guessed.
#[test]
fn status_is_private() {
    let host = create_host();
    let status = file(&host, "status.json");
    assert_eq!(fs::metadata(&status).unwrap().permissions().mode() & 0o777, 0o600);
}

fn recorded(host: &TestHost) -> Value {
    serde_json::from_str(&fs::read_to_string(file(host, "status.json")).unwrap()).unwrap()
}

/// What was refused starts nothing.
#[test]
fn a_refused_deploy_records_nothing() {
    let host = create_host();
    let before = recorded(&host);
    fs::write(file(&host, "config/log.config"), "changed: true\n").unwrap();
    assert_eq!(host.dokku("ps:restart matrix worker").code, Some(1));
    assert_eq!(recorded(&host), before);
}

/// What the next container is started with must be recorded before the old one is stopped; at boot
/// nothing runs that a refusal would save.
#[test]
fn refuses_a_start_that_cannot_be_recorded() {
    let host = create_host();
    let mut status = recorded(&host);
    assert!(status.as_object_mut().unwrap().remove("started").is_some());
    fs::write(file(&host, "status.json"), status.to_string()).unwrap();
    let lock = host.lib("data/matrix/.host/locks/writing");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let error =
        "cannot open <host>/lib/data/matrix/.host/locks/writing: Is a directory (os error 21)";
    let stopped = "Nothing was stopped: the old server runs on.";
    assert_eq!(guard::guard(&host), guard::refuses(&format!("{error}\n{stopped}")));
    let booted = guard::boot(&host);
    assert_eq!(booted.code, Some(0), "{booted:#?}");
    assert!(booted.stdout.contains(&format!(" !     {error}\n")), "{booted:#?}");
    assert_eq!(guard::running(&host, "matrix").len(), 1);
}

/// The database has a new container with the address of the old one, and the clock went back.
#[test]
fn knows_the_database_by_its_container() {
    let host = create_host();
    host.setup(&["postgres:stop matrix-db", "postgres:start matrix-db"]);
    host.scene
        .update(|state| {
            let service = state.services.get_mut("matrix-db").unwrap();
            service.created_at = 0;
            let new = service.container.clone().unwrap();
            let container = state.containers.iter_mut().rfind(|one| one.app == "matrix").unwrap();
            assert_eq!(container.status, Status::Running);
            // It reaches the new one.
            container.links.insert("matrix-db".into(), new);
        })
        .unwrap();
    assert_eq!(deploy(&host), [RESTART]);
    assert_settled(&host);
}

/// Killed between a change and the restart, before any call; each distinct state is tried once.
#[test]
fn completes_a_killed_restart() {
    let host = create_host();
    let path = file(&host, LOCAL);
    let text = fs::read_to_string(&path).unwrap();
    write_silently(&path, &format!("{text}max_upload_size: 1M\n"));
    let recording = Snapshots::record(&host);
    host.ok("matrix:deploy matrix");
    let snapshots = recording.all();
    let seen = Mutex::new(BTreeSet::new());
    in_parallel(&snapshots, |snapshot| {
        let host = recording.restore(snapshot);
        let status = fs::read_to_string(file(&host, "status.json")).unwrap();
        let containers = host.state().containers;
        let containers: Vec<_> = containers.iter().map(|one| (&one.id, one.status)).collect();
        if !seen.lock().unwrap().insert(format!("{containers:?} {status} {}", host.dump())) {
            return;
        }
        host.ok("matrix:deploy matrix");
        let state = host.state();
        let container = state.running("matrix").next().unwrap();
        let read = &container.read["/config/homeserver.d/90-local.yaml"];
        assert!(read.contains("max_upload_size: 1M"), "{}: {read}", Snapshots::call(snapshot));
        assert_settled(&host);
    });
    assert!(seen.lock().unwrap().len() >= 3);
}
