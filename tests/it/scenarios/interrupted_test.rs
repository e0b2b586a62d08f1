//! A test that is killed leaves no processes and no directories of its host on the machine.

use crate::support::tools;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stand_in::{Scene, Scratch};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Starts a real server, and a process that nothing waits for.
const SCRIPT: &str = "dokku postgres:create db && (sleep 1000 &) && echo ready && sleep 1000";

#[test]
fn interrupted_test() {
    let stand_in = fs::read_link(Scene::new().unwrap().bin().join("dokku")).unwrap();
    // Killed alone, it leaves its child processes behind; killed with its process group, it leaves
    // nothing that could clean up.
    for alone in [true, false] {
        let directory = Scratch::new().unwrap();
        let mut host = Command::new(&stand_in);
        host.arg("hold").arg(tools()).arg(env!("CARGO_MANIFEST_DIR"));
        host.args([env!("CARGO_BIN_EXE_dokku-matrix"), "demo.test", "bash", "-c", SCRIPT]);
        host.env("TMPDIR", directory.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut host = host.process_group(0).spawn().unwrap();
        let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"));
        assert!(!processes(directory.path()).is_empty());
        let pid = i32::try_from(host.id()).unwrap();
        kill(Pid::from_raw(if alone { pid } else { -pid }), Signal::SIGKILL).unwrap();
        host.wait().unwrap();
        let left = || directory.path().read_dir().unwrap().count();
        let start = Instant::now();
        while !processes(directory.path()).is_empty() || (alone && left() > 0) {
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "{:?}",
                processes(directory.path())
            );
            sleep(Duration::from_millis(50));
        }
        drop(Scratch::below(directory.path()).unwrap());
        assert_eq!(left(), 0);
    }
}

/// The processes that mention a directory in their environment, command line or mounts.
fn processes(directory: &Path) -> Vec<String> {
    let directory = directory.to_str().unwrap();
    let all = Path::new("/proc").read_dir().unwrap().flatten();
    let all = all.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    let seen = |name: &str, process: &Path| {
        String::from_utf8_lossy(&fs::read(process.join(name)).unwrap_or_default()).into_owned()
    };
    all.map(|entry| entry.path())
        .filter(|process| {
            ["environ", "cmdline", "mountinfo"]
                .iter()
                .any(|name| seen(name, process).contains(directory))
        })
        .map(|process| seen("cmdline", &process))
        .collect()
}
