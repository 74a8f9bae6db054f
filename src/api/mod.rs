//! The daemon's sockets, and what is said over them.

pub mod admin;
pub mod answer;
pub mod callers;
mod connections;
pub mod limit;
mod openapi;
pub mod peer;
pub mod problem_type;
pub mod report;
pub mod request_id;
pub mod server;
pub mod sign;
pub mod socket;
pub mod stream;
pub mod telemetry;
pub mod workers;
