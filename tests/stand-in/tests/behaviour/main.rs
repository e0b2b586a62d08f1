//! Behavior of a real host beyond the output of single commands: the surprises that the plugin must
//! handle, and the ways in which tests break a host.

#![expect(clippy::unwrap_used, reason = "helpers of a test panic")]

mod database;
mod deploys;
mod faults;
mod nginx;
mod programs;
mod rename_clone;
mod unsupported;
mod visibility;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use stand_in::Scene;

const ELEMENT: &str = "vectorim/element-web:v1.12.32";
const SYNAPSE: &str = "matrixdotorg/synapse:v1.163.2";

fn scene() -> Scene {
    Scene::with_binary(Path::new(env!("CARGO_BIN_EXE_stand-in"))).unwrap()
}

/// Runs a command line, split at spaces, without quoting.
fn run(scene: &Scene, line: &str) -> Output {
    run_with(scene, line, None)
}

fn run_with(scene: &Scene, line: &str, stdin: Option<&str>) -> Output {
    let argv: Vec<&str> = line.split(' ').collect();
    scene.run(&argv, stdin).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs command lines that must succeed.
fn ok(scene: &Scene, lines: &[&str]) {
    for line in lines {
        let output = run(scene, line);
        assert!(output.status.success(), "{line}: {}{}", stdout(&output), stderr(&output));
    }
}

/// Runs a command line that must exit with 1.
fn refused(scene: &Scene, line: &str) -> Output {
    let output = run(scene, line);
    assert_eq!(output.status.code(), Some(1), "{line}: {}", stdout(&output));
    output
}

/// A deployed app with a data directory, as the plugin creates it.
fn deployed(scene: &Scene, app: &str) {
    let data = scene.lib().join("data/matrix/m/data");
    ok(
        scene,
        &[
            &format!("dokku apps:create {app}"),
            &format!("dokku ports:set {app} http:80:8008 https:443:8008 https:8448:8008"),
            &format!("dokku checks:disable {app} web"),
            &format!("dokku storage:mount {app} {}:/data", data.display()),
            &format!("dokku git:from-image {app} {SYNAPSE}"),
        ],
    );
}

/// The highest number of containers that ran on the data directory at the same time.
fn mains(scene: &Scene) -> usize {
    scene.state().unwrap().max_mains.values().copied().max().unwrap_or_default()
}

/// The ids of an app's running containers.
fn running(scene: &Scene, app: &str) -> Vec<String> {
    scene.state().unwrap().running(app).map(|container| container.id.clone()).collect()
}

/// Installs a plugin of shell scripts as `matrix`.
fn plugin(scene: &Scene, scripts: &[(&str, &str)]) -> PathBuf {
    let dir = scene.path().join("plugin");
    for (name, body) in scripts {
        script(&dir.join(name), body);
    }
    scene.link_plugin(&dir).unwrap();
    dir
}

fn script(path: &Path, body: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
