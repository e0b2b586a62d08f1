//! `dev/record` makes recordings like those in this repository: it runs here against a stand-in
//! host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use stand_in::Scene;

use super::normalize::Side;
use super::recordings::committed;

fn scene() -> Scene {
    Scene::with_binary(Path::new(env!("CARGO_BIN_EXE_stand-in"))).unwrap()
}

/// Runs `dev/record` as root of the stand-in host.
fn record(scene: &Scene, args: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dev/record");
    scene.command(program).args(args).env("STAND_IN_ROOT", "1").output().unwrap()
}

fn to(scene: &Scene) -> PathBuf {
    scene.path().join("recording.json")
}

/// The recording without the name of the account that runs the tests.
fn recording(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.split_inclusive('\n').filter(|line| !line.starts_with("   \"user\": ")).collect()
}

#[test]
fn records_a_transcript_again() {
    for (name, calls) in [("config", 16), ("domains-ports", 30), ("postgres", 46)] {
        let scene = scene();
        let to = to(&scene);
        let output = record(&scene, &[name, "--to", &to.display().to_string()]);
        let message = format!("{calls} calls of Dokku 0.38.27 are in {}\n", to.display());
        assert_eq!(String::from_utf8_lossy(&output.stdout), message);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let text = |text: &str| Side::default().text(&scene, "", text, false).0;
        let recorded = recording(&committed().join(format!("{name}.json")));
        assert_eq!(text(&recording(&to)), text(&recorded), "{name}");
    }
}

#[test]
fn records_new_calls_without_secrets() {
    let scene = scene();
    let (list, before, to) = (scene.path().join("list"), scene.path().join("before"), to(&scene));
    fs::write(&before, "# The app is there already.\ndokku apps:create rec\n").unwrap();
    fs::write(
        &list,
        "dokku config:set --no-restart rec 'C=a b' A=plain SMTP_PASSWORD=hunter2hunter2\n\
         DOKKU_QUIET_OUTPUT=1 dokku config:set --no-restart rec B=b\n\
         dokku config:get rec SMTP_PASSWORD\n\
         dokku postgres:create recdb\n\
         dokku postgres:connect recdb <<< 'SELECT 1;'\n",
    )
    .unwrap();
    let paths = [&list, &before, &to].map(|path| path.display().to_string());
    let output = record(
        &scene,
        &["--from", &paths[0], "--about", "secrets", "--before", &paths[1], "--to", &paths[2]],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = recording(&to);
    let password = scene.state().unwrap().services["recdb"].password.clone();
    assert!(!text.contains("hunter2") && !text.contains(&password), "{text}");
    let zeros = "0".repeat(32);
    let start = format!(
        "{{\n \"about\": \"secrets\",\n \"dokku\": \"0.38.27\",\n \"calls\": [\n  {{\n   \"argv\": [\n    \"dokku\",\n    \"config:set\",\n    \"--no-restart\",\n    \"rec\",\n    \"C=a b\",\n    \"A=plain\",\n    \"SMTP_PASSWORD={zeros}\"\n   ],\n   \"rc\": 0,\n   \"stdout\": \"-----> Setting config vars\\n       A:              plain\\n"
    );
    assert!(text.starts_with(&start), "{text}");
    for part in [
        "\n   \"env\": {\n    \"DOKKU_QUIET_OUTPUT\": \"1\"\n   },\n   \"rc\": 0,\n   \"stdout\": \"\",\n",
        &format!("\n   \"rc\": 0,\n   \"stdout\": \"{zeros}\\n\",\n   \"stderr\": \"\"\n  }},\n"),
        &format!("postgres://postgres:{zeros}@dokku-postgres-recdb:5432/recdb"),
        "\n   \"stdin\": \"SELECT 1;\\n\",\n   \"rc\": 0,\n   \"stdout\": \" ?column? \\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn refuses_invalid_recordings() {
    let list = |scene: &Scene, text: &str| {
        let path = scene.path().join("list");
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let refused = |scene: &Scene, args: &[&str], path: Option<&str>, why: &str| {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dev/record");
        let mut command = scene.command(program);
        command.args(args).args(["--to", &to(scene).display().to_string()]);
        if let Some(path) = path {
            command.env("PATH", path);
        }
        let before = scene.state().unwrap().apps.len();
        let output = command.output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.contains(why), "{args:?}: {message}");
        assert_eq!(scene.state().unwrap().apps.len(), before, "{args:?}");
    };
    let scene = scene();
    refused(&scene, &["nosuch"], None, "record: there is no transcript nosuch");
    refused(&scene, &["config", "--about", "x"], None, "give the name of a transcript, or --from");
    // Without the stand-in programs in PATH: the machine itself may be a Dokku host.
    let bare = scene.path().join("bare");
    fs::create_dir(&bare).unwrap();
    std::os::unix::fs::symlink("/usr/bin/python3", bare.join("python3")).unwrap();
    let why = "record: there is no dokku on this host";
    refused(&scene, &["config"], Some(bare.to_str().unwrap()), why);
    let other = list(&scene, "dokku apps:list; rm -rf x\nls\n");
    refused(
        &scene,
        &["--from", &other, "--about", "x"],
        None,
        "record: not a call of dokku or docker: ls",
    );
    assert!(!to(&scene).exists());
    fs::write(to(&scene), "kept").unwrap();
    refused(&scene, &["config"], None, "exists; --force overwrites it");
    assert_eq!(fs::read_to_string(to(&scene)).unwrap(), "kept");
    let forced = record(&scene, &["config", "--force", "--to", &to(&scene).display().to_string()]);
    assert!(forced.status.success() && recording(&to(&scene)).starts_with("{\n \"about\""));
    fs::remove_file(to(&scene)).unwrap();
    assert!(scene.run(&["dokku", "postgres:create", "trdb"], None).unwrap().status.success());
    let why = "record: this host has service trdb: record on a throw-away host";
    refused(&scene, &["postgres"], None, why);
    assert!(scene.run(&["dokku", "apps:create", "tra"], None).unwrap().status.success());
    let why = "record: this host has app tra: record on a throw-away host";
    refused(&scene, &["apps"], None, why);
    let failing = list(&scene, "dokku apps:exists nobody\n");
    let args = ["misc", "--before", &failing];
    refused(&scene, &args, None, "record: a call of --before failed: dokku apps:exists nobody");
    assert!(!to(&scene).exists());
}
