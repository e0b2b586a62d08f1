//! A sample of the cases of a test that takes long: another one each day.

use std::env;
use std::time::SystemTime;

/// One of so many cases is in the sample.
const SHARE: usize = 4;
const SECONDS_PER_DAY: u64 = 86_400;

/// All cases with `DOKKU_MATRIX_FULL_TESTS=1`; else every fourth one. Where it begins depends on the
/// date, or on `DOKKU_MATRIX_TEST_SEED`; a test that fails prints it.
#[expect(clippy::print_stderr, reason = "says how to run the same cases again")]
pub(crate) fn sample<T>(cases: Vec<T>) -> Vec<T> {
    if env::var("DOKKU_MATRIX_FULL_TESTS").is_ok_and(|full| full == "1") {
        return cases;
    }
    let days = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / SECONDS_PER_DAY;
    let seed = env::var("DOKKU_MATRIX_TEST_SEED");
    let seed = seed.map_or_else(|_| days(), |seed| seed.parse().unwrap());
    eprintln!("a sample of the cases: DOKKU_MATRIX_TEST_SEED={seed}");
    let start = usize::try_from(seed).unwrap() % SHARE;
    cases.into_iter().skip(start).step_by(SHARE).collect()
}
