//! Users of identity providers sign on, and nobody else does.
//!
//! The built daemon on its socket, with providers on loopback: some that lie, one
//! that is real, and the client SDK that LiveKit gives out.
#![expect(clippy::panic, reason = "a test whose premise fails ends with its sentence")]

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod company;
mod forms;
mod key_sets;
mod oidc;
mod provider;
mod refresh;
mod reload;
mod rules;
mod subject_tokens;
mod tokens;
