//! What policy lets be signed: each rule by examples, and its bounds as properties.

#[path = "policy/allowed.rs"]
mod allowed;
#[path = "policy/bounds.rs"]
mod bounds;
#[path = "policy/callers.rs"]
mod callers;
#[path = "policy/denied.rs"]
mod denied;
#[path = "policy/fixtures.rs"]
mod fixtures;
#[path = "policy/globs.rs"]
mod globs;
#[path = "policy/model.rs"]
mod model;
#[path = "policy/placeholders.rs"]
mod placeholders;
#[path = "policy/profiles.rs"]
mod profiles;
#[path = "policy/properties.rs"]
mod properties;
