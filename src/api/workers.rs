//! Threads that serve connections, each with a runtime of its own.
//!
//! A connection stays on its thread from its first byte to its last: no task is
//! stolen, and no thread wakes another for one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A set of such threads. They end when it is dropped.
pub struct Workers {
    runtimes: Vec<Handle>,
    next: AtomicUsize,
    _ends: Vec<oneshot::Sender<()>>,
}

impl Workers {
    /// As many as there are processors.
    ///
    /// # Errors
    /// As the operating system has it.
    pub fn start(name: &str) -> io::Result<Workers> {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let (mut runtimes, mut ends) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for _ in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtimes.push(runtime.handle().clone());
            let (end, ended) = oneshot::channel::<()>();
            ends.push(end);
            // Its end is the sender's drop, which is no value.
            thread::Builder::new().name(name.to_owned()).spawn(move || drop(runtime.block_on(ended)))?;
        }
        Ok(Workers { runtimes, next: AtomicUsize::new(0), _ends: ends })
    }

    /// The next one, in turn.
    pub fn next(&self) -> &Handle {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        &self.runtimes[next % self.runtimes.len()]
    }
}
