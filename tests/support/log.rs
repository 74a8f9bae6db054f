//! What a process wrote, line by line, while it runs and after it ended.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The lines of standard output and standard error, in the order in which they came.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Inner>);

#[derive(Default)]
struct Inner {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Log {
    /// Takes in everything from `source` until it ends.
    pub(crate) fn follow(&self, source: impl Read + Send + 'static) {
        let log = self.clone();
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while matches!(source.read_until(b'\n', &mut line), Ok(1..)) {
                log.push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
        });
    }

    fn push(&self, line: String) {
        self.0.lines.lock().expect("no reader panicked").push(line);
        self.0.grown.notify_all();
    }

    /// How many lines there are: a place to search from later.
    pub(crate) fn len(&self) -> usize {
        self.0.lines.lock().expect("no reader panicked").len()
    }

    /// All lines so far.
    pub(crate) fn text(&self) -> String {
        self.0.lines.lock().expect("no reader panicked").join("\n")
    }

    /// Waits for a line at or after `from` that contains `part`, and returns it;
    /// after `timeout` the test fails and shows the log.
    pub(crate) fn wait_for(&self, part: &str, from: usize, timeout: Duration) -> String {
        let contains = |line: &str| line.contains(part).then(|| line.to_owned());
        self.first(from, timeout, contains)
            .unwrap_or_else(|| panic!("after {timeout:?} no line contains `{part}`:\n{}", self.text()))
    }

    /// What `read` makes of the first line at or after `from` of which it makes anything, as soon as that line is there.
    pub(crate) fn first<T>(
        &self,
        from: usize,
        timeout: Duration,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let end = Instant::now() + timeout;
        let mut lines = self.0.lines.lock().expect("no reader panicked");
        let mut seen = from;
        loop {
            if let Some(found) = lines.iter().skip(seen).find_map(|line| read(line)) {
                return Some(found);
            }
            seen = lines.len().max(from);
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            lines = self.0.grown.wait_timeout(lines, left).expect("no reader panicked").0;
        }
    }
}
