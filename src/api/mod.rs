//! The daemon's sockets, and what is said over them.

pub mod admin;
pub mod report;
