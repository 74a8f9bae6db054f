//! Who may sign what.
//!
//! A caller's policy is resolved once, from its own settings, its profiles and its
//! keyset, so that a decision costs the same among ten callers and ten thousand.

mod caller;
mod decide;
mod glob;
mod profile;

use std::time::Duration;

pub use caller::{Caller, CallerIndex, CallerMatch};
pub use glob::Glob;
pub use profile::{Profile, RoomConfigRule};

use crate::claims::Participant;
use crate::grants::{GrantPattern, Grants};

/// The life of a token when nobody says anything.
pub const DEFAULT_TTL: Duration = Duration::from_secs(15 * 60);

/// What shortened a token's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitedBy {
    /// The signer's lease.
    Lease,
    /// The keyset's max_token_ttl.
    Keyset,
    /// The profile's max_ttl.
    Profile,
    /// The caller's max_ttl.
    Caller,
    /// The end of a session that is refreshed.
    Session,
}

impl LimitedBy {
    /// All of them.
    pub const ALL: [LimitedBy; 5] =
        [LimitedBy::Lease, LimitedBy::Keyset, LimitedBy::Profile, LimitedBy::Caller, LimitedBy::Session];

    /// As answers and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            LimitedBy::Lease => "lease",
            LimitedBy::Keyset => "keyset",
            LimitedBy::Profile => "profile",
            LimitedBy::Caller => "caller",
            LimitedBy::Session => "session",
        }
    }
}

/// A token's life, shortened to what is allowed and never lengthened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl {
    /// How long it will live.
    pub granted: Duration,
    /// What made it shorter than was asked for; nothing is said where nothing was asked for.
    pub limited_by: Option<LimitedBy>,
    asked: bool,
}

impl Ttl {
    fn new(requested: Option<Duration>, usual: Duration) -> Ttl {
        Ttl { granted: requested.unwrap_or(usual), limited_by: None, asked: requested.is_some() }
    }

    /// At most so long.
    #[must_use]
    pub fn limit(self, most: Duration, by: LimitedBy) -> Ttl {
        if self.granted <= most {
            return self;
        }
        Ttl { granted: most, limited_by: self.asked.then_some(by), ..self }
    }
}

/// What policy lets be signed.
#[derive(Clone, Debug, PartialEq)]
pub struct Approved {
    /// The participant.
    pub participant: Participant,
    /// The rights.
    pub grants: Grants,
    /// The life; the keyset's limit and the lease are still to be applied.
    pub ttl: Ttl,
    /// The profile that was applied, or nothing.
    pub profile: String,
}

/// One caller's policy, with all that it refers to.
#[derive(Clone, Debug)]
pub struct Policy {
    caller: Caller,
    profiles: Vec<Profile>,
    keyset_grants: Option<Vec<GrantPattern>>,
}

impl Policy {
    /// Resolved for a caller: `profiles` are those that it names, `keyset_grants` its keyset's bound, or all.
    pub fn new(
        caller: Caller,
        mut profiles: Vec<Profile>,
        keyset_grants: Option<Vec<GrantPattern>>,
    ) -> Policy {
        // A decision finds its profile by bisection.
        profiles.sort_by(|a, b| a.name.cmp(&b.name));
        let caller = Caller {
            allowed_rooms: resolve(&caller.allowed_rooms, &caller.name),
            allowed_identities: resolve(&caller.allowed_identities, &caller.name),
            ..caller
        };
        Policy { caller, profiles, keyset_grants }
    }

    /// The caller.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The profiles that it may use, by name.
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// What its keyset's tokens may grant at most; `None` is all.
    pub fn keyset_grants(&self) -> Option<&[GrantPattern]> {
        self.keyset_grants.as_deref()
    }
}

fn resolve(globs: &[Glob], caller: &str) -> Vec<Glob> {
    globs.iter().map(|glob| glob.with_caller(caller)).collect()
}
