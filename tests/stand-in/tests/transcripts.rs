//! Compares the stand-in with recordings of a real Dokku: each file is replayed in order on a fresh
//! scene, and exit code, standard output and standard error must be the same.

#![expect(clippy::unwrap_used, reason = "helpers of a test panic")]

mod replay;

use std::fs;

use replay::recordings::{committed, external, print_line};
use replay::{Recorded, Replay, files, replay};

/// Every recorded call is compared, or listed as not supported.
#[test]
fn replays_every_recorded_call() {
    let mut all = Replay::default();
    for file in files(&committed()) {
        all.add(replay(&file, |_| {}));
    }
    all.print();
    assert!(all.differences.is_empty(), "{}", all.differences.join("\n"));
    assert_eq!(
        (all.recorded, all.compared, all.complete, all.unsupported.len()),
        (423, 413, 394, 10)
    );
}

/// Most of the recordings next to the checkout are usually identical with those in this repository.
#[test]
fn replays_recordings_next_to_the_checkout() {
    let Some(dir) = external() else { return };
    let mut all = Replay::default();
    let mut same = 0;
    for file in files(&dir) {
        let here = fs::read(committed().join(file.file_name().unwrap())).unwrap_or_default();
        if fs::read(&file).unwrap() == here {
            same += 1;
        } else {
            all.add(replay(&file, |_| {}));
        }
    }
    print_line(&format!("{same} recordings beside the checkout are identical with those here"));
    if all.recorded > 0 {
        all.print();
    }
    assert!(all.differences.is_empty(), "{}", all.differences.join("\n"));
    assert!(same + all.recorded > 0, "{} is empty", dir.display());
}

/// The comparison detects a wrong exit code and a difference in either stream.
#[test]
fn detects_a_wrong_answer() {
    let alters: [fn(&mut Recorded); 3] = [
        |call| call.rc += 1,
        |call| call.stdout.push_str("more"),
        |call| call.stderr.push_str("more"),
    ];
    for alter in alters {
        let altered = replay(&committed().join("config.json"), alter);
        assert_eq!((altered.compared, altered.differences.len()), (16, 16));
    }
}
