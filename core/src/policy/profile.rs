//! A profile: the rights of one kind of use, set once by an operator.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::claims::Kind;
use crate::grants::Grants;

/// Whether a request may say how its room is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoomConfigRule {
    /// Not at all.
    #[default]
    Refused,
    /// All but `egress`, which can carry credentials of a storage.
    WithoutEgress,
    /// All of it.
    Any,
}

/// The rights of one kind of use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What it grants; a `video.room` in it is the only room.
    pub grants: Grants,
    /// The participant's kind.
    pub kind: Option<Kind>,
    /// The usual life.
    pub ttl: Option<Duration>,
    /// The longest life.
    pub max_ttl: Option<Duration>,
    /// Put into every token.
    pub metadata: Option<String>,
    /// Put into every token.
    pub attributes: BTreeMap<String, String>,
    /// Put into every token.
    pub room_config: Option<Map<String, Value>>,
    /// Whether a request may bring its own.
    pub allowed_room_config: RoomConfigRule,
}
