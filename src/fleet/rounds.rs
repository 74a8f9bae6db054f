//! One node is asked about each key, round after round.

use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::Verdict;
use livekit_keyd_core::secret::Secret;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::prober::Heard;
use super::record::contradict;
use super::source::Endpoint;
use super::trouble::Trouble;
use super::{Keys, Orders, Watcher};
use crate::random;

/// Every so many rounds a key that nobody knows is asked about, which must be refused.
const CONTROL_EVERY: u32 = 10;
/// How many more times a node is asked that says something new: a load balancer before several nodes gives itself
/// away, as each question comes on a connection of its own.
const ASKED_AGAIN: usize = 4;
/// The pause of rounds while a node is being restarted, and after the first silence.
const SHORT: Duration = Duration::from_secs(1);

impl Watcher {
    /// Asks until it is dropped.
    pub(super) async fn watch(self: Arc<Self>, endpoint: Endpoint, changed: Arc<Notify>) {
        let mut orders = self.orders.subscribe();
        let (mut rounds, mut failures) = (0_u32, 0_u32);
        loop {
            let Orders { keys, .. } = orders.borrow_and_update().clone();
            let control = rounds.is_multiple_of(CONTROL_EVERY) || keys.is_empty();
            let answered = self.round(&endpoint, &keys, control, &changed).await;
            failures = if answered { 0 } else { failures.saturating_add(1) };
            let (ended, spread) = (Instant::now(), 0.8 + 0.4 * random::fraction());
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(ended + self.pause(failures).mul_f64(spread)) => break,
                    _ = orders.changed() => {}
                }
                let Orders { keys, .. } = orders.borrow_and_update().clone();
                let new = self.lock().unanswered(&endpoint.address, &keys);
                if failures == 0 && !new.is_empty() && !self.round(&endpoint, &new, false, &changed).await {
                    failures = 1;
                }
            }
            // What answers after a silence may be another process.
            rounds = if failures == 0 { rounds.wrapping_add(1) } else { 0 };
        }
    }

    /// The time between two rounds; a node that is silent is asked sooner, and then ever less often.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        let interval = self.settings.probe_interval;
        let short = if self.orders.borrow().hurried {
            SHORT
        } else if failures > 0 {
            SHORT * (1 << (failures - 1).min(16))
        } else {
            interval
        };
        short.min(interval)
    }

    /// Whether the node answered all of it.
    async fn round(&self, endpoint: &Endpoint, keys: &Keys, control: bool, changed: &Notify) -> bool {
        let asked = async {
            if control {
                self.control(endpoint, changed).await?;
            }
            if self.ask_each(endpoint, keys, changed).await? {
                // It started anew since it was asked last: once more, as all that was known is void.
                self.ask_each(endpoint, keys, changed).await?;
            }
            Ok(())
        };
        match asked.await {
            Ok(()) => true,
            Err(trouble) => {
                self.update(endpoint, changed, |record| record.fails(trouble));
                false
            }
        }
    }

    /// Asks about a key that nobody knows.
    async fn control(&self, endpoint: &Endpoint, changed: &Notify) -> Result<(), Trouble> {
        let (id, secret) = random::key();
        let heard = self.ask(endpoint, &id, &secret).await?;
        if heard.verdict != Verdict::Refused {
            return Err(Trouble::takes_all());
        }
        self.update(endpoint, changed, |record| record.answers(heard.clock_difference));
        Ok(())
    }

    /// Whether the node was found to have started anew meanwhile.
    async fn ask_each(&self, endpoint: &Endpoint, keys: &Keys, changed: &Notify) -> Result<bool, Trouble> {
        let mut restarted = false;
        for (id, known) in keys.iter() {
            // A secret that is lost does not keep the node from telling whether it knows the id.
            let secret = known.clone().unwrap_or_else(|| random::key().1);
            let heard = self.ask(endpoint, id, &secret).await?;
            let before = self.lock().verdict(&endpoint.address, id);
            let alternates =
                before != Some(heard.verdict) && self.alternates(endpoint, id, &secret, &heard).await?;
            let anew = before.is_some_and(|before| contradict(before, heard.verdict)) && !alternates;
            restarted |= anew;
            let current = || self.orders.borrow().keys.get(id) == Some(known);
            self.update(endpoint, changed, |record| {
                record.answers(heard.clock_difference);
                if anew {
                    record.starts();
                }
                if alternates {
                    record.alternates();
                }
                // What is not asked about any more is not remembered either.
                if current() {
                    record.says(id, heard.verdict, heard.asked);
                }
            });
        }
        Ok(restarted)
    }

    /// Whether the next answers contradict this one.
    async fn alternates(
        &self,
        endpoint: &Endpoint,
        id: &KeyId,
        secret: &Secret,
        heard: &Heard,
    ) -> Result<bool, Trouble> {
        for _ in 0..ASKED_AGAIN {
            if contradict(self.ask(endpoint, id, secret).await?.verdict, heard.verdict) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn ask(&self, endpoint: &Endpoint, id: &KeyId, secret: &Secret) -> Result<Heard, Trouble> {
        let heard = self.prober.ask(endpoint, id, secret).await;
        self.metrics.probed(match &heard {
            Ok(heard) => heard.verdict.as_str(),
            Err(trouble) => trouble.kind(),
        });
        heard
    }
}
