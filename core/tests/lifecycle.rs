//! What becomes of keys, told as stories with a virtual clock: one rotator, one signer, one node, no faults.

#[path = "lifecycle/compromise.rs"]
mod compromise;
#[path = "lifecycle/fixtures.rs"]
mod fixtures;
#[path = "lifecycle/operator.rs"]
mod operator;
#[path = "lifecycle/publication.rs"]
mod publication;
#[path = "lifecycle/restored.rs"]
mod restored;
#[path = "lifecycle/rotation.rs"]
mod rotation;
#[path = "lifecycle/standby.rs"]
mod standby;

mod support;
