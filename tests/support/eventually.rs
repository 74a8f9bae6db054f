//! Waiting for a condition instead of a time.

use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take for what usually takes well under a second, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(10);

/// Asks until `condition` holds; after `timeout` the test fails naming `what`.
pub(crate) fn eventually(timeout: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    value(timeout, what, || condition().then_some(()));
}

/// Asks until there is a value, and returns it; after `timeout` the test fails naming `what`.
pub(crate) fn value<T>(timeout: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = ask() {
            return value;
        }
        assert!(began.elapsed() < timeout, "after {timeout:?} still not true: {what}");
        thread::sleep(PAUSE);
    }
}

/// Asks until nothing is wrong any more; after `timeout` the test fails and shows what still is.
pub(crate) fn nothing_wrong(timeout: Duration, mut ask: impl FnMut() -> Vec<String>) {
    let began = Instant::now();
    loop {
        let flaws = ask();
        if flaws.is_empty() {
            return;
        }
        assert!(began.elapsed() < timeout, "after {timeout:?} still wrong: {flaws:#?}");
        thread::sleep(PAUSE);
    }
}
