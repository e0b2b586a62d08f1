//! Times two commands alternately: `bench PAIRS LIMIT NAME COMMAND... :: NAME COMMAND...`
//!
//! Prints the median time of each, and the median of the ratios of all pairs. The two commands of a
//! pair run directly after each other, in an order that alternates, so that other load on the
//! machine affects both equally. Their output is discarded.

use std::env::args;
use std::process::{Command, Stdio};
use std::time::Instant;

fn main() {
    let args: Vec<String> = args().skip(1).collect();
    let parts: Vec<&[String]> = args.split(|arg| arg == "::").collect();
    let [[pairs, limit, name, command @ ..], [base_name, base @ ..]] = parts[..] else {
        panic!("usage: bench PAIRS LIMIT NAME COMMAND... :: NAME COMMAND...");
    };
    let (pairs, limit): (u32, f64) = (pairs.parse().unwrap(), limit.parse().unwrap());
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
    let note = if ratio > limit { ", TOO SLOW" } else { "" };
    println!(
        "{name}: {time:.2} ms; {base_name}: {base_time:.2} ms; ratio {ratio:.2}, allowed {limit:.0}{note}"
    );
}

/// How long a command runs, in milliseconds.
fn run(command: &[String]) -> f64 {
    let mut prepared = Command::new(&command[0]);
    prepared.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = prepared.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let time = start.elapsed().as_secs_f64() * 1000.0;
    // 3: done, but something needs attention.
    assert!(matches!(status.code(), Some(0 | 3)), "{command:?}: {status}");
    time
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
