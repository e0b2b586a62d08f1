//! Failures of the host: certificates, images, full disks, obstructed paths, concurrent commands.
//! Nothing is lost or half written, exit code and message say what happened, and the same command
//! continues from there.

use super::harness::{SYNAPSE, TestHost, in_parallel};
use super::small_disk::SmallDisk;
use nix::unistd::{Uid, chown};
use serde_json::Value;
use stand_in::{Fault, Kind, State};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

const CREATE: &str = "matrix:create matrix --email a@site.test";

/// The text without Dokku's prefix.
fn without_prefix(text: &str) -> String {
    text.lines()
        .map(|line| line.strip_prefix(" !     ").unwrap_or(line).to_owned() + "\n")
        .collect()
}

/// The server is reachable on port 80, the exit code says that something is missing, and the next
/// deploy retries.
#[test]
fn certificate_is_refused() {
    let host = TestHost::new();
    host.scene.update(|state| state.letsencrypt.fails.insert("matrix".into())).unwrap();
    let output = host.dokku(&format!("{CREATE} --element"));
    assert_eq!(output.code, Some(3));
    let error = without_prefix(&output.stderr);
    let expected = "No certificate for matrix.site.test: letsencrypt:enable matrix failed
  | =====> Enabling letsencrypt for matrix
  | -----> Enabling ACME proxy for matrix...
  | -----> Getting letsencrypt certificate for matrix via HTTP-01
";
    assert!(error.starts_with(expected), "{error}");
    let hint = "It must resolve to this host, and port 80 must be reachable. Then: dokku matrix:deploy matrix\n";
    assert!(error.contains(hint), "{error}");
    // The plugin's own check succeeded over plain http, and Element Web has its certificate.
    assert!(error.contains("http://matrix.site.test/_matrix/client/versions"), "{error}");
    let state = host.state();
    assert!(state.apps["matrix"].cert.is_none() && state.apps["chat"].cert.is_some());
    assert_eq!(state.running("matrix").count(), 1);
    host.changes();
    host.ok("matrix:deploy matrix");
    assert_eq!(host.changes(), ["dokku letsencrypt:enable matrix"]);
    host.scene.update(|state| state.letsencrypt.fails.clear()).unwrap();
    let output = host.ok("matrix:deploy matrix");
    assert!(!output.stderr.contains("No certificate"), "{output:#?}");
    assert_eq!(host.changes(), ["dokku letsencrypt:enable matrix"]);
    host.ok("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0]);
}

/// The first create fails because of the image. The same command succeeds once the image is fixed.
#[test]
fn image_is_unusable() {
    let absent = |state: &mut State| state.pullable.clear();
    let no_build = |state: &mut State| state.images.get_mut(SYNAPSE).unwrap().builds = false;
    let ends = |state: &mut State| state.images.get_mut(SYNAPSE).unwrap().starts = false;
    let cases: [(&str, fn(&mut State), &str); 3] = [
        ("absent", absent, "the image matrixdotorg/synapse:v1.163.2 cannot be pulled: "),
        ("no build", no_build, "matrixdotorg/synapse:v1.163.2 could not be deployed to matrix\n"),
        ("ends", ends, "matrix is not ready after <time>: it ends again and again\n"),
    ];
    for (case, bad, message) in cases {
        let host = TestHost::new();
        host.scene.update(bad).unwrap();
        for _ in 0..2 {
            let output = host.dokku("matrix:create matrix --tls off");
            assert_eq!(output.code, Some(1), "{case}: {output:#?}");
            assert!(without_prefix(&output.stderr).starts_with(message), "{case}: {output:#?}");
        }
        let keys = host.secrets();
        let fix = |state: &mut State| {
            state.pullable.insert(SYNAPSE.into());
            let image = state.images.get_mut(SYNAPSE).unwrap();
            (image.builds, image.starts) = (true, true);
        };
        host.scene.update(fix).unwrap();
        host.ok("matrix:create matrix");
        assert_eq!(host.state().running("matrix").count(), 1, "{case}");
        let now = host.secrets();
        assert!(keys.iter().all(|(name, text)| now[name] == *text), "{case}");
    }
}

/// The error shows the last lines of the log, with secrets masked, and how to continue.
#[test]
fn not_ready_before_the_timeout() {
    let host = TestHost::new();
    host.synapse.never_ready(SYNAPSE);
    let log = vec!["starting".to_owned(), "macaroon_secret_key: abcdef".to_owned()];
    host.scene.update(|state| state.logs.insert("matrix".into(), log)).unwrap();
    let output = host.dokku("matrix:create matrix --tls off --timeout 10");
    assert_eq!(output.code, Some(1));
    let error = without_prefix(&output.stderr);
    assert_eq!(
        error,
        "matrix is not ready after <time>: /health responds with status 503
  | starting
  | macaroon_secret_key: ***
dokku logs matrix
To go on: dokku matrix:deploy matrix
"
    );
}

/// Every file below a directory, with its content.
fn all(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut files = vec![];
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(all(&path));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
    files.sort();
    files
}

/// The disk is full at different writes. No file is incomplete, and with more space the same
/// command continues with the secrets that exist already.
#[test]
fn disk_is_full() {
    let line = "matrix:create matrix --tls off";
    let complete = TestHost::after(line);
    let lengths = all(&complete.lib("data/matrix/matrix.site.test"));
    let sizes = [1, 2, 3, 4, 6, 8, 10, 12];
    let failed = std::sync::Mutex::new(0);
    in_parallel(&sizes, |blocks| {
        let host = TestHost::new();
        let Some(small) = SmallDisk::at(&host.lib("data/matrix"), *blocks) else { return };
        let output = host.dokku(line);
        if output.code == Some(1) {
            *failed.lock().unwrap() += 1;
            let full = "No space left on device (os error 28)";
            assert!(output.stderr.contains(full), "{blocks}: {output:#?}");
            let server = host.lib("data/matrix/matrix.site.test");
            for (path, text) in all(&server) {
                let name = path.strip_prefix(&server).unwrap();
                assert!(!name.to_string_lossy().contains(".new-"), "{blocks}: {name:?} is left");
                let expected = lengths.iter().find(|(path, _)| path.ends_with(name));
                if name == Path::new("status.json") {
                    // It grows with what is done.
                    serde_json::from_str::<Value>(&text).unwrap();
                } else if let Some((_, expected)) = expected {
                    assert_eq!(text.len(), expected.len(), "{blocks}: {name:?}");
                }
            }
        } else {
            assert_eq!(output.code, Some(3), "{blocks}: {output:#?}");
        }
        let keys = host.secrets();
        small.grow();
        host.ok(line);
        let now = host.secrets();
        assert!(keys.iter().all(|(name, text)| now[name] == *text), "{blocks}");
        assert_eq!(host.state().running("matrix").count(), 1, "{blocks}");
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed == 0 || failed >= 6, "{failed} of {} sizes were too small", sizes.len());
}

/// The disk fills up while a server runs: it keeps running, and its files are unchanged.
#[test]
fn disk_fills_up_later() {
    let host = TestHost::new();
    let Some(_small) = SmallDisk::at(&host.lib("data/matrix"), 256) else { return };
    host.ok("matrix:create matrix --tls off");
    let container = host.state().running("matrix").next().unwrap().id.clone();
    let before = all(&host.lib("data/matrix/matrix.site.test"));
    let url = host.state().apps["matrix"].config["DATABASE_URL"].clone();
    let (head, tail) = (url.find("://postgres:").unwrap() + 12, url.find('@').unwrap());
    let new = format!("{}other{}", &url[..head], &url[tail..]);
    host.setup(&[&format!("config:set --no-restart matrix DATABASE_URL={new}")]);
    let filler = host.file("data/media");
    let mut text = vec![b'x'; 1 << 20];
    while fs::write(&filler, &text).is_err() {
        text.truncate(text.len() - 4096);
    }
    let output = host.dokku("ps:restart matrix");
    assert_eq!(output.code, Some(1), "{output:#?}");
    let path = "<host>/lib/data/matrix/matrix.site.test/config/homeserver.d/20-database.yaml";
    let expected = format!("cannot write {path}: No space left on device (os error 28)");
    let error = without_prefix(&output.stdout);
    assert!(error.contains(&expected), "{output:#?}");
    assert!(error.contains("\nNothing was stopped: the old server runs on.\n"), "{output:#?}");
    let output = host.dokku("matrix:deploy matrix");
    assert_eq!(output.code, Some(1), "{output:#?}");
    assert!(output.stderr.contains("No space left on device (os error 28)"), "{output:#?}");
    assert_eq!(host.state().running("matrix").next().unwrap().id, container);
    fs::remove_file(&filler).unwrap();
    assert_eq!(all(&host.lib("data/matrix/matrix.site.test")), before);
    host.ok("matrix:deploy matrix");
    assert!(host.read("config/homeserver.d/20-database.yaml").contains("password: other"));
}

/// Paths of the wrong type, missing or empty secrets, and files of another user.
#[test]
fn obstructed_paths() {
    let server = "<host>/lib/data/matrix/matrix.site.test";
    let before_create = |prepare: fn(&Path)| {
        let host = TestHost::new();
        prepare(&host.file(""));
        host
    };
    let after_create = |prepare: fn(&Path)| {
        let host = TestHost::after("matrix:create matrix --tls off");
        prepare(&host.file(""));
        host
    };
    let mut cases = vec![
        (
            before_create(|root| {
                fs::create_dir_all(root).unwrap();
                fs::write(root.join("config"), "").unwrap();
            }),
            format!(
                "{server}/config is in the way: it is no directory\nMove it away: mv {server}/config {server}/config.old\n"
            ),
        ),
        (
            after_create(|root| fs::remove_file(root.join("config/secrets/signing.key")).unwrap()),
            format!(
                "the signing key {server}/config/secrets/signing.key is missing
Restore it from a backup: with another key this is another server.
Nothing was changed.\n"
            ),
        ),
        (
            after_create(|root| fs::write(root.join("config/secrets/form_secret"), "").unwrap()),
            format!(
                "{server}/config/secrets/form_secret is empty
Restore it from a backup, or remove it to have a new one generated.\n"
            ),
        ),
    ];
    if Uid::effective().is_root() {
        let foreign =
            |root: &Path| chown(&root.join("data"), Some(Uid::from_raw(991)), None).unwrap();
        let user = TestHost::new().scene.env()["DOKKU_SYSTEM_USER"].clone();
        cases.push((
            after_create(foreign),
            format!(
                "{server}/data does not belong to {user}\nsudo chown -R {user}:{user} {server}\n"
            ),
        ));
    }
    for (host, expected) in cases {
        let before = all(&host.lib("data"));
        host.changes();
        let output = host.dokku("matrix:create matrix --tls off");
        assert_eq!((output.code, without_prefix(&output.stderr)), (Some(1), expected));
        let now = all(&host.lib("data"));
        assert!(before.iter().all(|file| file.0.ends_with(".lock") || now.contains(file)));
        assert!(!host.changes().iter().any(|call| call.contains("git:") || call.contains("ps:re")));
    }
}

/// The error names the command that is running, and nothing changes.
#[test]
fn second_create_is_refused() {
    let host = TestHost::new();
    let prefix = ["dokku", "postgres:create"].map(str::to_owned).to_vec();
    let fault = Fault { argv_prefix: Some(prefix), kind: Kind::HangMs(6000), ..Fault::default() };
    host.scene.set_fault(&fault).unwrap();
    let mut first = host.command("matrix:create matrix --tls off");
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let since = Instant::now();
    while !host.state().apps.contains_key("matrix") {
        assert!(since.elapsed() < Duration::from_secs(20));
        sleep(Duration::from_millis(20));
    }
    for (line, expected) in [
        ("matrix:create matrix --tls off", 4),
        ("matrix:deploy matrix", 4),
        ("matrix:enable-element matrix", 4),
        ("matrix:create matrix --tls off --dry-run", 0),
        ("matrix:report matrix", 0),
    ] {
        let output = host.dokku(line);
        assert_eq!(output.code, Some(expected), "{line}: {output:#?}");
        if expected == 4 {
            let error = without_prefix(&output.stderr);
            let (message, hint) = error.split_once('\n').unwrap();
            let start = "`dokku matrix:create matrix` is at work (process ";
            assert!(message.starts_with(start) && message.ends_with(')'), "{error}");
            assert_eq!(hint, "Wait until it has ended, then run the same command again.\n");
            assert_eq!(output.stdout, "");
        }
    }
    assert_eq!(first.wait().unwrap().code(), Some(3));
    host.changes();
    host.ok("matrix:create matrix");
    assert_eq!(host.changes(), [""; 0]);
    assert_eq!(host.state().running("matrix").count(), 1);
}

/// Each homeserver has a lock of its own.
#[test]
fn two_servers_are_created_in_parallel() {
    let host = TestHost::new();
    let _second = host.homeserver("second");
    let mut first = host.command(CREATE);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let output = host.dokku("matrix:create second --email a@site.test");
    assert_eq!(output.code, Some(3), "{output:#?}");
    assert_eq!(first.wait().unwrap().code(), Some(3));
    host.changes();
    for app in ["matrix", "second"] {
        host.ok(&format!("matrix:deploy {app}"));
    }
    assert_eq!(host.changes(), [""; 0]);
    assert_eq!(host.dokku("nginx:validate-config").code, Some(0));
    let lock = host.lib("data/matrix/.host/locks/host");
    assert_eq!(fs::metadata(lock).unwrap().size(), 0);
}

/// Two commands make one app the app of two homeservers: one of them does, the other one is told, and
/// nothing of its homeserver is left.
#[test]
fn an_app_becomes_one_homeserver() {
    const OTHER: &str = "matrix:create matrix --tls off --server-name other.test";
    let cases = [
        (OTHER, "apps:create"),
        (OTHER, "postgres:create"),
        ("matrix:create second --tls off --element matrix", "apps:create"),
    ];
    for (line, until) in cases {
        let host = TestHost::new();
        let _second = host.homeserver("second");
        let prefix = ["dokku", until].map(str::to_owned).to_vec();
        let kind = Kind::HangMs(4000);
        host.scene
            .set_fault(&Fault { argv_prefix: Some(prefix), kind, ..Fault::default() })
            .unwrap();
        let mut first = host.command("matrix:create matrix --tls off");
        let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let since = Instant::now();
        while !host.file("server.json").exists() {
            assert!(since.elapsed() < Duration::from_secs(20));
            sleep(Duration::from_millis(20));
        }
        let output = host.dokku(line);
        assert_eq!(output.code, Some(4), "{line}: {output:#?}");
        let error = without_prefix(&output.stderr);
        assert!(error.starts_with("`dokku matrix:create matrix` is at work (process "), "{error}");
        assert_eq!(first.wait().unwrap().code(), Some(3), "{line}");
        let refused = host.dokku(line);
        assert!(matches!(refused.code, Some(1 | 2)), "{line}: {refused:#?}");
        for server in ["other.test", "second.site.test"] {
            assert!(!host.lib("data/matrix").join(server).exists(), "{line}: {server}");
        }
        host.changes();
        host.ok("matrix:deploy matrix");
        assert_eq!(host.changes(), [""; 0]);
        assert_eq!(host.ok("matrix:list").stdout, "=====> Matrix homeservers\nmatrix\n");
    }
}

/// Lock files go with what they were for, but not those that somebody holds.
#[test]
fn removes_unused_lock_files() {
    let host = TestHost::after("matrix:create matrix --tls off");
    let locks = host.lib("data/matrix/.host/locks");
    let unused = ["gone.test.server", "gone.test.data", "gone.app", "gone.test_8448.server"];
    let used = ["matrix.site.test.server", "matrix.site.test.data", "matrix.app", "held.app"];
    let old = host.lib("data/matrix/.gone.test.lock");
    for path in unused.iter().chain(&used).map(|name| locks.join(name)).chain([old.clone()]) {
        fs::write(path, "").unwrap();
    }
    let held = fs::File::open(locks.join("held.app")).unwrap();
    held.lock().unwrap();
    host.ok("matrix:deploy matrix");
    for name in unused {
        assert!(!locks.join(name).exists(), "{name}");
    }
    for name in used {
        assert!(locks.join(name).exists(), "{name}");
    }
    assert!(!old.exists());
}

/// A run that was killed may leave the container of its validation at work: the next one removes it,
/// but none of a run that lives.
#[test]
fn removes_containers_of_dead_runs() {
    let host = TestHost::after("matrix:create matrix --tls off");
    let start = fs::read_to_string("/proc/self/stat").unwrap();
    let start = start.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().to_owned();
    let alive = format!("{}.{start}", std::process::id());
    let dead = format!("{}.{start}0", std::process::id());
    let container = |id: &str, process: &str| stand_in::Temporary {
        id: id.repeat(64),
        name: format!("dokku-matrix.{id}"),
        labels: [("com.dokku-matrix.process".to_owned(), process.to_owned())].into(),
    };
    host.scene
        .update(|state| state.temporary = vec![container("a", &dead), container("b", &alive)])
        .unwrap();
    // Nothing is validated, so nothing is run.
    host.ok("matrix:deploy matrix");
    assert_eq!(host.state().temporary.len(), 2);
    let local = host.file("config/homeserver.d/90-local.yaml");
    fs::write(&local, "max_upload_size: 1M\n").unwrap();
    // One that cannot be removed is at work: nothing else is started beside it.
    let remove = ["docker", "container", "rm"].map(str::to_owned).to_vec();
    let fault = Fault { argv_prefix: Some(remove), kind: Kind::Fail, ..Fault::default() };
    host.scene.set_fault(&fault).unwrap();
    let output = host.dokku("matrix:deploy matrix");
    assert_eq!(output.code, Some(1), "{output:#?}");
    host.ok("matrix:deploy matrix");
    let left = host.state().temporary;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, "b".repeat(64));
}

/// PostgreSQL starts again and again: of its long log the lines are shown that say why.
#[test]
fn explains_why_a_service_cannot_be_created() {
    let host = TestHost::new();
    let log = concat!(env!("CARGO_MANIFEST_DIR"), "/src/dokku/postgres.test.txt");
    host.override_program("dokku", "[[ $1 == postgres:create ]]", &format!("cat {log}; exit 1"));
    let output = host.dokku("matrix:create matrix --tls off");
    assert_eq!(output.code, Some(1));
    assert_eq!(
        without_prefix(&output.stderr),
        "`dokku postgres:create matrix-db --custom-env 'POSTGRES_INITDB_ARGS=--encoding=UTF8 --lc-collate=C --lc-ctype=C'` ended with exit code 1
  | Waiting for dokku-postgres-cont-bad:5432  ...............................  ERROR: unable to connect
  | initdb: error: \"NOPE\" is not a valid server encoding name
dokku postgres:logs matrix-db
"
    );
}
