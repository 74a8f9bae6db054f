//! To be written.
use livekit_keyd_core::{document::Document, key::KeyId};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
/// Metrics of keys.
#[derive(Clone)]
pub struct KeyMetrics;
impl KeyMetrics {
    /// Handles for a key that may sign: tokens issued, and when it last signed.
    pub fn handles(&self, _keyset: &str, _key: &KeyId) -> (prometheus::IntCounter, Arc<AtomicU64>) {
        unimplemented()
    }
    /// Drops the series of keys that the document has no more.
    pub fn forget_all_but(&self, _keyset: &str, _document: &Document) {}
}
fn unimplemented() -> (prometheus::IntCounter, Arc<AtomicU64>) {
    (prometheus::IntCounter::new("x", "x").expect("x"), Arc::default())
}
