//! Keys in a Secret and a workload's restart, on a real Kubernetes API, with rights to those two objects alone.
//!
//! No controller runs there: what one would say in a workload's status, the test says in its place.

#[path = "../support/mod.rs"]
mod support;

mod access;
mod harness;
mod rotator;
mod secret;
mod workload;
