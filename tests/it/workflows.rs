//! The workflows of CI and of a release: what runs before what, which actions, and with which
//! permissions.

use crate::support::python::PyYaml;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path};

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn workflow(name: &str) -> Value {
    PyYaml::new().read(&file(&format!(".github/workflows/{name}.yml")))
}

fn steps(job: &Value) -> Vec<&Value> {
    job["steps"].as_array().map_or(vec![], |steps| steps.iter().collect())
}

fn jobs(workflow: &Value) -> Vec<(&str, &Value)> {
    workflow["jobs"].as_object().unwrap().iter().map(|(name, job)| (name.as_str(), job)).collect()
}

/// All jobs that must have succeeded before a job begins.
fn before<'a>(workflow: &'a Value, job: &str) -> BTreeSet<&'a str> {
    let needs = &workflow["jobs"][job]["needs"];
    let direct: Vec<&str> = match needs {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().map(|one| one.as_str().unwrap()).collect(),
        _ => vec![],
    };
    let further = direct.iter().flat_map(|name| before(workflow, name)).collect::<Vec<_>>();
    direct.into_iter().chain(further).collect()
}

/// A tag can be moved to other code; a commit cannot.
#[test]
fn every_action_is_pinned_to_a_commit() {
    for name in ["ci", "release"] {
        let workflow = workflow(name);
        let uses: Vec<&str> = jobs(&workflow)
            .iter()
            .flat_map(|(_, job)| steps(job))
            .filter_map(|step| step["uses"].as_str())
            .collect();
        assert!(!uses.is_empty());
        for action in uses {
            let commit = action.split_once('@').unwrap().1;
            let is_commit = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(is_commit, "{name}: {action}");
        }
    }
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows"));
    assert_eq!(files.unwrap().count(), 2, "a third workflow would not be covered");
}

#[test]
fn nothing_is_signed_or_published_before_the_tests_pass() {
    let release = workflow("release");
    assert_eq!(release["jobs"]["test"], json!({ "uses": "./.github/workflows/ci.yml" }));
    for job in ["bundle", "publish"] {
        let before = before(&release, job);
        assert!(before.contains("test") && before.contains("build"), "{job}: {before:?}");
    }
    let ci = workflow("ci");
    let runs: Vec<&str> =
        steps(&ci["jobs"]["ci"]).iter().filter_map(|step| step["run"].as_str()).collect();
    assert_eq!(runs.last(), Some(&"bash .ci/run"));
    // YAML 1.1 reads the key `on` as true.
    assert!(ci["true"].as_object().unwrap().contains_key("workflow_call"));
    assert_eq!(file(".ci/run").lines().last(), Some("exec dev/test"));
    assert!(file("README.md").contains("\ndev/test   # all checks and all tests\n"));
}

#[test]
fn each_job_has_only_the_permissions_that_it_needs() {
    let read = json!({ "contents": "read" });
    let attest = json!({ "contents": "read", "id-token": "write", "attestations": "write" });
    let publish = json!({ "contents": "write" });
    for name in ["ci", "release"] {
        let workflow = workflow(name);
        assert_eq!(workflow["permissions"], read, "{name}");
        for (job, description) in jobs(&workflow) {
            let wanted = match job {
                "bundle" => &attest,
                "publish" => &publish,
                _ => &Value::Null,
            };
            assert_eq!(&description["permissions"], wanted, "{name}: {job}");
            for step in steps(description) {
                if step["uses"].as_str().is_some_and(|uses| uses.starts_with("actions/checkout@")) {
                    assert_ne!(job, "publish", "it may write to the repository");
                    assert_eq!(step["with"]["persist-credentials"], false, "{name}: {job}");
                }
            }
        }
    }
}

/// What is attested is all that is published.
#[test]
fn every_published_file_has_a_provenance() {
    let release = workflow("release");
    let bundle = steps(&release["jobs"]["bundle"]);
    let uses: Vec<&str> = bundle
        .iter()
        .map(|step| step["uses"].as_str().or(step["run"].as_str()).unwrap())
        .map(|what| what.split('@').next().unwrap())
        .collect();
    assert_eq!(
        uses,
        [
            "actions/checkout",
            "actions/download-artifact",
            "dev/release bundle \"$GITHUB_REF_NAME\"",
            "actions/attest-build-provenance",
            "actions/upload-artifact",
        ]
    );
    assert_eq!(bundle[3]["with"]["subject-path"], "dist/*");
    assert_eq!(bundle[4]["with"]["path"], "dist/");
    let publish = steps(&release["jobs"]["publish"]);
    assert_eq!(publish[0]["with"], json!({ "name": bundle[4]["with"]["name"], "path": "dist" }));
    assert!(publish[1]["run"].as_str().unwrap().ends_with(" dist/*"));
}
