//! A status to show pages with, in tests.

use std::collections::BTreeMap;
use std::time::Duration;

use livekit_keyd_core::time::Time;

use crate::api::report::{Condition, KeyStatus, KeysetStatus, PublicationStatus, Status, StoreStatus};

const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn now() -> Time {
    "2026-11-24T12:00:00Z".parse().expect("a time")
}

pub(super) fn key(id: &str, phase: &str, created_at: Time) -> KeyStatus {
    KeyStatus {
        id: id.to_owned(),
        phase: phase.to_owned(),
        compromised: false,
        held: false,
        created_at,
        proven_at: Some(created_at + MINUTE),
        not_before: None,
        not_after: None,
        unpublished_at: None,
        erased_at: None,
        tokens_issued: 0,
        last_used_at: None,
    }
}

/// Ten minutes after a rotation: one key signs, one retires for fifty minutes more, two stand by.
pub(super) fn status(now: Time) -> Status {
    let keys = vec![
        KeyStatus {
            not_before: Some(now - 70 * MINUTE),
            not_after: Some(now + 50 * MINUTE),
            tokens_issued: 4000,
            ..key("APIold", "retiring", now - 100 * MINUTE)
        },
        KeyStatus {
            not_before: Some(now - 10 * MINUTE),
            tokens_issued: 812,
            last_used_at: Some(now - Duration::from_secs(1)),
            ..key("APIactive", "active", now - 90 * MINUTE)
        },
        key("APIstandby1", "standby", now - 80 * MINUTE),
        key("APIstandby2", "standby", now - 10 * MINUTE),
    ];
    let counts = [("active", 1), ("retiring", 1), ("standby", 2)];
    Status {
        version: "0.1.0".to_owned(),
        role: "both".to_owned(),
        store: StoreStatus {
            kind: "file".to_owned(),
            reachable: true,
            last_success: Some(now - Duration::from_secs(2)),
            message: None,
        },
        audit: None,
        keysets: vec![KeysetStatus {
            name: "default".to_owned(),
            seq: Some(9),
            unusable: None,
            phases: counts.into_iter().map(|(phase, count)| (phase.to_owned(), count)).collect(),
            keys,
            external: false,
            source: None,
            next_firing: Some(now + 192 * MINUTE),
            hold_until: None,
            conditions: vec![Condition {
                kind: "ProofDisabled".to_owned(),
                degraded: false,
                reason: "standing".to_owned(),
                message: "proof is disabled: restart LiveKit in time".to_owned(),
                since: now - 10 * MINUTE,
            }],
        }],
        publications: vec![PublicationStatus {
            name: "key file keys.yaml".to_owned(),
            keys: ["APIstandby1", "APIactive", "APIstandby2"].map(str::to_owned).to_vec(),
            changed_at: Some(now - 10 * MINUTE),
            seqs: BTreeMap::from([("default".to_owned(), 9)]),
            message: None,
        }],
        nodes: Vec::new(),
        restarting: None,
        conditions: Vec::new(),
    }
}
