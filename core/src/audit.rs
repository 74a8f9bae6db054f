//! The audit trail: what an event says, how lines are chained, and what a check of them finds.
//!
//! Each line carries its number, the hash of the line before and its own hash, so
//! that nobody can take one out, put one in, change or move one unseen by whoever
//! knows a later hash. A cut tail shows against a head that was noted elsewhere.

mod chain;
mod event;
mod finding;
mod judge;
mod order;
mod verifier;

pub use chain::{Chain, Hash, Hasher, Link, Torn};
pub use event::{Action, Event, Kind, Outcome, Subject};
pub use finding::{Broken, Finding, Note, Place, Report};
pub use verifier::Verifier;
