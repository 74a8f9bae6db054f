//! Threads that serve connections, one for each processor.
//!
//! They share their work: a thread that the kernel sets aside for a while, or that
//! a large batch keeps busy, would otherwise hold up every connection of its own.

use std::{io, thread};

use tokio::runtime::{Builder, Handle, Runtime};

/// A set of such threads. They end when it is dropped.
pub struct Workers {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Workers {
    /// As many as there are processors, and two at least: one may hang in a write of the audit trail.
    ///
    /// # Errors
    /// As the operating system has it.
    pub fn start(name: &str) -> io::Result<Workers> {
        let count = thread::available_parallelism().map_or(2, |processors| processors.get().max(2));
        let runtime =
            Builder::new_multi_thread().worker_threads(count).thread_name(name).enable_all().build()?;
        let handle = runtime.handle().clone();
        Ok(Workers { runtime: Some(runtime), handle })
    }

    /// The runtime that they make up.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Nobody waits for connections here: they were drained, or are cut.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
