//! A caller: a local user or group, and what it may ask for.

use std::time::Duration;

use super::glob::Glob;
use crate::grants::GrantPattern;

/// What a caller may ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Caller {
    /// Its name, in logs, metrics and tokens.
    pub name: String,
    /// Rooms; none if empty.
    pub allowed_rooms: Vec<Glob>,
    /// Identities; none if empty.
    pub allowed_identities: Vec<Glob>,
    /// Grants without a profile; none if empty.
    pub allowed_grants: Vec<GrantPattern>,
    /// The usual life.
    pub ttl: Option<Duration>,
    /// The longest life.
    pub max_ttl: Option<Duration>,
}

/// How a caller is known. Whatever is named must fit; of a list one is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerMatch {
    /// Users, by number.
    pub uids: Option<Vec<u32>>,
    /// Groups, by number: one of those that are known of a peer.
    pub gids: Option<Vec<u32>>,
}

impl CallerMatch {
    /// Whether a peer is this caller.
    pub fn fits(&self, uid: u32, gids: &[u32]) -> bool {
        let user = self.uids.as_ref().is_none_or(|uids| uids.contains(&uid));
        let group = self.gids.as_ref().is_none_or(|own| own.iter().any(|gid| gids.contains(gid)));
        user && group
    }
}
