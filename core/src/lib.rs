//! The pure part of livekit-keyd: what is true of a keyset, what comes next, and what may be signed.
//!
//! Nothing here reads a clock, a file, a socket or a random number; they are
//! parameters. So the planner that is tested against invented worlds is the one that ships.

pub mod audit;
pub mod change;
pub mod claims;
pub mod document;
pub mod duration;
pub mod grants;
pub mod issuer;
pub mod key;
pub mod members;
pub mod nearest;
mod object;
pub mod pause;
pub mod phase;
pub mod plan;
pub mod policy;
pub mod problem;
pub mod request;
pub mod rollout;
pub mod rules;
pub mod schedule;
pub mod secret;
pub mod snapshot;
pub mod time;
pub mod verify;
pub mod watermark;
