//! An issuer's keys over time: read now and then, read anew for a key that nobody knows, kept through an outage.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};

use super::fetch::Reader;
use super::keys::ProviderKeys;
use super::metrics::ProviderMetrics;
use crate::clock::BootTime;
use crate::conditions::{Conditions, Finding};
use crate::random;

/// How often keys are read. A key that the issuer took back is believed for so long.
const INTERVAL: Duration = Duration::from_secs(600);
/// How soon it is tried again after a failure, doubled with each up to the second.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);
/// How often unknown keys may cause a reading.
const ASKED_INTERVAL: Duration = Duration::from_secs(60);
/// How long a request waits for such a reading: two answers of the issuer and a little.
const ASKED_TIMEOUT: Duration = Duration::from_secs(11);
/// How long the last good keys are believed while the issuer is silent.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// An issuer's keys.
pub struct Provider {
    name: String,
    reader: Reader,
    metrics: ProviderMetrics,
    known: ArcSwapOption<Known>,
    wanted: Notify,
    /// How many readings have ended.
    readings: watch::Sender<u64>,
    asked: Mutex<Option<Asked>>,
}

struct Known {
    keys: ProviderKeys,
    read_at: BootTime,
}

/// The last reading that was asked for because a key was not known.
#[derive(Clone, Copy)]
struct Asked {
    at: BootTime,
    /// How many readings had ended by then.
    after: u64,
}

impl Provider {
    pub(super) fn new(name: &str, reader: Reader, metrics: ProviderMetrics) -> Provider {
        Provider {
            name: name.to_owned(),
            reader,
            metrics,
            known: ArcSwapOption::empty(),
            wanted: Notify::new(),
            readings: watch::Sender::new(0),
            asked: Mutex::default(),
        }
    }

    /// The last good keys, unless they are too old.
    pub(super) fn keys(&self) -> Option<impl std::ops::Deref<Target = ProviderKeys>> {
        let known = self.known.load_full()?;
        (known.read_at.elapsed() < KEPT).then(|| Current(known))
    }

    /// Has the keys read anew and waits for that, unless this was done within the last minute.
    pub(super) async fn look_again(&self) -> bool {
        let mut readings = self.readings.subscribe();
        let ended = *readings.borrow_and_update();
        {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            match *asked {
                Some(last) if last.at.elapsed() < ASKED_INTERVAL && ended > last.after => return false,
                // Somebody else's reading is under way.
                Some(last) if last.at.elapsed() < ASKED_INTERVAL => {}
                _ => {
                    *asked = Some(Asked { at: BootTime::now(), after: ended });
                    self.wanted.notify_one();
                }
            }
        }
        tokio::time::timeout(ASKED_TIMEOUT, readings.changed()).await.is_ok()
    }

    /// Reads for as long as the process, or the configuration, wants it.
    pub(super) async fn keep(self: Arc<Self>, conditions: Arc<Conditions>) {
        let mut retry = FIRST_RETRY;
        loop {
            let pause = match self.read().await {
                Ok(()) => {
                    self.report(&conditions, None);
                    retry = FIRST_RETRY;
                    INTERVAL
                }
                Err(why) => {
                    self.report(&conditions, Some(&why));
                    let pause = retry;
                    retry = (retry * 2).min(LAST_RETRY);
                    pause
                }
            };
            self.readings.send_modify(|ended| *ended += 1);
            tokio::select! {
                () = tokio::time::sleep(random::jitter(pause)) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    async fn read(&self) -> Result<(), String> {
        let read_at = BootTime::now();
        let read = self.reader.read().await;
        self.metrics.read(read.is_ok());
        let keys = ProviderKeys::new(read?);
        self.known.store(Some(Arc::new(Known { keys, read_at })));
        Ok(())
    }

    fn report(&self, conditions: &Conditions, failure: Option<&str>) {
        let finding = failure.map(|why| {
            let meanwhile = match self.keys() {
                Some(_) => "the last good ones are used for up to a day",
                None => "nobody can sign on through it",
            };
            Finding {
                keyset: None,
                kind: "IssuerKeysUnread",
                degraded: true,
                reason: self.name.clone(),
                message: format!("the keys of issuer `{}` could not be read: {why}; {meanwhile}", self.name),
            }
        });
        conditions.replace(&source(&self.name), finding.into_iter().collect());
    }
}

/// Whose conditions these are.
pub(super) fn source(name: &str) -> String {
    format!("issuer {name}")
}

struct Current(Arc<Known>);

impl std::ops::Deref for Current {
    type Target = ProviderKeys;

    fn deref(&self) -> &ProviderKeys {
        &self.0.keys
    }
}
