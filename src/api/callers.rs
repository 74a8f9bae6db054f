//! Which `[[caller]]` a peer is, and all that its requests need, resolved when the configuration loads.

use std::sync::Arc;

use livekit_keyd_core::policy::{CallerIndex, CallerMatch, Policy};

use super::limit::{Limit, Rate};
use super::peer::Peer;
use crate::issuer::Issuers;
use crate::metrics::CallerMetrics;
use crate::signer::Signer;

/// A caller, ready to be answered.
pub struct ResolvedCaller {
    /// How it is known.
    pub matches: CallerMatch,
    /// What it may ask for.
    pub policy: Policy,
    /// How often.
    pub limit: Option<Arc<Limit>>,
    /// Who signs for it.
    pub signer: Arc<Signer>,
    /// Its counters.
    pub metrics: Arc<CallerMetrics>,
    /// Whose users' tokens it may pass on.
    pub issuers: Issuers,
}

/// All callers.
#[derive(Default)]
pub struct Callers {
    /// In the order of the configuration file.
    all: Vec<Arc<ResolvedCaller>>,
    index: CallerIndex,
}

impl Callers {
    /// In the order of the configuration file.
    pub fn new(callers: impl IntoIterator<Item = ResolvedCaller>) -> Callers {
        let all: Vec<_> = callers.into_iter().map(Arc::new).collect();
        let index = CallerIndex::new(all.iter().map(|caller| &caller.matches));
        Callers { all, index }
    }

    /// A caller's bucket, if it allows as much as is wanted: a reload does not fill one that is empty.
    pub fn limit(&self, caller: &str, rate: Rate) -> Option<Arc<Limit>> {
        let known = self.all.iter().find(|known| known.policy.caller().name == caller)?;
        known.limit.as_ref().filter(|limit| limit.rate() == rate).map(Arc::clone)
    }

    /// The first that fits, as in pg_hba.conf.
    pub fn find(&self, peer: &Peer) -> Option<&Arc<ResolvedCaller>> {
        self.all.get(self.index.find(peer.uid, &peer.gids)?)
    }
}
