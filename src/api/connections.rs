//! The open connections of a server: which of them idle, and how all are brought to their end.
//!
//! A timer per request and a stop signal that all connections wait on would be
//! taken and given back at each request, under a lock that they share. So a
//! connection only notes when it fell idle, and one task looks now and then.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::IntGauge;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, Id, JoinSet};

/// How many looks fit into the time that a connection may idle.
const LOOKS: u32 = 8;
/// A connection that answers a request.
const BUSY: u64 = 0;

/// What a connection does.
pub(super) struct Activity {
    /// The look at which it fell idle, or busy.
    idle_since: AtomicU64,
    looks: Arc<AtomicU64>,
}

impl Activity {
    /// A request has come.
    pub(super) fn begins(&self) {
        self.idle_since.store(BUSY, Ordering::Relaxed);
    }

    /// Its answer is ready to be sent.
    pub(super) fn ends(&self) {
        self.idle_since.store(self.looks.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Whether no request is being answered.
    pub(super) fn is_idle(&self) -> bool {
        self.idle_since.load(Ordering::Relaxed) != BUSY
    }
}

struct Connection {
    /// Dropped, it lets the connection end after the request under way.
    _end: oneshot::Sender<()>,
    task: AbortHandle,
    activity: Arc<Activity>,
}

/// All of them.
pub(super) struct OpenConnections {
    tasks: JoinSet<()>,
    connections: HashMap<Id, Connection>,
    tick: Duration,
    looks: Arc<AtomicU64>,
    gauge: IntGauge,
}

impl OpenConnections {
    pub(super) fn new(idle_timeout: Duration, gauge: IntGauge) -> OpenConnections {
        let tick = (idle_timeout / LOOKS).max(Duration::from_millis(1));
        let looks = Arc::new(AtomicU64::new(BUSY + 1));
        OpenConnections { tasks: JoinSet::new(), connections: HashMap::new(), tick, looks, gauge }
    }

    /// How often to call [`OpenConnections::close_idle`].
    pub(super) fn tick(&self) -> Duration {
        self.tick
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Serves one more on a task of its own, in that runtime.
    pub(super) fn add<F>(
        &mut self,
        runtime: &Handle,
        serve: impl FnOnce(oneshot::Receiver<()>, Arc<Activity>) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let (end, ends) = oneshot::channel();
        let idle_since = AtomicU64::new(self.looks.load(Ordering::Relaxed));
        let activity = Arc::new(Activity { idle_since, looks: Arc::clone(&self.looks) });
        let task = self.tasks.spawn_on(serve(ends, Arc::clone(&activity)), runtime);
        self.gauge.inc();
        self.connections.insert(task.id(), Connection { _end: end, task, activity });
    }

    /// Waits until one has ended; for ever, if there is none.
    pub(super) async fn one_has_ended(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => return std::future::pending().await,
        };
        self.connections.remove(&id);
        self.gauge.dec();
    }

    /// Closes those that idled for too long, or have not come to the end of a request's head in that time.
    pub(super) fn close_idle(&self) {
        let look = self.looks.fetch_add(1, Ordering::Relaxed) + 1;
        for connection in self.connections.values() {
            let idle_since = connection.activity.idle_since.load(Ordering::Relaxed);
            if idle_since != BUSY && look - idle_since > u64::from(LOOKS) {
                connection.task.abort();
            }
        }
    }

    /// Lets requests under way end, and waits for that.
    pub(super) async fn drain(&mut self) {
        self.connections.clear();
        while self.tasks.join_next().await.is_some() {
            self.gauge.dec();
        }
    }
}
