//! What the store holds, as anybody may have written it, and what issuers publish.
#![no_main]

use std::collections::BTreeSet;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use livekit_keyd_core::document::Document;
use livekit_keyd_core::issuer::jwk_set;
use livekit_keyd_core::phase::Phase;
use livekit_keyd_core::snapshot::Snapshot;
use livekit_keyd_core::time::Time;

fuzz_target!(|data: &[u8]| {
    let _ = jwk_set(data);
    let Ok(document) = serde_json::from_slice::<Document>(data) else { return };
    let written = serde_json::to_vec(&document).expect("it is written");
    assert_eq!(serde_json::from_slice::<Document>(&written).expect("it is read back"), document);
    if document.check("apps").is_err() {
        return;
    }
    for now in [Time::MIN, Time::from_millis(1_800_000_000_000), Time::MAX] {
        for key in &document.keys {
            let _ = Phase::of(&document, key, now);
        }
        let _ = (document.active(now).is_some(), document.hold_at(now).is_some());
        if let Ok(signing) = Snapshot::new(&document, &BTreeSet::new()).at(now, Duration::ZERO) {
            assert!(signing.latest_expiry <= Time::MAX);
        }
    }
    let _ = (document.next_firing(), document.last_rotation(), document.next_ordinal());
});
