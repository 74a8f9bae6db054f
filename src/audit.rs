//! The audit trail: every decision is written down before its answer is given.
//!
//! Whoever has an event hands it over through a bounded queue; one thread seals
//! lines, writes as many as have come at once, and says so. A request that gets a
//! token waits for that word, and never longer than a limit.

mod metrics;
mod record;
mod sink;
mod suspicious;
mod tail;
mod tally;
mod trail;
mod writer;

pub use record::{Issued, Record, Recorder};
pub use suspicious::{Suspicion, Suspicions};
pub use trail::{OnFailure, Receipt, Trail, TrailStatus};
pub use writer::{Fsync, Settings, Target};
