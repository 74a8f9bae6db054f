//! What deserves a look: counted, logged, and an event of the trail.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use livekit_keyd_core::audit::Subject;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// So many denials within [`WINDOW`] are no mistake of a hurried hand.
const MANY: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// A kind is logged so often at most; the trail and the metric have every one.
const LOG_EVERY: Duration = Duration::from_secs(1);
/// Rules that are broken by asking for what is somebody else's.
const OF_OTHERS: [&str; 4] = ["profiles", "allowed_rooms", "allowed_identities", "no-caller"];

/// Its kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suspicion {
    /// A retired key's token was shown.
    RetiredKey,
    /// A compromised key's token was shown.
    CompromisedKey,
    /// A token of a key that nobody knows was shown.
    UnknownKey,
    /// A token that its key did not sign was shown.
    WrongSignature,
    /// One caller was denied again and again.
    RepeatedDenials,
    /// Somebody asked for a profile, a room or an identity that only others may have.
    RightsOfOthers,
}

impl Suspicion {
    /// All of them.
    pub const ALL: [Suspicion; 6] = [
        Suspicion::RetiredKey,
        Suspicion::CompromisedKey,
        Suspicion::UnknownKey,
        Suspicion::WrongSignature,
        Suspicion::RepeatedDenials,
        Suspicion::RightsOfOthers,
    ];

    /// As metrics and events name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Suspicion::RetiredKey => "retired-key",
            Suspicion::CompromisedKey => "compromised-key",
            Suspicion::UnknownKey => "unknown-key",
            Suspicion::WrongSignature => "wrong-signature",
            Suspicion::RepeatedDenials => "repeated-denials",
            Suspicion::RightsOfOthers => "rights-of-others",
        }
    }
}

/// Counts them.
pub struct Suspicions {
    counters: [IntCounter; 6],
    /// Since when a caller is denied, and how often.
    denials: Mutex<HashMap<String, (Instant, u32)>>,
    logged: Mutex<HashMap<Suspicion, Instant>>,
}

impl Suspicions {
    /// Registered for scraping.
    ///
    /// # Errors
    /// The name is registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<Suspicions> {
        let options = Opts::new("livekit_keyd_suspicious_total", "What deserves a look.");
        let counter = IntCounterVec::new(options, &["kind"])?;
        registry.register(Box::new(counter.clone()))?;
        let counters = Suspicion::ALL.map(|kind| counter.with_label_values(&[kind.as_str()]));
        Ok(Suspicions { counters, denials: Mutex::default(), logged: Mutex::default() })
    }

    /// Counts one and logs it.
    pub fn notice(&self, suspicion: Suspicion, caller: &str, by: Subject) {
        self.counters[suspicion as usize].inc();
        let now = Instant::now();
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.get(&suspicion).is_none_or(|last| now.duration_since(*last) >= LOG_EVERY) {
            logged.insert(suspicion, now);
            let kind = suspicion.as_str();
            tracing::warn!(kind, caller, uid = by.uid, pid = by.pid, "suspicious: see the audit trail");
        }
    }

    /// What a denial by a rule makes suspicious.
    pub fn denied(&self, caller: &str, rule: &str) -> Vec<Suspicion> {
        let mut noticed = Vec::new();
        if OF_OTHERS.contains(&rule) {
            noticed.push(Suspicion::RightsOfOthers);
        }
        let now = Instant::now();
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = denials.entry(caller.to_owned()).or_insert((now, 0));
        if now.duration_since(*since) > WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        if *count == MANY {
            noticed.push(Suspicion::RepeatedDenials);
        }
        noticed
    }
}
