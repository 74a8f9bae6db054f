//! Why a change is refused.

use std::fmt;

use crate::document::MOST_LIVE_KEYS;
use crate::key::KeyId;
use crate::time::Time;

/// Why the document's state forbids a change: each a sentence that an operator can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Illegal {
    /// No such key.
    UnknownKey(KeyId),
    /// The change is for standbys.
    NotStandby(KeyId),
    /// The change is for keys that were succeeded.
    NotSucceeded(KeyId),
    /// Not every node was seen to accept the key.
    NotProven(KeyId),
    /// Already so: another replica was quicker.
    Already(KeyId),
    /// A commitment may not reach into the past.
    InThePast {
        /// The moment asked for.
        not_before: Time,
        /// The clock.
        now: Time,
    },
    /// The document is frozen.
    Held {
        /// Until when.
        until: Time,
    },
    /// The end of a freeze must lie ahead.
    EndsInThePast(Time),
    /// There is nothing to end.
    NothingHeld,
    /// Tokens of the key may still live.
    StillInUse {
        /// The key.
        key: KeyId,
        /// Until when, with the clocks' difference.
        until: Option<Time>,
    },
    /// Nothing could sign in its place.
    NoSuccessor(KeyId),
    /// Too many keys would be published at once.
    TooManyKeys,
    /// The id was used before.
    IdInUse(KeyId),
    /// Too few ids were given for the keys to make.
    TooFewIds,
    /// The standby's secret is not at hand.
    SecretMissing(KeyId),
    /// Another request still waits.
    RequestWaits {
        /// Who made it.
        by: String,
        /// When.
        at: Time,
    },
    /// The configuration's number is not higher than the document's.
    OldRevision {
        /// The document's.
        document: u64,
    },
    /// Firings up to there were dealt with already.
    AlreadyServed(Time),
    /// The keyset's keys are made by others, and the change would make or choose one.
    MadeByOthers,
    /// The seq asked for is not above the document's.
    LowSeq(u64),
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Illegal::UnknownKey(key) => {
                write!(f, "this keyset has no key {key}; `livekit-keyd keys` lists those it has")
            }
            Illegal::NotStandby(key) => write!(f, "{key} is no standby: a key is used once, and never again"),
            Illegal::NotSucceeded(key) => {
                write!(f, "{key} has no successor yet: rotate first, or revoke it if it is compromised")
            }
            Illegal::NotProven(key) => {
                write!(
                    f,
                    "{key} was not seen to be accepted by every node yet; `livekit-keyd plan` tells what it waits for"
                )
            }
            Illegal::Already(key) => write!(f, "that was done for {key} already"),
            Illegal::InThePast { not_before, now } => {
                write!(f, "a key cannot take over at {not_before}, which is before now ({now})")
            }
            Illegal::Held { until } => {
                write!(f, "the keyset is on hold until {until}; `livekit-keyd resume` ends that")
            }
            Illegal::EndsInThePast(until) => {
                write!(f, "a hold must end ahead of now, and {until} has passed")
            }
            Illegal::NothingHeld => f.write_str("nothing is on hold"),
            Illegal::StillInUse { key, until: Some(until) } => {
                write!(f, "tokens of {key} may live until {until}; it can be taken out after that")
            }
            Illegal::StillInUse { key, until: None } => {
                write!(
                    f,
                    "{key} is in use and has no end yet; it can be taken out some time after it was succeeded"
                )
            }
            Illegal::NoSuccessor(key) => write!(
                f,
                "nothing could sign in place of {key}: no other key is proven. Wait for a standby (`livekit-keyd wait --for proven`)"
            ),
            Illegal::TooManyKeys => write!(
                f,
                "at most {MOST_LIVE_KEYS} keys of a keyset may be published at a time: wait until a succeeded one is retired"
            ),
            Illegal::IdInUse(key) => {
                write!(f, "{key} was used before, and an id is never used for two secrets")
            }
            Illegal::TooFewIds => f.write_str("too few new ids were made for this change"),
            Illegal::SecretMissing(key) => {
                write!(
                    f,
                    "the secret of standby {key} is not in the store; the rotator will give the key up and make another"
                )
            }
            Illegal::RequestWaits { by, at } => {
                write!(
                    f,
                    "a change of key that {by} asked for at {at} still waits; `livekit-keyd plan` tells for what"
                )
            }
            Illegal::OldRevision { document } => {
                write!(f, "the document has rules of config_revision {document}: raise it above that")
            }
            Illegal::AlreadyServed(time) => write!(f, "firings up to {time} were dealt with already"),
            Illegal::MadeByOthers => f.write_str(
                "the keys of this keyset are made by others (mode = \"external\"): put a new key at its source, and it signs as soon as it is proven",
            ),
            Illegal::LowSeq(seq) => write!(f, "seq {seq} is not above the document's"),
        }
    }
}

impl std::error::Error for Illegal {}
