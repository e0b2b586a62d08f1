//! Delegation: if the server name is not the homeserver's domain, another app or somebody else must
//! serve the well-known files.

use super::harness::TestHost;
use stand_in::{Fault, Kind};
use std::fs;
use std::time::Duration;

pub(super) const CREATE: &str = "matrix:create matrix --email a@site.test --server-name site.test";
pub(super) const BUILD: &str = "dokku proxy:build-config site";

/// Shown where no app on the host can serve the files.
pub(super) const FILES_TO_HOST: &str =
    "site.test must serve these two files over https, so that others find site.test:
https://site.test/.well-known/matrix/server
  {\"m.server\": \"matrix.site.test:443\"}
https://site.test/.well-known/matrix/client (with the header Access-Control-Allow-Origin: *)
  {\"m.homeserver\": {\"base_url\": \"https://matrix.site.test\"}}
";

/// A host with the app `site`, which owns `site.test` and has a certificate.
pub(super) fn create_host() -> TestHost {
    let host = TestHost::new();
    host.website("site", "site.test");
    host
}

pub(super) fn well_known_file(host: &TestHost) -> Option<String> {
    let path = host.scene.root().join("site/nginx.conf.d/matrix-well-known.conf");
    fs::read_to_string(path).ok()
}

/// Adds locations to an app's nginx configuration, as its owner might: what each returns. Everybody
/// may read what clients need.
pub(super) fn add_locations(host: &TestHost, app: &str, locations: &[(&str, &str)]) {
    let location = |(name, returns): &(&str, &str)| {
        let cors = "  add_header Access-Control-Allow-Origin *;\n";
        let cors = if *name == "server" { "" } else { cors };
        format!("location = /.well-known/matrix/{name} {{\n{cors}  return {returns};\n}}\n")
    };
    add_nginx(host, app, &locations.iter().map(location).collect::<String>());
}

/// Adds lines to an app's nginx configuration, as its owner might.
pub(super) fn add_nginx(host: &TestHost, app: &str, text: &str) {
    let directory = host.scene.root().join(app).join("nginx.conf.d");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("own.conf"), text).unwrap();
    host.setup(&[&format!("proxy:build-config {app}")]);
}

/// Standard error without the part about names that are not in the DNS.
pub(super) fn errors(text: &str) -> String {
    let text = text.replace(" !     ", "");
    let end = text.find("Through the DNS, as others see it").unwrap_or(text.len());
    text[..end].to_owned()
}

#[test]
fn sibling_with_a_certificate_serves_the_files() {
    let host = create_host();
    let output = host.ok(CREATE);
    assert_eq!(errors(&output.stderr), "");
    assert_eq!(host.changes().last().unwrap(), BUILD);
    let text = well_known_file(&host).unwrap();
    for line in [
        "# For the Matrix server site.test.\n",
        "location = /.well-known/matrix/server {\n",
        "  return 200 '{\"m.server\":\"matrix.site.test:443\"}';\n",
        "location = /.well-known/matrix/client {\n",
        "  add_header Access-Control-Allow-Origin * always;\n",
        "  return 200 '{\"m.homeserver\":{\"base_url\":\"https://matrix.site.test\"}}';\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    host.ok(CREATE);
    assert_eq!(host.changes(), [""; 0]);
    // Change the domain but not the server name.
    let directory = host.lib("data/matrix/site.test/config");
    let key = || fs::read(directory.join("secrets/signing.key")).unwrap();
    let before = key();
    host.ok("matrix:create matrix --domain m.site.test");
    assert_eq!(
        host.changes(),
        [
            "dokku domains:set matrix m.site.test",
            "dokku ps:restart matrix",
            "dokku letsencrypt:enable matrix",
            BUILD,
        ]
    );
    assert!(well_known_file(&host).unwrap().contains("\"m.server\":\"m.site.test:443\""));
    let yaml = fs::read_to_string(directory.join("homeserver.d/10-server.yaml")).unwrap();
    assert!(yaml.contains("\nserver_name: site.test\n"), "{yaml}");
    assert!(yaml.contains("https://m.site.test"), "{yaml}");
    assert_eq!(key(), before);
    host.ok("matrix:deploy matrix");
    assert_eq!(host.changes(), [""; 0]);
    // Manual changes to the file are corrected.
    let path = host.scene.root().join("site/nginx.conf.d/matrix-well-known.conf");
    fs::write(path, "").unwrap();
    host.ok("matrix:deploy matrix");
    assert!(well_known_file(&host).unwrap().contains("\"m.server\":\"m.site.test:443\""));
}

/// The files are removed once they are obsolete, whatever the reason.
#[test]
fn removes_obsolete_files() {
    let cases: [(&str, fn(&TestHost), &str, Vec<&str>); 4] = [
        (
            "TLS is off",
            |host| host.setup(&["letsencrypt:disable matrix"]),
            "matrix:create matrix --tls off",
            vec![BUILD],
        ),
        (
            "no certificate",
            |host| {
                host.scene.update(|state| state.apps.get_mut("site").unwrap().cert = None).unwrap();
            },
            "matrix:deploy matrix",
            vec![BUILD],
        ),
        (
            "another domain",
            |host| host.setup(&["domains:set site www.site.test"]),
            "matrix:deploy matrix",
            vec![BUILD],
        ),
        (
            "another app",
            |host| {
                host.setup(&["domains:set site www.site.test"]);
                host.website("site2", "site.test");
            },
            "matrix:deploy matrix",
            vec![BUILD, "dokku proxy:build-config site2"],
        ),
    ];
    for (case, change, line, expected) in cases {
        let host = create_host();
        host.ok(CREATE);
        change(&host);
        host.changes();
        host.ok(line);
        let changes = host.changes();
        let sites: Vec<_> = changes.iter().filter(|call| call.contains("config site")).collect();
        assert_eq!(sites, expected, "{case}");
        assert_eq!(well_known_file(&host), None, "{case}");
        assert_eq!(host.dokku("nginx:validate-config").code, Some(0));
    }
    // The homeserver itself takes over the domain that is its server name.
    let host = create_host();
    host.ok(CREATE);
    host.setup(&["domains:set site www.site.test"]);
    let output = host.ok("matrix:create matrix --domain site.test");
    assert_eq!(errors(&output.stderr), "");
    assert_eq!(well_known_file(&host), None);
}

/// nginx already rejects the host's configuration: the homeserver keeps running, and an error says
/// so.
#[test]
fn survives_a_broken_nginx_configuration() {
    let host = create_host();
    host.ok(CREATE);
    let directory = host.scene.root().join("site/nginx.conf.d");
    fs::write(directory.join("own.conf"), "BROKEN\n").unwrap();
    fs::remove_file(directory.join("matrix-well-known.conf")).unwrap();
    let output = host.dokku("matrix:deploy matrix");
    assert_eq!(output.code, Some(3), "{output:#?}");
    let hint = " !     nginx rejects this host's configuration without it, too: sudo nginx -t\n";
    assert!(output.stderr.contains(hint), "{output:#?}");
    assert_eq!(well_known_file(&host), None);
}

#[test]
fn shows_the_files_to_host_without_a_sibling() {
    let cases: [(fn(&TestHost), &str); 2] = [
        (|_| (), ": <not in the DNS>"),
        (
            |host| {
                host.website("site", "site.test");
                host.scene.update(|state| state.apps.get_mut("site").unwrap().cert = None).unwrap();
            },
            " on this host, in the app site: the app has no certificate",
        ),
    ];
    for (before, cause) in cases {
        let host = TestHost::new();
        before(&host);
        let why = |file: &str| format!("https://site.test/.well-known/matrix/{file}{cause}\n");
        let error = why("server") + &why("client") + FILES_TO_HOST;
        let output = host.dokku(CREATE);
        assert_eq!((output.code, errors(&output.stderr)), (Some(3), error.clone()));
        host.changes();
        let output = host.dokku("matrix:deploy matrix");
        assert_eq!((output.code, errors(&output.stderr)), (Some(3), error));
        assert_eq!(host.changes(), [""; 0]);
        // Once there is a sibling with a certificate, it serves the files.
        if !host.state().apps.contains_key("site") {
            host.website("site", "site.test");
        }
        host.scene.give_certificate("site", &["site.test"]).unwrap();
        host.changes();
        let output = host.ok("matrix:deploy matrix");
        assert_eq!(errors(&output.stderr), "");
        assert_eq!(host.changes(), [BUILD]);
    }
}

/// Dokku's root may contain directories that dokku's user cannot read. Root can read them all, so
/// this test has a directory in place of each file, which nobody can read.
#[test]
fn ignores_directories_that_are_not_apps() {
    let host = create_host();
    for name in ["VHOST", "nginx.conf.d/matrix-well-known.conf"] {
        fs::create_dir_all(host.scene.root().join("lost+found").join(name)).unwrap();
    }
    host.ok(CREATE);
    assert!(well_known_file(&host).is_some());
}

/// Without TLS, or with a port in the server name, nothing reads well-known files.
#[test]
fn writes_nothing_without_delegation() {
    for flags in
        ["--tls off --server-name site.test", "--tls provided --server-name site.test:8448"]
    {
        let host = create_host();
        let output = host.ok(&format!("matrix:create matrix {flags}"));
        assert!(!output.stderr.contains("must serve"), "{output:#?}");
        assert_eq!(well_known_file(&host), None, "{flags}");
    }
}

/// Killed after the file was written, before or after nginx was reloaded: which one is not known.
#[test]
fn reloads_nginx_after_a_kill() {
    for kind in [Kind::KillBefore, Kind::KillAfter] {
        let host = create_host();
        let argv_prefix = Some(BUILD.split(' ').map(str::to_owned).collect());
        host.scene.set_fault(&Fault { argv_prefix, kind, ..Fault::default() }).unwrap();
        assert_eq!(host.dokku(CREATE).code, Some(137));
        host.scene.settle(Duration::from_secs(20)).unwrap();
        assert!(well_known_file(&host).is_some());
        host.changes();
        host.ok(CREATE);
        assert_eq!(host.changes(), [BUILD], "{kind:?}");
        host.ok(CREATE);
        assert_eq!(host.changes(), [""; 0]);
    }
}

/// Killed, or failed, after the file was removed and before nginx was reloaded.
#[test]
fn reloads_nginx_after_removing_a_file() {
    for kind in [Kind::KillBefore, Kind::Fail] {
        let host = create_host();
        host.ok(CREATE);
        host.setup(&["domains:set site www.site.test"]);
        let argv_prefix = Some(BUILD.split(' ').map(str::to_owned).collect());
        host.scene.set_fault(&Fault { argv_prefix, kind, ..Fault::default() }).unwrap();
        assert!(matches!(host.dokku(CREATE).code, Some(1 | 137)), "{kind:?}");
        host.scene.settle(Duration::from_secs(20)).unwrap();
        assert_eq!(well_known_file(&host), None, "{kind:?}");
        host.changes();
        host.ok(CREATE);
        assert_eq!(host.changes(), [BUILD], "{kind:?}");
        host.ok(CREATE);
        assert_eq!(host.changes(), [""; 0], "{kind:?}");
        let directory = host.scene.root().join("site/nginx.conf.d");
        let left: Vec<_> =
            fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["hsts.conf"], "{kind:?}");
    }
}

/// Two server names are domains of one app, which can serve the files of one of them.
#[test]
fn one_app_serves_the_files_of_one_server() {
    const OTHER: &str = "matrix:create other --email a@site.test --server-name www.site.test";
    let host = create_host();
    let _other = host.homeserver("other");
    host.setup(&["domains:add site www.site.test"]);
    host.scene.give_certificate("site", &["site.test", "www.site.test"]).unwrap();
    host.ok(CREATE);
    let before = well_known_file(&host);
    let output = host.ok(OTHER);
    let error =
        "site serves the well-known files of site.test, and can serve those of one homeserver only.
https://www.site.test/.well-known/matrix/server on this host, in the app site: it names another server, \"matrix.site.test:443\"
https://www.site.test/.well-known/matrix/client on this host, in the app site: it names another homeserver, \"https://matrix.site.test\"
www.site.test must serve these two files over https, so that others find www.site.test:\n";
    assert!(errors(&output.stderr).starts_with(error), "{output:#?}");
    assert_eq!(output.code, Some(3));
    assert_eq!(well_known_file(&host), before);
    host.changes();
    host.ok("matrix:deploy matrix");
    host.ok("matrix:deploy other");
    assert_eq!(host.changes(), [""; 0]);
    // The other one's turn.
    assert_eq!(host.dokku("--force apps:destroy matrix").code, Some(0));
    let output = host.ok("matrix:deploy other");
    assert_eq!(errors(&output.stderr), "");
    assert!(well_known_file(&host).unwrap().contains("other.site.test:443"));
}

/// If one app's nginx configuration cannot be built, that is reported, and the files are removed
/// from the other apps all the same.
#[test]
fn one_failed_app_does_not_stop_the_others() {
    let host = create_host();
    host.ok(CREATE);
    host.website("site2", "site2.test");
    let path = |app: &str| host.scene.root().join(app).join("nginx.conf.d/matrix-well-known.conf");
    fs::copy(path("site"), path("site2")).unwrap();
    let argv_prefix = Some(BUILD.split(' ').map(str::to_owned).collect());
    host.scene.set_fault(&Fault { argv_prefix, nested: true, ..Fault::default() }).unwrap();
    let output = host.dokku("--force apps:destroy matrix");
    assert_eq!(output.code, Some(0));
    assert!(output.stderr.contains("`dokku proxy:build-config site` ended with"), "{output:#?}");
    let title = "Well-known files of site.test removed from ";
    assert!(output.stdout.contains(&format!("{title}site2\n")), "{output:#?}");
    assert!(!output.stdout.contains(&format!("{title}site\n")), "{output:#?}");
    assert!(!path("site").exists() && !path("site2").exists());
}

/// Killed before nginx has checked a file that it rejects. The file must not pass for verified
/// later, even if somebody has run `proxy:build-config` meanwhile.
#[test]
fn rejects_an_unverified_file_after_a_kill() {
    for (app, name, code) in [("site", "matrix-well-known.conf", 3), ("matrix", "matrix.conf", 1)] {
        for built in [false, true] {
            let host = TestHost::after(CREATE);
            let directory = host.scene.root().join(app).join("nginx.conf.d");
            if app == "site" {
                host.website("site", "site.test");
            } else {
                fs::remove_file(directory.join(name)).unwrap();
            }
            add_locations(&host, app, &[("server", "200 '{}'"), ("client", "200 '{}'")]);
            let argv_prefix = Some(["nginx", "-t"].map(str::to_owned).to_vec());
            let kind = Kind::KillBefore;
            host.scene.set_fault(&Fault { argv_prefix, kind, ..Fault::default() }).unwrap();
            assert_eq!(host.dokku("matrix:deploy matrix").code, Some(137), "{app}");
            assert!(directory.join(name).exists(), "{app}");
            if built {
                assert_eq!(host.dokku(&format!("proxy:build-config {app}")).code, Some(1));
            }
            let output = host.dokku("matrix:deploy matrix");
            let error = errors(&output.stderr);
            assert_eq!(output.code, Some(code), "{app}: {output:#?}");
            assert!(error.starts_with("nginx rejects "), "{app}: {error}");
            assert!(error.contains("\nLook for the same location in "), "{app}: {error}");
            let left = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name());
            assert!(left.into_iter().all(|file| !file.to_string_lossy().contains(name)), "{app}");
            assert_eq!(host.dokku("nginx:validate-config").code, Some(0), "{app}");
        }
    }
}

/// A destroyed homeserver removes only its own files.
#[test]
fn keeps_files_of_other_servers() {
    let host = create_host();
    host.ok(CREATE);
    let path = host.scene.root().join("site/nginx.conf.d/matrix-well-known.conf");
    let other = well_known_file(&host)
        .unwrap()
        .replace("Matrix server site.test.", "Matrix server other.test.");
    fs::write(&path, &other).unwrap();
    let output = host.dokku("--force apps:destroy matrix");
    assert_eq!(output.code, Some(0));
    assert!(!output.stdout.contains("Well-known"), "{output:#?}");
    assert_eq!(well_known_file(&host).unwrap(), other);
}
