//! livekit-keyd keeps LiveKit API keys in a store, rotates them, and signs LiveKit tokens for local applications.

pub mod api;
pub mod atomic_file;
pub mod audit;
pub mod cli;
pub mod client;
pub mod clock;
pub mod conditions;
pub mod config;
pub mod documents;
pub mod fleet;
pub mod hardening;
pub mod issuer;
pub mod keyset;
pub mod keyset_metrics;
pub mod logging;
pub mod marks;
pub mod metrics;
pub mod publish;
pub mod random;
pub mod refresher;
pub mod rotator;
pub mod runbook;
pub mod runtime;
pub mod signer;
pub mod source;
pub mod store;
