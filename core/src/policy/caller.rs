//! A caller: a local user or group, and what it may ask for.

use std::collections::HashMap;
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

/// Callers by user and group: who a peer is takes a look for the user and two for each of its groups, however many
/// callers there are.
#[derive(Clone, Debug, Default)]
pub struct CallerIndex(HashMap<(Option<u32>, Option<u32>), usize>);

impl CallerIndex {
    /// Of callers in the order of the configuration file.
    pub fn new<'a>(callers: impl IntoIterator<Item = &'a CallerMatch>) -> CallerIndex {
        let mut index = HashMap::new();
        for (place, CallerMatch { uids, gids }) in callers.into_iter().enumerate() {
            for uid in each(uids) {
                for gid in each(gids) {
                    // Who is known already is decided on before.
                    index.entry((uid, gid)).or_insert(place);
                }
            }
        }
        CallerIndex(index)
    }

    /// The place of the first that a peer is.
    pub fn find(&self, uid: u32, gids: &[u32]) -> Option<usize> {
        let groups = std::iter::once(None).chain(gids.iter().copied().map(Some));
        let names = groups.flat_map(|gid| [(Some(uid), gid), (None, gid)]);
        names.filter_map(|name| self.0.get(&name)).min().copied()
    }
}

/// Each number, or once that it does not matter.
fn each(numbers: &Option<Vec<u32>>) -> Vec<Option<u32>> {
    numbers.as_ref().map_or_else(|| vec![None], |numbers| numbers.iter().copied().map(Some).collect())
}
