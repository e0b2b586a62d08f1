//! The stand-in is judged by recordings of a real Dokku: each call is made again, in its order, on a
//! fresh scene for each file, and exit code, answers and errors are compared.

#![expect(clippy::unwrap_used, reason = "helpers of a test panic")]

mod replay;

use std::fs;

use replay::beside::{beside, committed, tell};
use replay::{Recorded, Replay, files, replay};

/// Every recorded call is made again; it is compared, or told by name as not covered.
#[test]
fn every_recorded_call_is_answered_the_same() {
    let mut all = Replay::default();
    for file in files(&committed()) {
        all.add(replay(&file, |_| {}));
    }
    all.tell();
    assert!(all.differences.is_empty(), "{}", all.differences.join("\n"));
    assert_eq!((all.recorded, all.compared, all.whole, all.left_out.len()), (347, 336, 317, 11));
}

/// New recordings lie beside the checkout; most often they are the ones that are here.
#[test]
fn recordings_beside_the_checkout_are_answered_the_same() {
    let Some(folder) = beside() else { return };
    let mut all = Replay::default();
    let mut same = 0;
    for file in files(&folder) {
        let here = fs::read(committed().join(file.file_name().unwrap())).unwrap_or_default();
        if fs::read(&file).unwrap() == here {
            same += 1;
        } else {
            all.add(replay(&file, |_| {}));
        }
    }
    tell(&format!("{same} files of transcripts beside the checkout are the ones that are here"));
    if all.recorded > 0 {
        all.tell();
    }
    assert!(all.differences.is_empty(), "{}", all.differences.join("\n"));
    assert!(same + all.recorded > 0, "{} is empty", folder.display());
}

/// The comparison sees an answer that is wrong: in the exit code, or in either stream.
#[test]
fn a_wrong_answer_is_seen() {
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
