//! Times two commands alternately: `bench PAIRS BAR NAME COMMAND... :: NAME COMMAND...`
//!
//! Prints the median time of each, and the median of the ratios of all pairs. Both commands of a
//! pair run one right after the other, each first in every other pair, so that what else the
//! machine does weighs on both alike. What they print is dropped.

use std::env::args;
use std::process::{Command, Stdio};
use std::time::Instant;

fn main() {
    let args: Vec<String> = args().skip(1).collect();
    let parts: Vec<&[String]> = args.split(|arg| arg == "::").collect();
    let [[pairs, bar, name, command @ ..], [base_name, base @ ..]] = parts[..] else {
        panic!("usage: bench PAIRS BAR NAME COMMAND... :: NAME COMMAND...");
    };
    let (pairs, bar): (u32, f64) = (pairs.parse().unwrap(), bar.parse().unwrap());
    let (mut times, mut base_times, mut ratios) = (vec![], vec![], vec![]);
    // The first pair only warms the caches.
    for pair in 0..=pairs {
        let (time, base_time) = if pair % 2 == 0 {
            let time = run(command);
            (time, run(base))
        } else {
            let base_time = run(base);
            (run(command), base_time)
        };
        if pair > 0 {
            times.push(time);
            base_times.push(base_time);
            ratios.push(time / base_time);
        }
    }
    let (time, base_time, ratio) = (median(times), median(base_times), median(ratios));
    let word = if ratio > bar { ", TOO SLOW" } else { "" };
    println!(
        "{name}: {time:.2} ms; {base_name}: {base_time:.2} ms; ratio {ratio:.2}, allowed {bar:.0}{word}"
    );
}

/// The time that a command takes from its start to its end, in milliseconds.
fn run(command: &[String]) -> f64 {
    let mut ready = Command::new(&command[0]);
    ready.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = ready.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let time = start.elapsed().as_secs_f64() * 1000.0;
    // 3: done, but something needs attention.
    assert!(matches!(status.code(), Some(0 | 3)), "{command:?}: {status}");
    time
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
