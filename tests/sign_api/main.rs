//! The signing socket: every bad request is told what to change, and none of them harms the others.
//!
//! The real server on a real socket, in this process, with a document made by hand.
#![expect(clippy::panic, reason = "a test's set-up that fails ends the test with its sentence")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod attacks;
mod bad_requests;
mod drain;
mod harness;
mod limits;
mod peers;
mod refresh;
mod wire;
