//! A component that exists in `tests/third_component.rs` alone goes through the whole life of one.

use super::harness::TestHost;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

const CREATE: &str = "matrix:create matrix --email a@site.test --page";

/// The plugin with the third component, built beside the plugin.
static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let plugin = Path::new(env!("CARGO_BIN_EXE_dokku-matrix"));
    let profile = plugin.parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--example", "third-component"]);
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("--target-dir")
        .arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "the example cannot be built");
    profile.join("examples/third-component")
});

fn new_host() -> TestHost {
    let host = TestHost::with_plugin(&BINARY);
    for name in ["enable-page", "disable-page"] {
        let link = host.scene.path().join("plugin/subcommands").join(name);
        symlink("../bin/dokku-matrix", link).unwrap();
    }
    host.scene.update(|state| state.pullable.insert("example/page:v1".into())).unwrap();
    host
}

#[test]
fn lives_from_create_to_destroy() {
    let host = new_host();
    let page = |app: &str| host.state().apps[app].clone();

    let create = host.ok(CREATE);
    assert!(
        create.stdout.contains("       Welcome page   https://welcome.site.test\n"),
        "{create:#?}"
    );
    let app = page("welcome");
    assert_eq!(app.ports, ["http:80:3000", "https:443:3000"]);
    assert_eq!(app.config["PAGE_TITLE"], "matrix.site.test");
    assert!(app.cert.is_some());
    let config = host.read("page/page.json");
    assert_eq!(config, "{\"homeserver\":\"https://matrix.site.test\"}");
    assert_eq!(host.state().running("welcome").next().unwrap().image, "example/page:v1");
    let report = host.ok("matrix:report matrix --matrix-page-url");
    assert_eq!(report.stdout, "https://welcome.site.test\n");

    // The same command again changes nothing.
    host.changes();
    host.ok(CREATE);
    assert_eq!(host.changes(), [""; 0]);

    // A file that the container reads when it starts, changed by hand.
    fs::write(host.file("page/page.json"), "{}\n").unwrap();
    host.changes();
    host.ok("matrix:deploy matrix");
    assert_eq!(host.read("page/page.json"), config);
    assert_eq!(host.changes(), ["dokku ps:restart welcome"]);

    // A second process of it harms nothing.
    host.ok("ps:scale welcome web=2");
    host.ok("ps:scale welcome web=1");

    host.ok("apps:rename welcome hello");
    let app = page("hello");
    assert!(app.domains.contains(&"welcome.site.test".to_owned()), "{:?}", app.domains);
    assert!(app.cert.is_some());
    host.ok("matrix:deploy matrix");
    assert_eq!(host.ok("matrix:report matrix --matrix-page-app").stdout, "hello\n");

    let disable = host.ok("matrix:disable-page matrix");
    assert!(
        disable.stdout.ends_with("=====> Welcome page is disabled for matrix\n"),
        "{disable:#?}"
    );
    assert!(!host.state().apps.contains_key("hello"));
    assert_eq!(host.ok("matrix:report matrix --matrix-page-app").stdout, "\n");

    host.ok("matrix:enable-page matrix --app welcome");
    assert!(page("welcome").deployed);
    host.ok("apps:destroy welcome --force");
    assert_eq!(host.ok("matrix:report matrix --matrix-page-app").stdout, "\n");
    host.changes();
    host.ok("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0], "what was destroyed by hand stays away");

    host.ok(CREATE);
    let destroy = host.ok("apps:destroy matrix --force");
    assert!(destroy.stdout.contains("       Welcome page           app welcome\n"), "{destroy:#?}");
    host.ok("matrix:create matrix --server-name matrix.site.test");
    assert_eq!(host.ok("matrix:report matrix --matrix-page-app").stdout, "welcome\n");
}

/// A host whose plugin does not know the component (any more) breaks nothing.
#[test]
fn unknown_component_is_refused_by_name() {
    let host = new_host();
    host.ok(CREATE);
    let before = host.read("server.json");
    let binary = host.scene.path().join("plugin/bin/dokku-matrix");
    fs::remove_file(&binary).unwrap();
    symlink(env!("CARGO_BIN_EXE_dokku-matrix"), binary).unwrap();
    let output = host.dokku("matrix:deploy matrix");
    assert_eq!(output.code, Some(1));
    assert_eq!(
        output.stderr,
        " !     <host>/lib/data/matrix/matrix.site.test/server.json names a component that this plugin does not know: page
 !     sudo dokku plugin:update matrix\n"
    );
    assert_eq!(host.read("server.json"), before);
}

/// A kind that only a newer version knows may be one that must not run twice.
#[test]
fn guards_an_app_of_an_unknown_kind() {
    let host = TestHost::after("matrix:create matrix --tls off");
    fs::write(host.lib("data/matrix/.host/apps/matrix"), "worker matrix.site.test\n").unwrap();
    let output = host.trigger("scheduler-deploy", "docker-local matrix latest");
    let expected = " !     this version of the plugin does not know worker
 !     sudo dokku plugin:update matrix\n";
    assert_eq!((output.code, output.stderr.as_str()), (Some(1), expected));
    let output = host.trigger("scheduler-run", "docker-local matrix 0 -- /start.py");
    assert_eq!(output.code, Some(1), "{output:#?}");
    let expected = " !     no Synapse process may run in matrix beside the deployed one\n";
    assert!(output.stderr.starts_with(expected), "{output:#?}");
}
