//! The directories of Synapse are mounted as named storage entries, which belong to the host: they
//! outlive the app, and may be of something else.

use super::harness::TestHost;

const LINE: &str = "matrix:create matrix --domain localhost --tls off";
const CONFIG: &str = "matrix-b44ca8eb5c-config";

#[test]
fn entries_outlive_the_app() {
    let host = TestHost::after(LINE);
    let entries = host.state().storage_entries;
    let names: Vec<&str> = entries.keys().map(String::as_str).collect();
    assert_eq!(names, [CONFIG, &CONFIG.replace("config", "data")]);
    assert!(entries.values().all(|entry| entry.reclaim == "Retain"));
    assert_eq!(host.dokku("--force apps:destroy matrix").code, Some(0));
    assert_eq!(host.state().storage_entries.len(), 2);
    host.changes();
    host.ok(LINE);
    let changes = host.changes();
    let storage: Vec<&String> = changes.iter().filter(|call| call.contains("storage:")).collect();
    assert_eq!(
        storage,
        [
            &format!(
                "dokku storage:mount matrix {CONFIG} --container-dir /config --volume-readonly"
            ),
            &format!(
                "dokku storage:mount matrix {} --container-dir /data",
                CONFIG.replace("config", "data")
            ),
        ]
    );
}

/// Dokku would give the entry the new path, and move the mounts of every app that has it.
#[test]
fn refuses_an_entry_of_another_path() {
    let host = TestHost::new();
    host.setup(&[&format!("storage:create {CONFIG} <host>/lib/data/storage/other")]);
    let output = host.dokku(LINE);
    let error = format!(
        " !     the storage entry {CONFIG} is of <host>/lib/data/storage/other, not of <host>/lib/data/matrix/localhost/config
 !     If no app needs it, remove the entry; its files stay:
 !       dokku storage:destroy {CONFIG}
"
    );
    assert_eq!((output.code, output.stderr), (Some(1), error));
    assert!(host.state().apps["matrix"].mounts.is_empty());
    host.setup(&[&format!("storage:destroy {CONFIG} --force")]);
    host.ok(LINE);
    assert!(host.lib("data/storage/other").is_dir());
}

/// An older version of the plugin mounted the paths. The app goes on as it is, and is known.
#[test]
fn mounts_of_paths_stay() {
    let host = TestHost::after(LINE);
    let directory = "<host>/lib/data/matrix/localhost";
    let data = CONFIG.replace("config", "data");
    host.setup(&[
        &format!("storage:unmount matrix {CONFIG}"),
        &format!("storage:unmount matrix {data}"),
        &format!("storage:destroy {CONFIG} --force"),
        &format!("storage:destroy {data} --force"),
        &format!("storage:mount matrix {directory}/config:/config:ro"),
        &format!("storage:mount matrix {directory}/data:/data"),
    ]);
    let before = host.dump();
    host.changes();
    host.ok(LINE);
    host.ok("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0]);
    assert_eq!(host.dump(), before);
    assert!(host.state().storage_entries.is_empty());
}

/// The guard and identity know an app by what it has mounted, in either form.
#[test]
fn refuses_another_app_with_the_entry() {
    let host = TestHost::after(LINE);
    host.setup(&[
        "apps:create other",
        &format!("storage:mount other {CONFIG} --container-dir /config --volume-readonly"),
    ]);
    let output = host.dokku("git:from-image other matrixdotorg/synapse:v1.163.2");
    assert_ne!(output.code, Some(0), "{output:#?}");
    assert_eq!(host.state().running("other").count(), 0);
}

/// Where Dokku runs in a container, only the Docker daemon sees the directory: Dokku would make
/// another one in its own container for an entry.
#[test]
fn mounts_paths_where_dokku_runs_in_a_container() {
    let host = TestHost::new();
    let line = format!("{LINE} --dry-run");
    let mut command = host.command(&line);
    command.env("DOKKU_LIB_HOST_ROOT", "/srv/dokku");
    let output = host.run(command, b"");
    assert!(
        output.stdout.contains(
            "dokku storage:mount matrix /srv/dokku/data/matrix/localhost/config:/config:ro\n"
        ),
        "{output:#?}"
    );
    assert!(!output.stdout.contains("storage:create"), "{output:#?}");
}
