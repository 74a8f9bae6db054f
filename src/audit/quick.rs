//! Signing threads write the events of their answers themselves, as long as a write is quick.

use std::future::poll_fn;
use std::sync::{Arc, MutexGuard, TryLockError};
use std::task::Poll;

use tokio::runtime::Handle;

use super::thread::Order;
use super::trail::Trail;
use super::writer::Writer;

/// How often a signing thread tries to write while another one does, which is over in microseconds unless it hangs.
const TRIES: u32 = 2000;

impl Trail {
    /// Lets the threads of a runtime, which hand over nearly all, write as well: to wake another thread for an answer, and
    /// to be woken by it, costs more than all the rest of the answer.
    pub fn write_on(self: &Arc<Self>, threads: &Handle) {
        if self.writing.set(threads.clone()).is_ok() {
            for _ in 0..threads.metrics().num_workers() {
                threads.spawn(Arc::clone(self).write_what_comes());
            }
        }
    }

    async fn write_what_comes(self: Arc<Self>) {
        loop {
            self.came.notified().await;
            behind_others().await;
            // What may take long is the other thread's.
            if !self.write_if_quick() {
                self.order(Order::Look);
            }
        }
    }

    /// Whether all was done that there was to do.
    fn write_if_quick(&self) -> bool {
        let Some(mut writer) = (0..TRIES).find_map(|_| self.try_to_write()) else { return false };
        if !writer.is_quick() {
            return false;
        }
        let was_due = writer.sync_due().is_some();
        writer.write_waiting(&self.queue);
        writer.is_quick() && was_due == writer.sync_due().is_some()
    }

    fn try_to_write(&self) -> Option<MutexGuard<'_, Writer>> {
        match self.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(writer)) => Some(writer.into_inner()),
            Err(TryLockError::WouldBlock) => {
                std::hint::spin_loop();
                None
            }
        }
    }
}

/// Goes on when the tasks that are ready on this thread had their turn, so that what they hand over is written together.
/// tokio's own `yield_now` would look for new ones as well, which costs more than it saves.
async fn behind_others() {
    let mut is_behind = false;
    poll_fn(|context| {
        if std::mem::replace(&mut is_behind, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
