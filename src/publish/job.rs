//! A command that is run beside the rotator's loop, which must not stand still for as long as a command may take.

use std::future::Future;
use std::time::Duration;

use livekit_keyd_core::duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::PublishError;
use crate::random;

/// How long the loop waits for a command before it goes on with something else.
const PATIENCE: Duration = Duration::from_secs(1);
/// The pause after the first failure; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

type Outcome = Result<(), PublishError>;

/// One command at a time. Dropped with the runtime, it ends what it runs.
#[derive(Default)]
pub(super) struct Job(Mutex<State>);

#[derive(Default)]
struct State {
    running: Option<(String, JoinHandle<Outcome>)>,
    failures: u32,
    /// Until when it is left alone, and why.
    pause: Option<(Instant, String)>,
}

impl Job {
    /// What became of the operation that was begun last: `None` if nothing stands in the way of a new run.
    pub(super) async fn outcome(&self) -> Option<(String, Outcome)> {
        let mut state = self.0.lock().await;
        if let Some((operation, _)) = &state.running {
            let operation = operation.clone();
            return Some((operation, state.wait().await));
        }
        let (until, why) = state.pause.as_ref()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        let left = duration::format(Duration::from_secs(left.as_secs() + 1));
        let waits = PublishError::Failed(format!("{why}; it is tried again within {left}"));
        Some((String::new(), Err(waits)))
    }

    /// Begins, and waits a little for the end.
    pub(super) async fn run(
        &self,
        operation: String,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) -> Outcome {
        let mut state = self.0.lock().await;
        state.running = Some((operation, tokio::spawn(work)));
        state.wait().await
    }
}

impl State {
    async fn wait(&mut self) -> Outcome {
        let Some((_, running)) = &mut self.running else { return Ok(()) };
        let Ok(ended) = tokio::time::timeout(PATIENCE, running).await else {
            return Err(PublishError::UnderWay);
        };
        self.running = None;
        let outcome =
            ended.unwrap_or_else(|error| Err(PublishError::Failed(format!("its task ended: {error}"))));
        match &outcome {
            Err(PublishError::Failed(why)) => {
                let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(6)).min(LONGEST_PAUSE);
                self.pause = Some((Instant::now() + random::jitter(pause), why.clone()));
                self.failures += 1;
            }
            _ => (self.failures, self.pause) = (0, None),
        }
        outcome
    }
}
