//! Events that wait to be written, and those who wait for them.
//!
//! To hand over is to append to a buffer, under a lock that is held for nothing
//! else. Whoever writes takes all that has come. Those who wait stay here
//! meanwhile, where they can be told to wait no more while a sink hangs.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Tells one who waits whether the events are written.
type Waiter = oneshot::Sender<bool>;

/// Events that are written together or not at all.
#[derive(Default)]
pub(super) struct Group {
    /// Each a JSON object that ends with a line break.
    pub(super) events: Vec<u8>,
    /// How many.
    pub(super) count: u64,
}

/// Where events came to be in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nobody has been told to write yet.
    First,
    /// Behind others.
    Behind,
    /// Nowhere: it is full.
    Nowhere,
}

/// A bounded queue.
pub(super) struct Queue {
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: Group,
    handovers: usize,
    /// Who waits for what waits, and since when the first of them.
    next: (Vec<Waiter>, Option<Instant>),
    /// Who waits for what is being written, and since when the first of them.
    now: (Vec<Waiter>, Option<Instant>),
    /// Since when it is being written.
    writing: Option<Instant>,
    /// Somebody waited for too long, and the writer has not come back since.
    hangs: bool,
}

impl Queue {
    /// So many handovers may wait.
    pub(super) fn new(most: usize) -> Queue {
        Queue { most, state: Mutex::default() }
    }

    /// Takes events, and who waits for them. While the sink hangs nobody waits, and is told so at once.
    pub(super) fn push(&self, events: &[u8], count: u64, waiter: Option<Waiter>) -> Place {
        let mut state = self.state();
        if state.handovers >= self.most {
            return Place::Nowhere;
        }
        state.handovers += 1;
        state.waiting.events.extend_from_slice(events);
        state.waiting.count += count;
        if let Some(waiter) = waiter.filter(|_| !state.hangs) {
            state.next.0.push(waiter);
            state.next.1.get_or_insert_with(Instant::now);
        }
        if state.handovers == 1 { Place::First } else { Place::Behind }
    }

    /// Puts all that waits into `group`, of which only the memory is used again. `false` if nothing waits.
    pub(super) fn take(&self, group: &mut Group) -> bool {
        group.events.clear();
        group.count = 0;
        let mut state = self.state();
        if state.handovers == 0 {
            return false;
        }
        state.handovers = 0;
        state.writing = Some(Instant::now());
        mem::swap(&mut state.waiting, group);
        state.now = mem::take(&mut state.next);
        true
    }

    /// What was taken is written, or cannot be.
    pub(super) fn done(&self, is_written: bool) {
        let waiters = {
            let mut state = self.state();
            (state.hangs, state.writing) = (false, None);
            mem::take(&mut state.now).0
        };
        tell(waiters, is_written);
    }

    /// Tells everybody to wait no more, if one has waited that long. Says how many they were.
    pub(super) fn give_up(&self, after: Duration) -> Option<u64> {
        let mut state = self.state();
        state.now.1.or(state.next.1).filter(|since| since.elapsed() >= after)?;
        state.hangs = true;
        let mut waiters = mem::take(&mut state.now).0;
        waiters.append(&mut mem::take(&mut state.next).0);
        drop(state);
        let count = waiters.len() as u64;
        tell(waiters, false);
        Some(count)
    }

    /// How long the sink has had what is being written.
    pub(super) fn writing_for(&self) -> Option<Duration> {
        self.state().writing.map(|since| since.elapsed())
    }

    /// Whether nothing waits and nothing is being written.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state();
        state.handovers == 0 && state.writing.is_none()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(waiters: Vec<Waiter>, is_written: bool) {
    for waiter in waiters {
        // Whoever asked may have gone.
        let _ = waiter.send(is_written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(queue: &Queue) -> (Place, oneshot::Receiver<bool>) {
        let (waiter, written) = oneshot::channel();
        (queue.push(b"{}\n", 1, Some(waiter)), written)
    }

    #[test]
    fn the_first_calls_the_writer_and_what_has_no_room_is_turned_away() {
        let queue = Queue::new(2);
        let (place, mut first) = pushed(&queue);
        assert_eq!(place, Place::First);
        let (place, mut second) = pushed(&queue);
        assert_eq!(place, Place::Behind);
        let (place, mut third) = pushed(&queue);
        assert_eq!(place, Place::Nowhere);
        assert!(third.try_recv().is_err(), "nobody will tell it anything");

        let mut group = Group::default();
        assert!(queue.take(&mut group));
        assert_eq!((group.events.as_slice(), group.count), (b"{}\n{}\n".as_slice(), 2));
        let (place, mut next) = pushed(&queue);
        assert_eq!(place, Place::First, "the writer has gone with the others");
        queue.done(true);
        assert_eq!((first.try_recv(), second.try_recv()), (Ok(true), Ok(true)));
        assert!(next.try_recv().is_err(), "it waits for the next write");
        assert!(!queue.is_idle());
    }

    #[test]
    fn a_sink_that_hangs_frees_who_waits_and_keeps_nobody_until_it_is_back() {
        let queue = Queue::new(10);
        let (_, mut being_written) = pushed(&queue);
        let mut group = Group::default();
        assert!(queue.take(&mut group));
        let (_, mut waiting) = pushed(&queue);
        assert_eq!(queue.give_up(Duration::from_secs(60)), None, "nobody has waited for that long");
        assert_eq!(queue.give_up(Duration::ZERO), Some(2));
        assert_eq!((being_written.try_recv(), waiting.try_recv()), (Ok(false), Ok(false)));
        let (_, mut late) = pushed(&queue);
        assert!(matches!(late.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        queue.done(true);
        let (_, mut again) = pushed(&queue);
        assert!(matches!(again.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
        assert!(queue.take(&mut group));
        assert_eq!(group.count, 3, "what nobody waits for is written all the same");
    }
}
