//! The thread behind the trail: it writes whatever nobody else has written, and does all that may take long.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::queue::Queue;
use super::writer::Writer;

/// How often the head is logged and noted, if it has moved.
const HEAD_EVERY: Duration = Duration::from_secs(60);

/// What the thread is told.
pub(super) enum Order {
    /// There is something to do.
    Look,
    /// The file was moved away: begin a new one.
    Reopen,
    /// Nothing more will come.
    End(oneshot::Sender<()>),
}

/// The thread's view.
pub(super) struct Thread {
    pub(super) writer: Arc<Mutex<Writer>>,
    pub(super) queue: Arc<Queue>,
}

impl Thread {
    /// Works until it is told that nothing more will come.
    pub(super) fn run(self, orders: &Receiver<Order>) {
        self.writer().begin();
        let (mut noted, mut head_due) = (0, Instant::now() + HEAD_EVERY);
        loop {
            let due = self.writer().sync_due().map_or(head_due, |sync_due| sync_due.min(head_due));
            let order = match orders.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(order) => order,
                Err(RecvTimeoutError::Timeout) => Order::Look,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            self.write();
            match order {
                Order::Look => {}
                Order::Reopen => self.writer().begin_anew(),
                Order::End(done) => {
                    self.sync();
                    self.note_head();
                    // Whoever asked may have given up.
                    let _ = done.send(());
                    return;
                }
            }
            let now = Instant::now();
            if self.writer().sync_due().is_some_and(|due| due <= now) {
                self.sync();
            }
            if head_due <= now {
                head_due = now + HEAD_EVERY;
                let chain = self.writer().chain();
                if noted != chain.seq {
                    noted = chain.seq;
                    tracing::info!(seq = chain.seq, hash = %chain.hash, "the head of the audit trail");
                    self.note_head();
                }
            }
        }
    }

    fn write(&self) {
        let mut writer = self.writer();
        writer.rotate_if_full();
        writer.write_waiting(&self.queue);
        writer.rotate_if_full();
    }

    /// Signing threads write on meanwhile.
    fn sync(&self) {
        let Some(synced) = self.writer().take_sync() else { return };
        if let Err(error) = synced.now() {
            self.writer().sync_failed(&error);
        }
    }

    /// Signing threads write on meanwhile.
    fn note_head(&self) {
        let head = self.writer().head();
        if let Some(head) = head {
            head.note();
        }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
