//! Users of identity providers sign on, and nobody else does.
//!
//! The built daemon on its socket, with providers on loopback: some that lie, one
//! that is real, and the client SDK that LiveKit gives out.
#![expect(clippy::panic, reason = "a test's set-up that fails ends the test with its sentence")]

#[path = "../support/mod.rs"]
mod support;

mod company;
mod forms;
mod key_sets;
mod provider;
mod reload;
mod rules;
mod subject_tokens;
mod tokens;
