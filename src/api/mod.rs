//! The daemon's sockets, and what is said over them.

pub mod report;
