//! The audit trail of a real daemon: what is written, when it is killed, while its disk is full and behind a sink that
//! hangs; and what is suspicious.
#![expect(clippy::panic, reason = "a test whose premise fails ends with its sentence")]

#[path = "../support/mod.rs"]
mod support;

mod disk;
mod events;
mod file_system;
mod files;
mod harness;
mod sinks;
mod suspicious;
