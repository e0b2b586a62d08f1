//! PyYAML, with which Synapse reads its configuration.

use super::synapse_home;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// Reads YAML documents, each as a JSON string on one line, and prints their values as JSON.
const READER: &str = "
import json, sys, yaml
for line in sys.stdin:
    try:
        value = yaml.safe_load(json.loads(line))
    except Exception as error:
        value = {'unreadable': str(error)}
    print(json.dumps(value), flush=True)
";

/// A Python process that reads YAML.
pub(crate) struct PyYaml {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl PyYaml {
    pub(crate) fn new() -> Self {
        let mut child = Command::new(synapse_home().join("bin/python"))
            .args(["-c", READER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdin, stdout }
    }

    pub(crate) fn read(&mut self, yaml: &str) -> Value {
        let line = serde_json::to_string(yaml).unwrap();
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }
}

impl Drop for PyYaml {
    fn drop(&mut self) {
        drop(self.stdin.take());
        self.child.wait().ok();
    }
}

/// Runs a short program and returns what it prints.
pub(crate) fn python(program: &str, argument: &str) -> String {
    let python = synapse_home().join("bin/python");
    let output = Command::new(python).args(["-c", program, argument]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
