//! The audit trail: every decision is written down before its answer is given.
//!
//! Whoever has an event hands it over through a bounded queue. Signing threads write
//! what has come at once themselves, one at a time; a thread behind them does all that
//! may take long. A request that gets a token waits for the word that its event is
//! written, and never longer than a limit.

mod metrics;
mod patience;
mod queue;
mod quick;
mod record;
mod sink;
mod standing;
mod suspicious;
mod tail;
mod tally;
mod thread;
mod trail;
mod writer;

pub use record::{Issued, Record, Recorder};
pub use standing::TrailStatus;
pub use suspicious::{Suspicion, Suspicions};
pub use trail::{OnFailure, Receipt, Trail};
pub use writer::{Fsync, Settings, Target};
