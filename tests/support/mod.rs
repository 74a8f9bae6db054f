//! Real servers and the built daemon for integration tests, and how to wait for them and talk to them.
//!
//! Everything started here listens on loopback only and ends with the test that
//! started it, also when that panics or is killed.
#![allow(dead_code, reason = "each test file is a crate of its own and uses its part of this")]
#![expect(clippy::panic, reason = "a test's set-up that fails ends the test with its sentence")]

pub(crate) mod again;
pub(crate) mod cache;
pub(crate) mod chart;
pub(crate) mod clients;
pub(crate) mod cluster;
pub(crate) mod daemon;
pub(crate) mod deployment;
pub(crate) mod eventually;
pub(crate) mod fleet;
pub(crate) mod forged;
pub(crate) mod gate;
pub(crate) mod http;
pub(crate) mod kubernetes;
pub(crate) mod livekit;
pub(crate) mod log;
pub(crate) mod memory;
pub(crate) mod openbao;
pub(crate) mod openssl;
pub(crate) mod policies;
pub(crate) mod port;
pub(crate) mod redis;
pub(crate) mod server;
pub(crate) mod service;
pub(crate) mod socket;
pub(crate) mod stored;
pub(crate) mod stores;
pub(crate) mod trail;
pub(crate) mod verifier;
