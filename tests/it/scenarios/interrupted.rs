//! Tests are killed, too: nothing of their hosts stays on the machine.

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

/// With a real server, and a process that nobody waits for.
const HOST: &str = "dokku postgres:create db && (sleep 1000 &) && echo ready && sleep 1000";

#[test]
fn interrupted() {
    let stand_in = fs::read_link(Scene::new().unwrap().bin().join("dokku")).unwrap();
    // Alone, it leaves what it has started to it; with all of its group, nobody to clean up.
    for alone in [true, false] {
        let folder = Scratch::new().unwrap();
        let mut host = Command::new(&stand_in);
        host.arg("hold").arg(tools()).arg(env!("CARGO_MANIFEST_DIR"));
        host.args([env!("CARGO_BIN_EXE_dokku-matrix"), "demo.test", "bash", "-c", HOST]);
        host.env("TMPDIR", folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut host = host.process_group(0).spawn().unwrap();
        let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"));
        assert!(!processes(folder.path()).is_empty());
        let pid = i32::try_from(host.id()).unwrap();
        kill(Pid::from_raw(if alone { pid } else { -pid }), Signal::SIGKILL).unwrap();
        host.wait().unwrap();
        let left = || folder.path().read_dir().unwrap().count();
        let since = Instant::now();
        while !processes(folder.path()).is_empty() || (alone && left() > 0) {
            assert!(since.elapsed() < Duration::from_secs(20), "{:?}", processes(folder.path()));
            sleep(Duration::from_millis(50));
        }
        drop(Scratch::below(folder.path()).unwrap());
        assert_eq!(left(), 0);
    }
}

/// Those that have to do with a folder.
fn processes(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let all = Path::new("/proc").read_dir().unwrap().flatten();
    let all = all.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    let seen = |name: &str, process: &Path| {
        String::from_utf8_lossy(&fs::read(process.join(name)).unwrap_or_default()).into_owned()
    };
    all.map(|entry| entry.path())
        .filter(|process| {
            ["environ", "cmdline", "mountinfo"]
                .iter()
                .any(|name| seen(name, process).contains(folder))
        })
        .map(|process| seen("cmdline", &process))
        .collect()
}
